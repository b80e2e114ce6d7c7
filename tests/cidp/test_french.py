from datetime import UTC, datetime

import pytest

from cidp.french import age, clock, number, percent, quantity

NBSP = "\N{NO-BREAK SPACE}"


def test_numbers_have_a_comma_and_groups_that_do_not_break() -> None:
    assert number(1234567.891, 2) == f"1{NBSP}234{NBSP}567,89"
    assert quantity(7.5, "mm/s", 1) == f"7,5{NBSP}mm/s"
    assert percent(0.9728) == f"97,3{NBSP}%"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-0.2, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (86_400, "1 j"),
        (200_000, "2 j"),
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit(seconds: float, expected: str) -> None:
    assert age(seconds) == f"il y a {expected.replace(' ', NBSP)}"


def test_clocks_show_the_time_of_douala() -> None:
    assert clock(datetime(2026, 3, 1, 23, 30, 5, tzinfo=UTC)) == "00:30:05"
