"""The calendar agrees with Python's own."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dpa.calendar_days import calendar_days


@settings(max_examples=50, deadline=None)
@given(st.integers(1950, 2097), st.integers(0, 2))
def test_every_day_of_the_years_stands_once_with_its_week(first: int, more: int) -> None:
    table = calendar_days(first, first + more)
    days = table["day"].to_pylist()
    assert days[0] == date(first, 1, 1)
    assert days[-1] == date(first + more, 12, 31)
    assert all(b - a == timedelta(days=1) for a, b in pairwise(days))
    expected = [(day.year * 10_000 + day.month * 100 + day.day, *day.isocalendar()) for day in days]
    columns = ("date_key", "annee_iso", "semaine_iso", "jour_semaine")
    assert list(zip(*(table[name].to_pylist() for name in columns), strict=True)) == expected


def test_a_day_is_named_in_french() -> None:
    (day,) = [row for row in calendar_days(2026, 2026).to_pylist() if row["date_key"] == 20260815]
    assert day == {
        "date_key": 20260815,
        "day": date(2026, 8, 15),
        "annee": 2026,
        "trimestre": 3,
        "mois": 8,
        "nom_mois": "août",
        "annee_mois": "2026-08",
        "annee_iso": 2026,
        "semaine_iso": 33,
        "jour_mois": 15,
        "jour_annee": 227,
        "jour_semaine": 6,
        "nom_jour": "samedi",
        "est_weekend": 1,
    }
