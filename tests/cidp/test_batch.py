"""A row of a batch is judged as a reading alone is, whatever form the body has."""

import csv
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_scoring import scorer

from cidp import batch
from cidp.errors import BatchTooLong, FieldError, TelemetryRefused
from cidp.telemetry import READINGS, Reading, parse_reading

READING: dict[str, Any] = {
    "loco_id": "LOCO_001",
    "flow_rate": 500,
    "pressure": 5.0,
    "vibration": 2.0,
    "temperature": 45.0,
}
GOOD = json.dumps(READING).encode()
HEADER = b"loco_id,flow_rate,pressure,vibration,temperature\n"
Verdict = tuple[str, tuple[float, ...]] | list[FieldError]


def with_vibration(text: str) -> bytes:
    return GOOD.replace(b'"vibration": 2.0', f'"vibration": {text}'.encode())


VALUES = ["2", "2.0", "0", "-0.0", "1e1", "100", "1E-3", "100.0000001", "-0.1", "1e308", "1e999"]
VALUES += ["NaN", "Infinity", "-Infinity", "true", "null", '"5"', '"abc"', "[1]", "{}"]
VALUES += ["1" + "0" * 400, "-1" + "0" * 400, '1, "vibration": 2', '1, "x": 2']
LOCOS = [
    "",
    "x" * 64,
    "x" * 65,
    "LOCO\n1",
    "LOCO\n",
    "L\nM",
    "-LOCO",
    "LÔCO",
    "a b",
    "a.b_c-9",
    '"',
]
OBJECTS = [b"{}", b"[]", b"null", b"3", b'"text"', b"true", b'{"loco_id": "\\ud800"}']
OBJECTS += [GOOD.replace(b'"pressure"', b'"\\u0070ressure"'), b'{"loco_id": 1}']
CASES = [
    *map(with_vibration, VALUES),
    *(json.dumps(READING | {"loco_id": loco}).encode() for loco in LOCOS),
    *OBJECTS,
]
BROKEN = [b"{", b"not json", b"\xff\xfe", b'{"loco_id": "\xed\xa0\x80"}', GOOD + b"x", b"[" * 9000]


def alone(raw: bytes) -> Verdict:
    try:
        reading = parse_reading(raw)
    except TelemetryRefused as error:
        return error.details
    return reading.loco_id, reading.values()


def in_batch(read: batch.Batch, place: int) -> Verdict:
    if place in read.refused:
        return read.refused[place]
    row = list(read.places).index(place)
    return read.locomotives[row], tuple(read.values[row].tolist())


@pytest.mark.parametrize("raw", CASES)
@pytest.mark.parametrize("others", [b"", GOOD + b", ", b"3, "])
def test_an_item_of_an_array_is_judged_as_it_is_alone(raw: bytes, others: bytes) -> None:
    read = batch.read_json(b"[" + others + raw + b"]", 10)
    assert in_batch(read, read.rows - 1) == alone(raw)


@pytest.mark.parametrize("raw", [*CASES, *BROKEN])
@pytest.mark.parametrize("others", [b"", GOOD + b"\r\n\n"])
def test_a_line_is_judged_as_it_is_alone(raw: bytes, others: bytes) -> None:
    read = batch.read_ndjson(others + raw + b"\n", 10)
    assert in_batch(read, read.rows - 1) == alone(raw)


@pytest.mark.parametrize("raw", [GOOD + GOOD, GOOD + b" " + GOOD, GOOD + b"," + GOOD])
def test_a_line_holds_one_object_and_an_object_one_line(raw: bytes) -> None:
    torn = GOOD.replace(b", ", b",\n", 1)
    assert sorted(batch.read_ndjson(b"\n".join([raw, torn, GOOD]), 10).refused) == [0, 1, 2]
    assert sorted(batch.read_ndjson(b"\n".join([GOOD, raw, GOOD, GOOD]), 10).refused) == [1]


@pytest.mark.parametrize("text", VALUES[:11])
@pytest.mark.parametrize("others", [b"", b"L2,1,1,1,1\n", b"L2,x,1,1,1\n"])
def test_a_number_of_a_table_is_judged_as_that_of_an_object(text: str, others: bytes) -> None:
    line = f"LOCO_001,500,5.0,{text},45.0\n".encode()
    read = batch.read_csv(HEADER + others + line, 10)
    assert in_batch(read, read.rows - 1) == alone(with_vibration(text))


@pytest.mark.parametrize("loco", ["", "x" * 65, "LOCO\n1", "-LOCO", "LÔCO", "a.b_c-9"])
def test_a_locomotive_of_a_table_is_judged_as_that_of_an_object(loco: str) -> None:
    read = batch.read_csv(HEADER + f'"{loco}",500,5.0,2.0,45.0\n'.encode(), 10)
    given = READING | {"loco_id": loco}
    raw = json.dumps({name: value for name, value in given.items() if value != ""}).encode()
    assert in_batch(read, 0) == alone(raw)


@given(
    st.dictionaries(
        st.sampled_from([*READING, "x"]),
        st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.booleans(), st.none()),
    ),
    st.permutations(list(READING)),
)
def test_any_object_has_one_verdict(odd: dict[str, Any], names: list[str]) -> None:
    raw = json.dumps({name: READING[name] for name in names} | odd).encode()
    expected = alone(raw)
    assert in_batch(batch.read_json(b"[" + raw + b"]", 10), 0) == expected
    assert in_batch(batch.read_ndjson(raw, 10), 0) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "JSON invalide"),
        (b"[", "JSON invalide"),
        (b"[1,]", "JSON invalide"),
        (b"[1 2]", "JSON invalide"),
        (b"[1] x", "JSON invalide"),
        (b"[" + GOOD + b"]]", "JSON invalide"),
        (b"[\xff]", "JSON invalide"),
        (b"[" * 100_000, "JSON invalide"),
        (b"[1" + b"0" * 5000 + b"]", "JSON invalide"),
        (GOOD, "un tableau JSON est attendu"),
        (b"null", "un tableau JSON est attendu"),
        (b" [ ] ", "aucune lecture"),
    ],
)
def test_a_body_that_is_no_array_is_refused_as_a_whole(raw: bytes, message: str) -> None:
    with pytest.raises(TelemetryRefused) as caught:
        batch.read_json(raw, 10)
    assert caught.value.details == [{"field": "body", "message": message}]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "la première ligne doit nommer"),
        (b"LOCO_001,500,5,2,45\n", "la première ligne doit nommer"),
        (HEADER.replace(b"\n", b",vibration\n"), "la première ligne doit nommer"),
        (HEADER, "aucune lecture"),
        (b"\xff" + HEADER, "texte UTF-8 attendu"),
        (HEADER + b'"L1"x,1,1,1,1\n', "CSV invalide"),
        (HEADER + b'"L1,1,1,1,1\n', "CSV invalide"),
        (HEADER + b"x" * 200_000, "CSV invalide"),
    ],
)
def test_a_body_that_is_no_table_is_refused_as_a_whole(raw: bytes, message: str) -> None:
    with pytest.raises(TelemetryRefused) as caught:
        batch.read_csv(raw, 10)
    assert message in caught.value.details[0]["message"]


def test_columns_come_in_any_order_after_a_byte_order_mark() -> None:
    raw = "\ufefftemperature,vibration , pressure,flow_rate,loco_id\r\n45,2,5,500,L1\r\n".encode()
    read = batch.read_csv(raw, 10)
    assert read.locomotives == ["L1"]
    assert read.values.tolist() == [[500, 5, 2, 45]]


def test_a_french_table_has_semicolons_and_decimal_commas() -> None:
    raw = HEADER.replace(b",", b";") + b"L1;500;5,5;2,25;45\nL2;500;5.5;1,2,3;45\n"
    read = batch.read_csv(raw, 10)
    assert read.values.tolist() == [[500, 5.5, 2.25, 45]]
    assert [detail["field"] for detail in read.refused[1]] == ["vibration"]


def test_missing_and_surplus_cells_are_named() -> None:
    read = batch.read_csv(HEADER + b"L1,500,,2,45\nL1,500,5,2,45,9\nL1,500\n", 10)
    assert read.refused == {
        0: [{"field": "pressure", "message": "champ obligatoire absent"}],
        1: [{"field": "cellule 6", "message": "champ inconnu"}],
        2: [
            {"field": name, "message": "champ obligatoire absent"}
            for name in ("pressure", "vibration", "temperature")
        ],
    }


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (batch.read_json, b"[" + b",".join([GOOD] * 4) + b"]"),
        (batch.read_json, b"[" + b",".join([b"{}"] * 4) + b"]"),
        (batch.read_ndjson, b"\n".join([GOOD] * 4)),
        (batch.read_csv, HEADER + b"L1,1,1,1,1\n" * 4),
        (batch.read_csv, HEADER + b"L1,x,1,1,1\n" * 4),
    ],
)
def test_the_rows_are_bounded(read: Any, raw: bytes) -> None:
    assert read(raw, 4).rows == 4
    with pytest.raises(BatchTooLong, match="Au plus 3 lectures"):
        read(raw, 3)


def test_the_details_of_a_row_are_bounded() -> None:
    raw = json.dumps([READING | {f"x{n}": n for n in range(50)}]).encode()
    details = batch.read_json(raw, 10).refused[0]
    assert len(details) == batch.ROW_DETAILS + 1
    assert details[-1]["message"] == "40 autres champs refusés"


def answered(*rows: Any) -> batch.ScoredBatch:
    return batch.score(batch.read_json(json.dumps(rows).encode(), 1000), scorer(0.1))


def test_every_row_has_its_answer_in_its_place() -> None:
    scored = answered(READING, 3, READING | {"vibration": 20}, {})
    assert (scored.scored, scored.critical, scored.refused) == (2, 1, 2)
    assert [row.get("critical_risk") for row in scored.rows] == [0, None, 1, None]
    assert scored.rows[2]["warnings"] == ["hors domaine : vibration 20 mm/s, appris de 0 à 15 mm/s"]
    assert scored.rows[3]["error"] == "Data Validation Failed"


def test_a_batch_of_refused_rows_has_no_score() -> None:
    assert answered(1, 2).rows[1]["details"] == [
        {"field": "body", "message": "un objet JSON est attendu"}
    ]


@given(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=30))
def test_a_row_is_scored_and_rounded_as_alone(vibrations: list[float]) -> None:
    rows = [READING | {"vibration": vibration} for vibration in vibrations]
    scored = answered(*rows)
    ones = [scorer(0.1).score_one(Reading(**row)) for row in rows]
    assert [row["risk_probability"] for row in scored.rows] == [
        round(one.probability, 4) for one in ones
    ]
    assert [row["critical_risk"] for row in scored.rows] == [int(one.critical) for one in ones]


def test_many_rows_are_scored_as_few() -> None:
    vibrations = np.random.default_rng(0).uniform(0, 20, 900).round(2).tolist()
    rows = [READING | {"vibration": vibration} for vibration in vibrations]
    assert answered(*rows).rows == [answered(row).rows[0] for row in rows]


def test_the_answer_is_in_kind() -> None:
    scored = answered(READING, {"loco_id": "=cmd()"})
    body = json.loads(batch.write_json(scored, scorer(0.1)))
    assert (body["scored"], body["refused"], body["threshold"]) == (1, 1, 0.1)
    lines = batch.write_ndjson(scored).splitlines()
    assert [json.loads(line) for line in lines] == body["results"]
    assert batch.write_ndjson(answered(READING, READING)).count(b"\n") == 2
    table = list(csv.reader(batch.write_csv(scored, ",").decode().splitlines()))
    assert table[0] == ["loco_id", "critical_risk", "risk_probability", "warnings", "error"]
    assert table[1] == ["LOCO_001", "0", "0.02", "", ""]
    assert table[2][:4] == [""] * 4
    assert " | flow_rate : champ obligatoire absent | " in table[2][4]
    assert batch.write_csv(scored, ";").decode().splitlines()[1] == "LOCO_001;0;0,02;;"


def test_the_fields_of_a_table_are_those_of_a_reading() -> None:
    assert batch.FIELDS == ("loco_id", *READINGS)
