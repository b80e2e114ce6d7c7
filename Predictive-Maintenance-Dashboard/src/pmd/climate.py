"""Air along the line: by altitude, distance from the sea, hour and season.

Douala's yearly mean, seasonal range and daily swing, and the swing of the Adamawa plateau, are
rounded from published climate tables; ADR 0021 gives them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pmd.route import LENGTH_KM, altitude_m

Floats = NDArray[np.float64]

SEA_LEVEL_C: Final = 27.0  # yearly mean of Douala
LAPSE_C_PER_KM: Final = 6.5  # ISO 2533 standard atmosphere
SEASON_C: Final = 1.5  # half of what separates the warmest month from the coolest
WARMEST_DAY: Final = 60.0  # end of the dry season, 1 March
COAST_SWING_C, INLAND_SWING_C = 3.0, 7.0  # half of the daily range, yearly mean, at either end
DRY_SEASON_SWING: Final = 0.3  # share by which the dry season widens it, and the rains narrow it
WARMEST_HOUR: Final = 14.0
LOCAL_OFFSET_H: Final = 1.0  # Africa/Douala, no daylight saving

DAY_H, YEAR_H = 24.0, 8766.0


def hour_of_year(instant: datetime) -> float:
    """Hours from the 1 January of its year, in the time zone that it is told in."""
    return (instant - datetime(instant.year, 1, 1, tzinfo=instant.tzinfo)).total_seconds() / 3600


def ambient_c(year_h: Floats, km: Floats) -> Floats:
    """Outside air (°C) at `km`; `year_h` are hours (UTC) from a 1 January, years on."""
    season = np.cos(2 * np.pi * (year_h - WARMEST_DAY * DAY_H) / YEAR_H)
    daily = np.cos(2 * np.pi * (year_h + LOCAL_OFFSET_H - WARMEST_HOUR) / DAY_H)
    coast = COAST_SWING_C * daily * (1 + DRY_SEASON_SWING * season)
    inland = (INLAND_SWING_C / COAST_SWING_C - 1) * coast
    mean = SEA_LEVEL_C - LAPSE_C_PER_KM * altitude_m(km) / 1000 + SEASON_C * season
    return np.asarray(mean + coast + inland * (km / LENGTH_KM))
