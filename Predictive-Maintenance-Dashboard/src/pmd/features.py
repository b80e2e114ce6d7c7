"""Causal features per locomotive: a row never sees its future, nor another locomotive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pmd.sensors import BY_NAME, SENSOR_NAMES, SENSORS

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Instants = NDArray[np.int64]  # microseconds since 1970

Statistic = Literal["mean", "slope", "deviation"]

BASELINE_FROM_HOURS: Final = 14 * 24
BASELINE_TO_HOURS: Final = 48
DECIMALS: Final = 4
_HOUR: Final = 3_600_000_000


class Recipe(NamedTuple):
    """How one feature is computed from the past readings of its locomotive.

    `mean`: of the readings of the last `window_hours`, the row's own included (an age below the
    window). `slope`: of the least-squares line through them, in units per hour; 0 where all share
    one instant. `deviation`: that mean, less the mean of the readings whose age lies between
    `BASELINE_TO_HOURS` and `BASELINE_FROM_HOURS`, both included; 0 where there is none. All are
    rounded to `DECIMALS`.
    """

    reading: str
    statistic: Statistic
    window_hours: int

    @property
    def name(self) -> str:
        return f"{self.reading}_{self.statistic}_{self.window_hours}h"

    @property
    def unit(self) -> str:
        unit = BY_NAME[self.reading].unit
        return f"{unit}/h" if self.statistic == "slope" else unit

    @property
    def monotone(self) -> int:
        """The sign that the risk follows: that of the reading."""
        return BY_NAME[self.reading].monotone


STATISTICS: Final[tuple[tuple[Statistic, int], ...]] = (
    ("mean", 6),
    ("mean", 24),
    ("slope", 24),
    ("deviation", 6),
    ("deviation", 24),
)
RECIPES: Final = tuple(Recipe(sensor.name, *kind) for sensor in SENSORS for kind in STATISTICS)
BY_FEATURE: Final = {recipe.name: recipe for recipe in RECIPES}
FEATURE_NAMES: Final = tuple(BY_FEATURE)


def add_features(readings: pd.DataFrame) -> pd.DataFrame:
    """Readings ordered by locomotive and time, with the features of `RECIPES`.

    `readings` needs `loco_id, timestamp` (UTC) and the four sensors.
    """
    ordered = readings.sort_values(["loco_id", "timestamp"], ignore_index=True)
    return pd.concat([ordered, features_of(ordered)], axis=1)


def features_of(ordered: pd.DataFrame) -> pd.DataFrame:
    """The features alone of readings that are ordered by locomotive and time already."""
    instants = ordered["timestamp"].astype("datetime64[us, UTC]").to_numpy(dtype=np.int64)
    values = ordered[list(SENSOR_NAMES)].to_numpy(dtype=np.float64).T
    centred = values - np.array([[sensor.nominal] for sensor in SENSORS])
    features = np.empty((len(RECIPES), len(ordered)))

    def fill(mine: slice) -> None:
        found = _features_of_one(instants[mine], centred[:, mine])
        np.round(found, DECIMALS, out=found)
        np.add(found, 0.0, out=features[:, mine])  # no negative zero

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, _runs(ordered["loco_id"])))
    return pd.DataFrame(features.T, columns=list(FEATURE_NAMES), copy=False)


def _runs(loco_ids: pd.Series) -> list[slice]:
    """The rows of each locomotive, which follow one another."""
    codes = pd.factorize(loco_ids)[0]
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1), len(codes)]
    return [slice(first, end) for first, end in pairwise(bounds) if end > first]


def _features_of_one(instants: Instants, centred: Floats) -> Floats:
    """Features (recipes, rows) of one locomotive, from readings less their nominal value."""
    total = _running(centred)
    baseline, known = _baseline(instants, total)
    found: dict[tuple[str, int], Floats] = {}
    for window in {hours for _, hours in STATISTICS}:
        first = np.searchsorted(instants, instants - window * _HOUR, side="right")
        mean = _sums(total, first) / _count(first)
        found["mean", window] = mean + np.array([[sensor.nominal] for sensor in SENSORS])
        found["deviation", window] = np.where(known, mean - baseline, 0.0)
        if ("slope", window) in STATISTICS:
            found["slope", window] = _slope(instants, centred, total, first)
    stacked = np.stack([found[kind] for kind in STATISTICS], axis=1)
    return stacked.reshape(-1, len(instants))


def _baseline(instants: Instants, total: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean of the older readings of each row, and whether there is any."""
    oldest = np.searchsorted(instants, instants - BASELINE_FROM_HOURS * _HOUR, side="left")
    newest = np.searchsorted(instants, instants - BASELINE_TO_HOURS * _HOUR, side="right")
    count = newest - oldest
    return (total[:, newest] - total[:, oldest]) / np.maximum(count, 1), count > 0


def _slope(instants: Instants, values: Floats, total: Floats, first: Rows) -> Floats:
    """Least-squares slope over rows `first[i]` to `i`, per hour; 0 where all share one instant."""
    hours = (instants - instants[0]) / _HOUR  # small numbers: sums of squares keep their digits
    count = _count(first)
    of_hours, of_squares = _running(hours), _running(hours * hours)
    sum_h = _sums(of_hours, first)
    covariance = _sums(_running(hours * values), first) - sum_h * _sums(total, first) / count
    variance = _sums(of_squares, first) - sum_h * sum_h / count
    spread = variance > 1e-12 * of_squares[1:]  # above what rounding leaves
    return np.asarray(np.where(spread, covariance / np.where(spread, variance, 1.0), 0.0))


def _count(first: Rows) -> Rows:
    return np.arange(1, len(first) + 1) - first


def _running(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2 … values, along the last axis."""
    totals = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=totals[..., 1:])
    return totals


def _sums(totals: Floats, first: Rows) -> Floats:
    """Sums over rows `first[i]` to `i`."""
    return totals[..., 1:] - totals[..., first]
