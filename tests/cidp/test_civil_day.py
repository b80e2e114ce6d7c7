"""Days are read in one form only."""

from datetime import date

import pytest

from cidp.civil_day import parse_day


def test_a_day_is_read() -> None:
    assert parse_day("2028-02-29") == date(2028, 2, 29)


@pytest.mark.parametrize(
    "text", ["", "2026-02-29", "2026-1-1", "20260101", "2026-W01-1", "2026-01-01 ", "٢٠٢٦-٠١-٠١"]
)
def test_anything_else_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_day(text)
