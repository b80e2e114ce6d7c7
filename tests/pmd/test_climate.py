from datetime import UTC, datetime

import numpy as np
import pytest

from pmd.climate import YEAR_H, ambient_c, hour_of_year
from pmd.route import LENGTH_KM

YEAR = np.arange(0.0, YEAR_H)


def along_the_year(km: float) -> np.ndarray:
    return ambient_c(YEAR, np.full(len(YEAR), km))


def test_hours_count_from_the_new_year() -> None:
    assert hour_of_year(datetime(2026, 1, 1, tzinfo=UTC)) == 0
    assert hour_of_year(datetime(2026, 1, 2, 1, 30, tzinfo=UTC)) == 25.5


def test_the_plateau_is_cooler_and_swings_wider_than_the_coast() -> None:
    coast, plateau = along_the_year(0.0), along_the_year(LENGTH_KM)
    assert coast.mean() == pytest.approx(27, abs=0.2)
    assert plateau.mean() == pytest.approx(20, abs=0.3)
    assert np.ptp(plateau[:24]) > 1.8 * np.ptp(coast[:24])


def test_douala_is_within_its_published_monthly_means() -> None:
    coast = along_the_year(0.0)
    march, august = (coast[day * 24 : (day + 30) * 24].mean() for day in (59, 212))
    assert march == pytest.approx(28.0, abs=1)  # tables: 27.8
    assert august == pytest.approx(25.0, abs=1)  # tables: 25.1


def test_the_warmest_hour_is_14_in_douala() -> None:
    assert (np.argmax(along_the_year(400.0)[:24]) + 1) == 14


def test_the_dry_season_swings_wider_than_the_rains() -> None:
    plateau = along_the_year(LENGTH_KM)
    assert np.ptp(plateau[60 * 24 : 61 * 24]) > 1.5 * np.ptp(plateau[240 * 24 : 241 * 24])
