"""Converting, checking and comparing rows."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpa.cells import Conventions
from dpa.columns import TRANSACTION_COLUMNS
from dpa.quality import (
    accepted_rows,
    among,
    check,
    conflicting,
    date_keys,
    fill_empty,
    read_dates,
    repeated_hashes,
)

Row = tuple[str, str, str, str, str]
GOOD: Row = ("T1", "M1", "2026-01-05", "12.5", "OK")


def accepted(*rows: Row, conventions: Conventions | None = None) -> pd.DataFrame:
    """The sound ones of some rows, which stand from line 2 on."""
    chosen = conventions or Conventions()
    columns = zip(*rows, strict=True)
    cells = {
        name: pa.array(column, pa.large_string())
        for name, column in zip(TRANSACTION_COLUMNS, columns, strict=True)
    }
    typed, faults = check(cells, read_dates(cells, chosen), chosen)
    sound = ~np.logical_or.reduce(list(faults.values()))
    return accepted_rows(typed, sound, np.arange(2, len(rows) + 2))


def with_cell(at: int, cell: str) -> Row:
    a, b, c, d, e = (cell if i == at else old for i, old in enumerate(GOOD))
    return (a, b, c, d, e)


def test_an_accepted_row_is_typed_and_knows_its_day_and_line() -> None:
    rows = accepted((" T1", " M1 ", "2026-01-05 00:30", "12.5", "WARN"))
    assert rows.astype({"machine_id": "str", "status_code": "str"}).to_dict("records") == [
        {
            "transaction_id": "T1",
            "machine_id": "M1",
            "date": pd.Timestamp("2026-01-04T23:30Z"),
            "date_key": 20260105,
            "volume_transferred": 12.5,
            "status_code": "WARN",
            "critical_alert": 1,
            "source_line": 2,
        }
    ]


def test_the_types_of_accepted_rows_are_those_of_the_contract() -> None:
    expected = {
        "transaction_id": "str",
        "machine_id": "category",
        "date": "datetime64[s, UTC]",
        "date_key": "int32",
        "volume_transferred": "float64",
        "status_code": "category",
        "critical_alert": "int8",
        "source_line": "int64",
    }
    for rows in (accepted(GOOD), accepted(with_cell(0, ""))):
        assert {name: str(kind) for name, kind in rows.dtypes.items()} == expected
        assert rows["machine_id"].cat.categories.dtype == "str"
        assert rows["status_code"].cat.categories.tolist() == ["OK", "WARN", "ERR"]


def test_faulty_rows_are_left_out_and_the_others_keep_their_lines() -> None:
    rows = accepted(GOOD, with_cell(3, "-1"), with_cell(0, "T2"))
    assert rows["transaction_id"].tolist() == ["T1", "T2"]
    assert rows["source_line"].tolist() == [2, 4]


def test_kilograms_become_tonnes_to_the_gram() -> None:
    rows = accepted(with_cell(3, "300.1"), conventions=Conventions(volume_factor=0.001))
    assert rows["volume_transferred"].tolist() == [0.3001]


def test_blank_cells_get_the_default_and_are_counted() -> None:
    filled, count = fill_empty(pa.array(["", "a", " "], pa.large_string()), "x")
    assert (filled.to_pylist(), count) == (["x", "a", "x"], 2)


@pytest.mark.parametrize(
    ("moment", "key"),
    [
        ("1949-12-31T23:00:00", 19500101),
        ("2024-02-29T22:59:59", 20240229),
        ("2024-02-29T23:00:00", 20240301),
        ("2100-12-31T22:59:59", 21001231),
    ],
)
def test_the_date_key_is_the_day_in_douala(moment: str, key: int) -> None:
    assert date_keys(np.array([moment], dtype="datetime64[s]")).tolist() == [key]


@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=5))
def test_repeats_are_found_over_all_arrays(values: list[list[int]]) -> None:
    arrays = [np.array(part, dtype=np.uint64) for part in values]
    flat = [value for part in values for value in part]
    repeated = repeated_hashes(arrays)
    assert repeated.tolist() == sorted({value for value in flat if flat.count(value) > 1})
    for part in arrays:
        assert among(part, repeated).tolist() == [value in repeated for value in part]


def test_rows_of_one_identifier_with_several_values_are_in_conflict() -> None:
    rows = accepted(GOOD, with_cell(3, "13"), with_cell(0, "T2"), with_cell(0, "T2"), GOOD)
    assert conflicting(rows).tolist() == [True, True, False, False, True]


def test_values_are_compared_not_their_writing() -> None:
    rows = accepted(GOOD, ("T1", "M1", "05/01/2026", "12.50", "OK"))
    assert conflicting(rows).tolist() == [False, False]
