"""Decimal numbers as French Excel and SAP write them."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpa.volumes import DoubtfulVolumes, detect_decimal, doubtful_volumes, numbers


def read(*cells: str, decimal: str = ".") -> list[float]:
    found: list[float] = numbers(pa.array(cells, pa.large_string()), decimal).tolist()
    return found


@pytest.mark.parametrize(
    ("cells", "decimal", "counts"),
    [
        (["1,234", " -12,345 ", "1,234-"], ".", (3, 0)),
        (["1.234", "1.234,5"], ",", (1, 1)),
        (["1,234,567", "1,234.5", "12"], ".", (0, 2)),
        (["0,234", "1234,567", "1,23", "1 234", "1.5", ""], ".", (0, 0)),
    ],
)
def test_lone_groups_and_what_proves_them_are_counted(
    cells: list[str], decimal: str, counts: tuple[int, int]
) -> None:
    texts = pa.array(cells, pa.large_string())
    assert doubtful_volumes(texts, decimal, is_proven=True) == DoubtfulVolumes(*counts)


@pytest.mark.parametrize(
    ("cells", "decimal", "counts"),
    [
        (["1,234", "12,500", "850"], ",", (2, 0)),
        (["1.234", "0.500", "1.5"], ".", (1, 2)),
        (["1234", ""], ".", (0, 0)),
    ],
)
def test_three_decimals_are_doubtful_where_nothing_proves_the_mark(
    cells: list[str], decimal: str, counts: tuple[int, int]
) -> None:
    texts = pa.array(cells, pa.large_string())
    assert doubtful_volumes(texts, decimal, is_proven=False) == DoubtfulVolumes(0, 0, *counts)
    assert doubtful_volumes(texts, decimal, is_proven=True) == DoubtfulVolumes()


def test_numbers_read_signs_decimals_and_exponents() -> None:
    assert read("12", "-3.5", "+.5", "7.", "1e3", " 4 ") == [12, -3.5, 0.5, 7, 1e3, 4]


@pytest.mark.parametrize(
    "cell",
    ["", "abc", "12 t", "1,5", "1 00", "1234 567", "1  000", "1_000", "nan", "inf", "0x10", "--1",
     "1e", "١٢", "1,23,456", "0,125", "1234,567", "1,2345", "1.234.567", "-1-", "1 234,567",
     "1'234 567", "12,500.5.5", ".", "-", "1,234e3"],
)  # fmt: skip
def test_what_is_not_a_plain_number_is_missing(cell: str) -> None:
    assert math.isnan(read(cell)[0])


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f", "'", "’", "."])
def test_thousands_may_be_set_apart(space: str) -> None:
    assert read(f"-1{space}234{space}567,5", decimal=",") == [-1234567.5]


def test_the_mark_that_is_not_decimal_may_only_group_by_three() -> None:
    assert read("1,234.56", "1,234", "12,345,678") == [1234.56, 1234, 12345678]
    assert read("1.234,56", "1.234", "1.23", "0.125", decimal=",")[:2] == [1234.56, 1234]
    assert np.isnan(read("1.23", "0.125", decimal=",")).all()


def test_sap_writes_the_minus_sign_last() -> None:
    assert read("12,5-", "1.234,5-", "3-", decimal=",") == [-12.5, -1234.5, -3]


def test_a_number_too_large_for_a_float_is_infinite_and_zero_has_no_sign() -> None:
    assert read("1e999", "9" * 400, "-0") == [math.inf, math.inf, 0]
    assert math.copysign(1, read("-0")[0]) == 1


def test_decimal_comma_refuses_the_point_and_two_commas() -> None:
    found = read("12,5", "12.5", "1,2,3", decimal=",")
    assert found[0] == 12.5
    assert np.isnan(found[1:]).all()


@given(st.lists(st.floats(allow_nan=False), max_size=10), st.sampled_from([".", ","]))
def test_what_python_writes_is_read_back(values: list[float], decimal: str) -> None:
    finite = [value for value in values if math.isfinite(value)]
    assert read(*(repr(value).replace(".", decimal) for value in finite), decimal=decimal) == finite


@given(st.lists(st.decimals(-(10**9), 10**9, places=3), min_size=1, max_size=10))
def test_grouped_numbers_are_read_back(values: list[object]) -> None:
    cells = [f"{value:,.3f}" for value in values]
    assert read(*cells) == [float(str(value)) for value in values]
    swapped = [cell.translate(str.maketrans(",.", ".,")) for cell in cells]
    assert read(*swapped, decimal=",") == [float(str(value)) for value in values]


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        ([], "."),
        (["12", "abc", ""], "."),
        (["12.5"], "."),
        (["12,5"], ","),
        (["1.234,56"], ","),
        (["1,234.56"], "."),
        (["1.234.567"], ","),
        (["1,234,567"], "."),
        (["1 234,567"], ","),
        (["1'234.567"], "."),
        (["0,125"], ","),
        (["1234.567"], "."),
        (["12,5-"], ","),
        (["1,2,3", "1.234,56,7"], "."),
        # 1,234 is twelve hundred or one and a quarter: the others decide.
        (["1,234", "1,234", "12.5"], "."),
        (["1,234", "12,5"], ","),
        (["12,5", "1,5", "2.5"], ","),
        # Where nothing decides, a comma is decimal, as in French.
        (["1,234", "950"], ","),
        (["1.234"], "."),
        (["1.234", "1,234"], "."),
    ],
)
def test_the_decimal_mark_is_told_by_what_can_be_nothing_else(cells: list[str], mark: str) -> None:
    assert detect_decimal(cells)[0] == mark
