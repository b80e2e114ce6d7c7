"""Rejected rows, each with the rule that it breaks, the remedy, and all its cells."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from dpa.csv_records import Malformed
from dpa.rules import RULES, Faults

Broken: TypeAlias = pa.Table
"""Rows that break rules: source_line, rule_code (the first), value, other_rules, raw_row."""

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False).encode
_CODE: Final = pa.dictionary(pa.int32(), pa.large_string())
_SCHEMA: Final = pa.schema(
    {
        "source_line": pa.int64(),
        "rule_code": _CODE,
        "value": pa.large_string(),
        "other_rules": _CODE,
        "raw_row": pa.large_string(),
    }
)
_NONE: Final[Broken] = _SCHEMA.empty_table()


def broken_cells(
    header: Sequence[str],
    rows: pa.Table,
    lines: np.ndarray,
    cells: Mapping[str, pa.Array],
    faults: Faults,
) -> Broken:
    """List the rows that break a rule, once each.

    `rows` has a column for each heading, `cells` those of our columns with defaults filled in.
    """
    guilty = np.flatnonzero(np.logical_or.reduce(list(faults.values())))
    if not len(guilty):
        return _NONE
    codes, others = _first_and_others(faults, guilty)
    values = np.empty(len(guilty), dtype=object)
    for code in np.unique(codes):
        broken = codes == code
        written = cells[RULES[code].column].take(pa.array(guilty[broken]))
        values[broken] = written.to_pylist()
    raw = _json_rows(header, rows.take(pa.array(guilty)))
    return _broken(lines[guilty], codes, values, others, raw)


def broken_lines(malformed: Sequence[Malformed]) -> Broken:
    """List the lines that could not be cut into cells."""
    texts = [line.text for line in malformed]
    return _broken(
        [line.line for line in malformed],
        [line.rule_code for line in malformed],
        texts,
        [""] * len(texts),
        [_ENCODE({"ligne": text}) for text in texts],
    )


def _broken(*columns: Sequence[object] | np.ndarray) -> Broken:
    arrays = [
        pa.array(column, type=kind.type) for column, kind in zip(columns, _SCHEMA, strict=True)
    ]
    table: Broken = pa.table(arrays, schema=_SCHEMA)
    return table


def _first_and_others(faults: Faults, guilty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give, for each guilty row, the first rule that it breaks and the codes of the others."""
    codes = np.array(list(faults))
    matrix = np.column_stack([mask[guilty] for mask in faults.values()])
    patterns, places = np.unique(matrix, axis=0, return_inverse=True)
    broken = [codes[pattern].tolist() for pattern in patterns]
    firsts = np.array([found[0] for found in broken], dtype=object)
    others = np.array([", ".join(found[1:]) for found in broken], dtype=object)
    return firsts[places], others[places]


def _json_rows(header: Sequence[str], rows: pa.Table) -> list[str]:
    """Write each row as a JSON object {heading: cell}; headings that come again are numbered."""
    names = _unique(header)
    columns = [column.to_pylist() for column in rows.columns]
    return [_ENCODE(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _unique(header: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for name in header:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def reject_rows(broken: Broken) -> pd.DataFrame:
    """Describe broken rows as `CheckedPart.rejects` says, in the order of their lines."""
    rows = broken.sort_by("source_line").combine_chunks()
    codes = rows["rule_code"].cast(pa.large_string())
    columns = {
        "source_line": rows["source_line"],
        "rule_code": codes,
        "column_name": _told(rows["rule_code"], "column"),
        "value": rows["value"],
        "reason": _told(rows["rule_code"], "sentence"),
        "remedy": _told(rows["rule_code"], "remedy"),
        "other_rules": rows["other_rules"].cast(pa.large_string()),
        "raw_row": rows["raw_row"],
    }
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame


def _told(codes: pa.ChunkedArray, what: str) -> pa.Array:
    """Say of each rule code what its rule says in the attribute `what`."""
    chunk = codes.combine_chunks()
    told = [getattr(RULES[code], what) for code in chunk.dictionary.to_pylist()]
    return pa.array(told, pa.large_string()).take(chunk.indices)


NO_REJECTS: Final = reject_rows(_NONE)
