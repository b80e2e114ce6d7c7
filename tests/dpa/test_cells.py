"""Columns of codes."""

import pyarrow as pa

from dpa.cells import coded, statuses


def texts(*cells: str) -> pa.Array:
    return pa.array(cells, pa.large_string())


def test_values_are_trimmed_and_stand_once() -> None:
    found = coded(texts("M1", " M1", "M2", "M1 "))
    assert found.values.to_pylist() == ["M1", "M2"]
    assert found.codes.tolist() == [0, 0, 1, 0]


def test_what_is_said_of_a_value_is_said_of_its_rows() -> None:
    found = coded(texts("OK", "?", "OK"))
    assert found.spread(statuses(found.values, {})).tolist() == [0, -1, 0]


def test_statuses_are_translated_and_ours_stand_for_themselves() -> None:
    found = statuses(texts("OK", "Direct Drop", "ERR", "ok", ""), {"Direct Drop": "WARN"})
    assert found.tolist() == [0, 1, 2, -1, -1]
    assert statuses(texts("OK"), {"OK": "ERR"}).tolist() == [2]
