"""Dates as files write them."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpa.cells import Conventions
from dpa.dates import date_regex, douala_days, instants

DEFAULT_FORMATS = Conventions.date_formats


def moments(*cells: str, formats: tuple[str, ...] = DEFAULT_FORMATS) -> list[str | None]:
    found = instants(pa.array(cells, pa.large_string()), formats)
    return [None if np.isnat(moment) else str(moment) for moment in found]


def test_a_date_without_offset_is_douala_time() -> None:
    assert moments("2026-01-05 08:30:00", "2026-01-05") == [
        "2026-01-05T07:30:00",
        "2026-01-04T23:00:00",
    ]


def test_an_offset_is_honoured_and_a_fraction_dropped() -> None:
    cells = (
        "2026-01-05T08:30Z",
        "2026-01-05T08:30:00Z",
        "2026-01-05T08:30:15.999+05:30",
        "2026-01-05T08:30-0200",
        "2026-01-05 08:30:00-02:00",
    )
    assert moments(*cells) == [
        "2026-01-05T08:30:00",
        "2026-01-05T08:30:00",
        "2026-01-05T03:00:15",
        "2026-01-05T10:30:00",
        "2026-01-05T10:30:00",
    ]


def test_every_default_format_is_day_first_or_year_first() -> None:
    assert moments("2026-03-02", "02/03/2026", "02.03.2026", "20260302", "3/1/2026 7:05") == [
        *["2026-03-01T23:00:00"] * 4,
        "2026-01-03T06:05:00",
    ]
    assert moments("01/13/2026", "01.13.2026") == [None, None]


@pytest.mark.parametrize(
    "cell",
    ["", "hier", "2026-02-30", "2026-13-01", "2026-01-05 24:00", "2026-01-05 08:61", "2026015",
     "2026-1", "05-01-2026", "2026-01-05 08", "2026-01-05Z", "2026-01-05 08:00+15:00",
     "2026-01-05 08:00+01:60", "2026-01-05 08:00:00+15:00", "2026-01-05 08:00:00+01:60",
     "2026-00-10", "2026-01-00", "0000-01-01", "2026/01/05", "٢٠٢٦-٠١-٠٥", "20261301",
     "2026-01-05 08:00:60", "05/01/26", "2026-01-05\n"],
)  # fmt: skip
def test_what_is_not_a_date_is_missing(cell: str) -> None:
    expected = ["2026-01-04T23:00:00"] if cell.endswith("\n") else [None]
    assert moments(cell) == expected


def test_space_around_a_date_does_not_count() -> None:
    assert moments(" 2026-01-05", "2026-01-05\u00a0") == ["2026-01-04T23:00:00"] * 2


def test_english_month_and_two_digit_year_need_no_locale() -> None:
    assert moments("02-Jun-06", "31-DEC-99", "31-Foo-06", formats=("%d-%b-%y",)) == [
        "2006-06-01T23:00:00",
        "1999-12-30T23:00:00",
        None,
    ]
    assert moments("020699", "020668", formats=("%d%m%y",)) == [
        "1999-06-01T23:00:00",
        "2068-06-01T23:00:00",
    ]


def test_formats_are_tried_in_their_order() -> None:
    month_first = ("%m/%d/%Y", "%d/%m/%Y")
    assert moments("02/03/2026", "13/01/2026", formats=month_first) == [
        "2026-02-02T23:00:00",
        "2026-01-12T23:00:00",
    ]


def test_a_format_may_hold_any_characters() -> None:
    assert moments("le 05 à 01, 2026 08:00", formats=("le %d à %m, %Y",)) == ["2026-01-05T07:00:00"]


def test_a_format_without_separators_admits_no_ambiguous_date() -> None:
    assert moments("2026111", "202611", formats=("%Y%m%d",)) == [None, None]


@pytest.mark.parametrize("pattern", ["%Y-%m", "%Y-%m-%d-%d", "%H:%M", "%d %B %Y", "", "%Y%y%m%d"])
def test_a_date_format_must_give_one_day(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"directive|exactement"):
        date_regex(pattern)


@given(
    st.lists(
        st.tuples(
            st.dates(date(1, 1, 2), date(9999, 12, 30)),
            st.none() | st.times().map(lambda moment: moment.replace(microsecond=0)),
            st.sampled_from(["", "Z", "+01:00", "-09:30", " +14:00"]),
            st.sampled_from(DEFAULT_FORMATS),
        ),
        max_size=10,
    )
)
def test_any_instant_is_read_back(written: list[tuple[date, time | None, str, str]]) -> None:
    cells, expected = [], []
    for day, clock, offset, pattern in written:
        # strftime gives years before 1000 fewer than four digits on some systems.
        text = day.strftime(pattern.replace("%Y", f"{day.year:04d}"))
        local = datetime.combine(day, clock or time())
        if clock is None:
            offset = ""
        else:
            text += f" {clock:%H:%M:%S}{offset}"
        sign = -1 if "-" in offset else 1
        hours, minutes = map(int, (offset.strip(" +-Z") or ("0:0" if offset else "1:0")).split(":"))
        expected.append(str(np.datetime64(local - sign * timedelta(hours=hours, minutes=minutes))))
        cells.append(text)
    assert moments(*cells) == [str(np.datetime64(moment, "s")) for moment in expected]


def test_the_day_is_that_of_douala() -> None:
    found = douala_days(np.array(["2026-01-04T22:59:59", "2026-01-04T23:00:00"], "datetime64[s]"))
    assert found.astype(str).tolist() == ["2026-01-04", "2026-01-05"]


def test_a_column_of_many_writings_is_read_as_each_alone() -> None:
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    cells = [f"{noon + timedelta(days=number):%d/%m/%Y}" for number in range(40)]
    cells += ["hier", "2026-01-05", "5/1/2026", "", "20260105 10:00"]
    assert moments(*cells) == [moments(cell)[0] for cell in cells]
