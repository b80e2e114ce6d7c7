"""The line from Douala to Ngaoundéré: where a train is on it, and what its slope asks for.

Lengths are those of the builder's lots (Cogefar, now Webuild: 73, 80, 27, 85, 296 and 327 km).
Altitudes are rounded from public maps; ADR 0021 says which are assumptions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STATIONS: Final = ("Douala", "Edéa", "Eséka", "Maloumé", "Yaoundé", "Bélabo", "Ngaoundéré")
STATION_KM: Final = np.array([0.0, 73.0, 153.0, 180.0, 265.0, 561.0, 888.0])
STATION_ALTITUDE_M: Final = np.array([13.0, 35.0, 230.0, 600.0, 730.0, 650.0, 1100.0])
LENGTH_KM: Final = float(STATION_KM[-1])
STEEPEST_M_PER_KM: Final = 16.7  # steepest slope of the line, met with between Eséka and Maloumé

SPEED_KM_H: Final = 40.0  # assumption: commercial speed of a freight train
DWELL_H: Final = 6.0  # assumption: idling at either end
LEG_H: Final = LENGTH_KM / SPEED_KM_H
TURN_H: Final = 2 * (LEG_H + DWELL_H)
HILL_M_PER_KM, HILL_KM = 4.0, 37.0  # assumption: relief between the listed stations

LEVEL_NOTCH: Final = 4.0  # assumption: what a loaded train takes on the level
NOTCH_PER_M_PER_KM: Final = 0.35  # assumption
NOTCHES: Final = 8


def position(clock_h: Floats) -> tuple[Floats, Floats]:
    """Kilometre on the line, and +1 eastward, -1 westward, 0 standing, after `clock_h` hours.

    Trains go to and fro, and stand for a while at either end.
    """
    clock = clock_h % TURN_H
    back = clock - LEG_H - DWELL_H
    out_km = np.minimum(clock, LEG_H) * SPEED_KM_H
    back_km = np.maximum(LEG_H - back, 0) * SPEED_KM_H
    moving = np.where(back < 0, clock < LEG_H, back < LEG_H)
    direction = np.where(moving, np.where(back < 0, 1.0, -1.0), 0.0)
    return np.where(back < 0, out_km, back_km), direction


def altitude_m(km: Floats) -> Floats:
    """Altitude between the stations, on straight lines."""
    return np.asarray(np.interp(km, STATION_KM, STATION_ALTITUDE_M))


def slope_m_per_km(km: Floats, direction: Floats) -> Floats:
    """What the train climbs (above 0) or descends, no steeper than the line is; 0 standing."""
    east, west = altitude_m(km + 5), altitude_m(km - 5)
    climb = (east - west) / 10 + HILL_M_PER_KM * np.sin(2 * np.pi / HILL_KM * km)
    return np.asarray(direction * np.clip(climb, -STEEPEST_M_PER_KM, STEEPEST_M_PER_KM))


def load(km: Floats, direction: Floats, driver: Floats) -> Floats:
    """Share of full power: the notch (0 idle, 1 to 8) that slope and driver ask for, over 8.

    `driver` is how many notches the driver takes beyond what the slope asks for.
    """
    asked = LEVEL_NOTCH + NOTCH_PER_M_PER_KM * slope_m_per_km(km, direction) + driver
    notch = np.clip(np.rint(asked), 1, NOTCHES)
    return np.where(direction == 0, 0.0, notch / NOTCHES)
