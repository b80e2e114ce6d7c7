"""Conversions of text cells to numbers, instants and codes."""

import math

import pandas as pd
import pytest

from dpa.cells import date_regex, douala_day, instants, numbers, statuses

pytestmark = pytest.mark.usefixtures("string_storage")
DEFAULT_FORMATS = ("%Y-%m-%d", "%d/%m/%Y")


def texts(*cells: str) -> "pd.Series[str]":
    return pd.Series(cells, dtype="str")


def moments(*cells: str, formats: tuple[str, ...] = DEFAULT_FORMATS) -> list[str | None]:
    found = instants(texts(*cells), formats)
    return [None if pd.isna(moment) else moment.isoformat() for moment in found]


def test_numbers_read_signs_decimals_and_exponents() -> None:
    assert numbers(texts("12", "-3.5", "+.5", "7.", "1e3"), ".").tolist() == [12, -3.5, 0.5, 7, 1e3]


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "abc",
        "12 t",
        "1,5",
        "1 00",
        "1234 567",
        "1  000",
        "1_000",
        "nan",
        "inf",
        "0x10",
        "--1",
        "1e",
        "١٢",
    ],
)
def test_what_is_not_a_plain_number_is_missing(cell: str) -> None:
    assert math.isnan(numbers(texts(cell), ".").iloc[0])


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f"])
def test_spaces_may_set_thousands_apart(space: str) -> None:
    cell = f"-1{space}234{space}567,5"
    assert numbers(texts(cell), ",").tolist() == [-1234567.5]


def test_a_number_too_large_for_a_float_is_infinite() -> None:
    assert numbers(texts("1e999"), ".").tolist() == [math.inf]


def test_decimal_comma_refuses_the_point_and_two_commas() -> None:
    found = numbers(texts("12,5", "12.5", "1,2,3"), ",")
    assert found.iloc[0] == 12.5
    assert found.iloc[1:].isna().all()


def test_a_date_without_offset_is_douala_time() -> None:
    assert moments("2026-01-05 08:30:00", "2026-01-05") == [
        "2026-01-05T07:30:00+00:00",
        "2026-01-04T23:00:00+00:00",
    ]


def test_an_offset_is_honoured_and_a_fraction_dropped() -> None:
    cells = "2026-01-05T08:30Z", "2026-01-05T08:30:15.999+05:30", "2026-01-05T08:30-0200"
    assert moments(*cells) == [
        "2026-01-05T08:30:00+00:00",
        "2026-01-05T03:00:15+00:00",
        "2026-01-05T10:30:00+00:00",
    ]


def test_slashes_are_day_first_never_month_first() -> None:
    assert moments("02/03/2026", "3/1/2026 7:05", "01/13/2026") == [
        "2026-03-01T23:00:00+00:00",
        "2026-01-03T06:05:00+00:00",
        None,
    ]


@pytest.mark.parametrize(
    "cell",
    ["", "hier", "2026-02-30", "2026-13-01", "2026-01-05 24:00", "2026-01-05 08:61", "20260105",
     "2026-1", "05-01-2026", "2026-01-05 08", "2026-01-05Z", "2026-01-05 08:00+15:00",
     "2026-01-05 08:00+01:60"],
)  # fmt: skip
def test_what_is_not_a_date_is_missing(cell: str) -> None:
    assert moments(cell) == [None]


def test_english_month_and_two_digit_year_need_no_locale() -> None:
    assert moments("02-Jun-06", "31-DEC-99", "31-Foo-06", formats=("%d-%b-%y",)) == [
        "2006-06-01T23:00:00+00:00",
        "1999-12-30T23:00:00+00:00",
        None,
    ]


def test_formats_are_tried_in_their_order() -> None:
    month_first = ("%m/%d/%Y", "%d/%m/%Y")
    assert moments("02/03/2026", "13/01/2026", formats=month_first) == [
        "2026-02-02T23:00:00+00:00",
        "2026-01-12T23:00:00+00:00",
    ]


@pytest.mark.parametrize("pattern", ["%Y-%m", "%Y-%m-%d-%d", "%H:%M", "%d %B %Y", "", "%Y%y%m%d"])
def test_a_date_format_must_give_one_day(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"directive|exactement"):
        date_regex(pattern)


def test_a_format_without_separators_is_admitted() -> None:
    assert moments("20260105 08:00", formats=("%Y%m%d",)) == ["2026-01-05T07:00:00+00:00"]


def test_a_format_without_separators_admits_no_ambiguous_date() -> None:
    assert moments("2026111", "202611", formats=("%Y%m%d",)) == [None, None]


def test_the_day_is_that_of_douala() -> None:
    moments = pd.Series(pd.to_datetime(["2026-01-04T22:59:59Z", "2026-01-04T23:00:00Z"], utc=True))
    assert douala_day(moments).tolist() == ["2026-01-04", "2026-01-05"]


def test_statuses_are_translated_and_ours_stand_for_themselves() -> None:
    found = statuses(texts("OK", "Direct Drop", "ok", ""), {"Direct Drop": "WARN"})
    assert found.iloc[:2].tolist() == ["OK", "WARN"]
    assert found.iloc[2:].isna().all()
