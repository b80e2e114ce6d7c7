from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpa.typed_cells import cell_texts, decimal_texts, instant_texts


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("déjà du texte", "déjà du texte"),
        (45.0, "45"),
        (0.1, "0.1"),
        (1e-5, "0.00001"),
        (1e-7, "0.0000001"),
        (123456789.123, "123456789.123"),
        (1e15, "1000000000000000"),
        (1e22, "10000000000000000000000"),
        (7, "7"),
        (True, "VRAI"),
        (False, "FAUX"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (datetime(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 8, 29, 59, 999_900), "2026-01-02 08:30:00"),
        (datetime(2026, 1, 2, 8, 30, 0, 250_000), "2026-01-02 08:30:00.250"),
        (date(1905, 3, 4), "1905-03-04"),
        (time(10, 30), "10:30:00"),
        (time(10, 30, 0, 500_000), "10:30:00.500000"),
        (timedelta(hours=30, seconds=5), "30:00:05"),
    ],
)
def test_a_typed_cell_is_written_exactly(cell: Any, text: str) -> None:
    alone, _ = cell_texts([cell])
    among, is_number = cell_texts(["en-tête", cell, ""])
    assert alone.to_pylist() == [text]
    assert among.to_pylist() == ["en-tête", text, ""]
    assert is_number.tolist() == [False, type(cell) in (int, float), False]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_number_reads_back_the_same_and_has_no_exponent(numbers: list[float]) -> None:
    texts = decimal_texts(pa.array(numbers)).to_pylist()
    assert [float(text) for text in texts] == numbers
    assert not any("e" in text for text in texts)


def test_single_precision_is_written_as_short_as_it_is() -> None:
    assert decimal_texts(pa.array(np.float32([0.1, 16777216.0]))).to_pylist() == ["0.1", "16777216"]


@given(
    st.lists(
        st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(
            lambda moment: moment.replace(microsecond=0)
        )
    )
)
def test_an_instant_reads_back_the_same(moments: list[datetime]) -> None:
    texts = instant_texts(pa.array(moments, pa.timestamp("us"))).to_pylist()
    assert [datetime.fromisoformat(text) for text in texts] == moments


def test_columns_of_several_types_keep_their_order() -> None:
    cells = ["a", 1.5, 2, True, datetime(2026, 1, 1), date(2026, 1, 2)]
    texts, is_number = cell_texts(cells)
    assert texts.to_pylist() == ["a", "1.5", "2", "VRAI", "2026-01-01", "2026-01-02"]
    assert is_number.tolist() == [False, True, True, False, False, False]
