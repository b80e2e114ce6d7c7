"""Causal features per locomotive: a row never sees its future, nor another locomotive."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pmd.sensors import SENSORS

Floats = NDArray[np.float64]

RECENT_HOURS: Final = 6
BASELINE_HOURS: Final = 7 * 24
DECIMALS: Final = 4

FEATURE_NAMES: Final = tuple(
    f"{sensor.name}_{kind}"
    for sensor in SENSORS
    for kind in (f"mean_{RECENT_HOURS}h", f"slope_{RECENT_HOURS}h", "deviation_7d")
)


def add_features(readings: pd.DataFrame) -> pd.DataFrame:
    """Readings ordered by locomotive and time, with three features per sensor.

    `readings` needs `loco_id, timestamp` and the four sensors. Per sensor: `mean_6h`, mean of the
    last 6 h, this row included; `slope_6h`, least-squares slope over them, in units per hour (0
    with a single instant); `deviation_7d`, distance from the mean of the 7 days before this row (0
    without a past). Rounded to 4 decimals.
    """
    ordered = readings.sort_values(["loco_id", "timestamp"], ignore_index=True)
    blocks = [_features_of_one(group) for _, group in ordered.groupby("loco_id", sort=False)]
    values = np.concatenate(blocks) if blocks else np.empty((0, len(FEATURE_NAMES)))
    features = pd.DataFrame(values.round(DECIMALS) + 0.0, columns=list(FEATURE_NAMES))
    return pd.concat([ordered, features], axis=1)


def _features_of_one(readings: pd.DataFrame) -> Floats:
    """Features of one locomotive, rows in order of time."""
    hours = readings["timestamp"].astype("datetime64[us, UTC]").astype("int64").to_numpy() / 3.6e9
    hours = hours - hours[0]  # sums of squares keep their digits; the first row is never the future
    rows = np.arange(len(hours))
    recent = np.searchsorted(hours, hours - RECENT_HOURS, side="right")
    baseline = np.searchsorted(hours, hours - BASELINE_HOURS, side="left")
    columns = []
    for sensor in SENSORS:
        centred = readings[sensor.name].to_numpy(dtype=np.float64) - sensor.nominal
        total = _running(centred)
        recent_mean = (total[rows + 1] - total[recent]) / (rows + 1 - recent)
        past = rows - baseline
        past_mean = (total[rows] - total[baseline]) / np.maximum(past, 1)
        columns.append(recent_mean + sensor.nominal)
        columns.append(_slope(hours, centred, recent))
        columns.append(np.where(past > 0, centred - past_mean, 0.0))
    return np.column_stack(columns)


def _slope(hours: Floats, values: Floats, first: NDArray[np.intp]) -> Floats:
    """Least-squares slope over rows `first[i]` to `i`, per hour; 0 where all share one instant."""
    rows = np.arange(len(hours))
    count = rows + 1 - first

    def window(column: Floats) -> Floats:
        total = _running(column)
        return np.asarray(total[rows + 1] - total[first])

    sum_t, sum_v = window(hours), window(values)
    covariance = window(hours * values) - sum_t * sum_v / count
    variance = window(hours * hours) - sum_t * sum_t / count
    spread = variance > 1e-12 * _running(hours * hours)[rows + 1]  # above what rounding leaves
    return np.asarray(np.where(spread, covariance / np.where(spread, variance, 1.0), 0.0))


def _running(column: Floats) -> Floats:
    """Sums of the first 0, 1, 2 … values."""
    return np.concatenate([[0.0], np.cumsum(column)])
