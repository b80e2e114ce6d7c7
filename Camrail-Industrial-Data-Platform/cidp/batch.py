"""Many readings from one body, each judged as `POST /predict` judges it, and their answers in kind.

A quick reader takes the rows that are surely valid. Every other row goes to `parse_reading`, which
alone decides what is refused, and why.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import numpy as np
import orjson

from cidp.errors import BatchTooLong, FieldError, TelemetryRefused
from cidp.scoring import Probabilities, Scorer, Table
from cidp.telemetry import LIMITS, LOCO_ID, READINGS, Reading, parse_reading

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
FIELDS: Final = ("loco_id", *READINGS)
ROW_DETAILS: Final = 10
"""Refused fields that the answer lists for one row."""

REFUSED: Final = "Data Validation Failed"
_QUOTES: Final = 12
"""Quotes of a valid reading: one more pair can only be a repeated key."""


class _QuickRow(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A valid reading, once its locomotive has been looked at too."""

    loco_id: str
    flow_rate: Annotated[float, msgspec.Meta(ge=LIMITS["flow_rate"][0], le=LIMITS["flow_rate"][1])]
    pressure: Annotated[float, msgspec.Meta(ge=LIMITS["pressure"][0], le=LIMITS["pressure"][1])]
    vibration: Annotated[float, msgspec.Meta(ge=LIMITS["vibration"][0], le=LIMITS["vibration"][1])]
    temperature: Annotated[
        float, msgspec.Meta(ge=LIMITS["temperature"][0], le=LIMITS["temperature"][1])
    ]


_read_quickly = msgspec.json.Decoder(_QuickRow).decode
_read_lines_quickly = msgspec.json.Decoder(_QuickRow).decode_lines
_read_all_quickly = msgspec.json.Decoder(list[_QuickRow]).decode
_in_order = attrgetter(*READINGS)
_locomotive = attrgetter("loco_id")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
Row = _QuickRow | Reading


class Batch(NamedTuple):
    """The rows of a body: the valid ones, where each stands, and why the others are refused."""

    locomotives: list[str]
    values: Table
    places: Sequence[int]
    refused: dict[int, list[FieldError]]

    @property
    def rows(self) -> int:
        """How many rows the body had."""
        return len(self.locomotives) + len(self.refused)


class ScoredBatch(NamedTuple):
    """What became of each row, in the order of the body."""

    rows: list[dict[str, Any]]
    risks: Probabilities
    critical: int
    refused: int

    @property
    def scored(self) -> int:
        """How many rows were valid."""
        return len(self.risks)


def read_json(raw: bytes, max_rows: int) -> Batch:
    """Read a JSON array; raises `TelemetryRefused` when it is none, `BatchTooLong`."""
    rows = _surely_valid(_read_all_quickly, raw)
    if rows is None:
        return _judged(_array_items(raw), max_rows)
    _check_length(len(rows), max_rows)
    return _batch(rows, range(len(rows)), {})


def read_ndjson(raw: bytes, max_rows: int) -> Batch:
    """Read one JSON object a line; blank lines do not count."""
    body = raw.replace(b"\r\n", b"\n").strip()
    rows = _surely_valid(_read_lines_quickly, body)
    # Texts of valid readings hold no brace, so these are the ends of objects, each at a line's end.
    if rows is None or not body.count(b"\n") == body.count(b"}\n{") == len(rows) - 1:
        return _judged((line for line in raw.split(b"\n") if line.strip()), max_rows)
    _check_length(len(rows), max_rows)
    return _batch(rows, range(len(rows)), {})


def _surely_valid(read: Callable[[bytes], list[_QuickRow]], raw: bytes) -> list[_QuickRow] | None:
    """Read all rows at once; None where one of them may be refused."""
    try:
        rows = read(raw)
    except _UNREADABLE:
        return None
    valid = raw.count(b'"') == _QUOTES * len(rows) and _are_locomotives(map(_locomotive, rows))
    return rows if valid else None


def read_csv(raw: bytes, max_rows: int) -> Batch:
    """Read a table whose first line names the five fields, in any order.

    With « ; » between cells the decimal sign may be a comma, as French spreadsheets write it.
    """
    try:
        text = raw.decode("utf-8-sig")
        stream = io.StringIO(text, newline="")
        table = csv.reader(stream, delimiter=csv_delimiter(raw), strict=True)
        header = [name.strip() for name in next(table, [])]
        if sorted(header) != sorted(FIELDS):
            raise _refused_body(f"la première ligne doit nommer {', '.join(FIELDS)}")
        lines = [cells for cells in table if cells]
    except UnicodeDecodeError:
        raise _refused_body("texte UTF-8 attendu") from None
    except csv.Error:
        raise _refused_body("CSV invalide") from None
    _check_length(len(lines), max_rows)
    if csv_delimiter(raw) == ";":
        lines = [[cell.replace(",", ".") for cell in cells] for cells in lines]
    return _quick_table(header, lines) or _judged(_as_objects(header, lines), max_rows)


def csv_delimiter(raw: bytes) -> str:
    """Tell which sign separates the cells of a CSV body, by its first line."""
    return ";" if b";" in raw.partition(b"\n")[0] else ","


def _judged(rows: Iterable[bytes], max_rows: int) -> Batch:
    """Judge rows one by one."""
    valid: list[Row] = []
    places: list[int] = []
    refused: dict[int, list[FieldError]] = {}
    for place, raw in enumerate(rows):
        _check_length(place + 1, max_rows)
        try:
            valid.append(_read_row(raw))
            places.append(place)
        except TelemetryRefused as error:
            refused[place] = _shortened(error.details)
    return _batch(valid, places, refused)


def _read_row(raw: bytes) -> Row:
    try:
        if raw.count(b'"') == _QUOTES and _LOCO.fullmatch((row := _read_quickly(raw)).loco_id):
            return row
    except _UNREADABLE:
        pass
    return parse_reading(raw)


def _shortened(details: list[FieldError]) -> list[FieldError]:
    if len(details) <= ROW_DETAILS:
        return details
    more = f"{len(details) - ROW_DETAILS} autres champs refusés"
    return [*details[:ROW_DETAILS], FieldError(field="body", message=more)]


def _batch(rows: Sequence[Row], places: Sequence[int], refused: dict[int, Any]) -> Batch:
    if not rows and not refused:
        raise _refused_body("aucune lecture")
    flat = chain.from_iterable(map(_in_order, rows))
    values = np.fromiter(flat, dtype=np.float64, count=len(READINGS) * len(rows))
    return Batch(list(map(_locomotive, rows)), values.reshape(-1, len(READINGS)), places, refused)


def _check_length(rows: int, max_rows: int) -> None:
    if rows > max_rows:
        raise BatchTooLong(f"Au plus {max_rows} lectures par envoi : découpez-le.")


def _refused_body(message: str) -> TelemetryRefused:
    return TelemetryRefused([FieldError(field="body", message=message)])


_LOCO = re.compile(LOCO_ID)
_LOCOS = re.compile(rf"(?:{LOCO_ID.strip('^$')}\n)*")


def _are_locomotives(names: Iterable[str]) -> bool:
    """Check all names by one expression, which is many times quicker than one after the other."""
    listed = list(names)
    text = "\n".join([*listed, ""])
    return text.count("\n") == len(listed) and _LOCOS.fullmatch(text) is not None


_SPACE = re.compile(r"[ \t\r\n]*")


def _array_items(raw: bytes) -> Iterator[bytes]:
    """Cut a JSON array into the texts of its items, which stay as they were sent."""
    try:
        text = raw.decode()
        if not text.lstrip(" \t\r\n").startswith("["):
            json.loads(text)
            raise _refused_body("un tableau JSON est attendu")
        yield from _items(text)
    except (ValueError, RecursionError):
        raise _refused_body("JSON invalide") from None


def _items(text: str) -> Iterator[bytes]:
    scan, skip = json.JSONDecoder().raw_decode, _SPACE.match
    place = skip(text, text.index("[") + 1).end()  # type: ignore[union-attr]  # it may be empty
    sign = text[place : place + 1]
    while sign != "]":
        _, end = scan(text, place)
        yield text[place:end].encode("utf-8", "surrogatepass")
        place = skip(text, end).end()  # type: ignore[union-attr]
        sign = text[place : place + 1]
        if sign not in {",", "]"}:
            raise ValueError(sign)
        if sign == ",":
            place = skip(text, place + 1).end()  # type: ignore[union-attr]
    if text[place + 1 :].strip(" \t\r\n"):
        raise ValueError(text[place])


_NUMBERS = re.compile(r"[-+0-9.eE\n]*")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def _quick_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> Batch | None:
    """Read a table whose every cell is surely valid, by columns; None where one is not."""
    try:
        columns = dict(zip(header, zip(*lines, strict=True), strict=True))
        if not all(_NUMBERS.fullmatch("\n".join(columns[name])) for name in READINGS):
            return None
        values = np.array([list(map(float, columns[name])) for name in READINGS]).T
    except ValueError:
        return None
    low, high = np.array([LIMITS[name] for name in READINGS]).T
    locomotives = list(columns["loco_id"])
    if not ((values >= low) & (values <= high)).all():
        return None
    if not _are_locomotives(locomotives):
        return None
    return Batch(locomotives, np.ascontiguousarray(values), range(len(lines)), {})


def _as_objects(header: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Write each line of a table as the JSON object that says the same."""
    for cells in lines:
        surplus = [f"cellule {number + 1}" for number in range(len(header), len(cells))]
        given = zip([*header, *surplus], map(str.strip, cells), strict=False)
        texts = (f"{json.dumps(name)}: {_json_value(name, cell)}" for name, cell in given if cell)
        yield f"{{{', '.join(texts)}}}".encode()


def _json_value(name: str, cell: str) -> str:
    if name in LIMITS and _NUMBER.fullmatch(cell):
        return json.dumps(float(cell))  # Infinity where the number is too large
    return json.dumps(cell)


def score(batch: Batch, scorer: Scorer) -> ScoredBatch:
    """Score the valid rows in one run of the model; every row gets its answer, in order."""
    risks = scorer.risks(batch.values) if len(batch.locomotives) else np.empty(0)
    critical = risks > scorer.threshold
    warnings = scorer.warnings_of_rows(batch.values)
    # Risks are float32 numbers, for which this rounding is that of Python's round.
    rounded = np.round(risks, 4).tolist()
    decided = zip(batch.locomotives, critical.astype(int).tolist(), rounded, strict=True)
    answers: list[dict[str, Any]] = [
        {"loco_id": loco, "critical_risk": alarm, "risk_probability": risk, "warnings": ()}
        for loco, alarm, risk in decided
    ]
    for place, said in warnings.items():
        answers[place]["warnings"] = said
    rows = _with_refused(answers, batch) if batch.refused else answers
    return ScoredBatch(rows, risks, int(critical.sum()), len(batch.refused))


def _with_refused(answers: list[dict[str, Any]], batch: Batch) -> list[dict[str, Any]]:
    by_place = dict(zip(batch.places, answers, strict=True))
    for place, details in batch.refused.items():
        by_place[place] = {"error": REFUSED, "details": details}
    return [by_place[place] for place in range(batch.rows)]


def write_json(scored: ScoredBatch, scorer: Scorer) -> bytes:
    """Write the answer to a JSON array."""
    return orjson.dumps(
        {
            "model_version": scorer.version,
            "threshold": scorer.threshold,
            "scored": scored.scored,
            "refused": scored.refused,
            "results": scored.rows,
        }
    )


def write_ndjson(scored: ScoredBatch) -> bytes:
    """Write one object a line."""
    listed = orjson.dumps(scored.rows)
    if listed.count(b"},{") == len(scored.rows) - 1:  # no message holds what ends a row
        return listed[1:-1].replace(b"},{", b"}\n{") + b"\n"
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in scored.rows)


def write_csv(scored: ScoredBatch, delimiter: str) -> bytes:
    """Write one line a row, under a header, with the decimal sign that goes with `delimiter`."""
    stream = io.StringIO(newline="")
    table = csv.writer(stream, delimiter=delimiter)
    table.writerow(("loco_id", "critical_risk", "risk_probability", "warnings", "error"))
    decimal = "," if delimiter == ";" else "."
    table.writerows(_cells(row, decimal) for row in scored.rows)
    return stream.getvalue().encode()


def _cells(row: dict[str, Any], decimal: str) -> tuple[Any, ...]:
    if "error" in row:
        said = " | ".join(f"{d['field']} : {d['message']}" for d in row["details"])
        return "", "", "", "", said
    probability = str(row["risk_probability"]).replace(".", decimal)
    return row["loco_id"], row["critical_risk"], probability, " | ".join(row["warnings"]), ""
