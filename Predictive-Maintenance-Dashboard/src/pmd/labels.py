"""Labels of readings: is a failure recorded within the next hours, and can we know it."""

from __future__ import annotations

import numpy as np
import pandas as pd


def next_failure_h(readings: pd.DataFrame, failures: pd.DataFrame) -> pd.Series:
    """Hours from each reading to the next failure of its locomotive; infinite when none follows.

    `readings` needs `loco_id, timestamp`; `failures` needs `loco_id, failed_at`. The reading at the
    instant of the failure is at 0 h of it.
    """
    result = pd.Series(np.inf, index=readings.index)
    instants = {
        loco: group.sort_values() for loco, group in failures.groupby("loco_id")["failed_at"]
    }
    for loco, times in readings.groupby("loco_id")["timestamp"]:
        if loco in instants:
            result.loc[times.index] = _hours_until(times, instants[loco])
    return result


def _hours_until(
    times: pd.Series, failed_at: pd.Series
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    failed_h = np.append(_hours(failed_at), np.inf)
    reading_h = _hours(times)
    return failed_h[np.searchsorted(failed_h, reading_h)] - reading_h


def _hours(times: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    seconds = times.astype("datetime64[us, UTC]").astype("int64").to_numpy() / 1e6
    return seconds / 3600


def in_repair(readings: pd.DataFrame, orders: pd.DataFrame) -> pd.Series:
    """True for readings strictly between the opening and the closing of a work order.

    `orders` needs `loco_id, opened_at, closed_at`; an order without closing lasts for ever.
    """
    result = pd.Series(False, index=readings.index)
    times = {loco: group for loco, group in readings.groupby("loco_id")["timestamp"]}
    for order in orders.itertuples(index=False):
        if order.loco_id in times:
            at = times[order.loco_id]
            inside = (at > order.opened_at) & ~(at >= order.closed_at)
            result.loc[at.index[inside]] = True
    return result


def horizon_observed(readings: pd.DataFrame, horizon_hours: float) -> pd.Series:
    """True where the whole horizon after the reading lies before the last reading of the table.

    Elsewhere nobody knows yet whether a failure follows: such a reading has no label.
    """
    last = readings["timestamp"].max()
    return readings["timestamp"] <= last - pd.Timedelta(hours=horizon_hours)


def recorded_failures(readings: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """Failures (`loco_id, failed_at`) that either table records: a raw flag or a work order."""
    parts = [orders[["loco_id", "opened_at"]].set_axis(["loco_id", "failed_at"], axis=1)]
    if "failure" in readings:
        failing = readings.loc[readings["failure"] == 1, ["loco_id", "timestamp"]]
        parts.append(failing.set_axis(["loco_id", "failed_at"], axis=1))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled).drop_duplicates() if filled else parts[0]
