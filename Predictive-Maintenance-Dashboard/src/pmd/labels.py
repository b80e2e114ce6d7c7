"""Labels of readings: is a failure recorded within the next hours, and can we know it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def next_failure_h(readings: pd.DataFrame, failures: pd.DataFrame) -> pd.Series:
    """Hours from each reading to the next failure of its locomotive; infinite when none follows.

    `readings` needs `loco_id, timestamp`; `failures` needs `loco_id, failed_at`. The reading at the
    instant of the failure is at 0 h of it.
    """
    waits = np.full(len(readings), np.inf)
    hours = _hours(readings["timestamp"])
    rows_of = readings.groupby("loco_id").indices
    for loco, instants in failures.groupby("loco_id")["failed_at"]:
        rows = rows_of.get(loco, np.empty(0, dtype=np.intp))
        failed = np.append(np.sort(_hours(instants)), np.inf)
        waits[rows] = failed[np.searchsorted(failed, hours[rows])] - hours[rows]
    return pd.Series(waits, index=readings.index)


def _hours(times: pd.Series) -> NDArray[np.float64]:
    """Hours since 1970, exact to the microsecond."""
    return times.astype("datetime64[us, UTC]").astype("int64").to_numpy() / 3.6e9


def in_repair(readings: pd.DataFrame, orders: pd.DataFrame | None) -> pd.Series:
    """True for readings strictly between the opening and the closing of a work order.

    `orders` needs `loco_id, opened_at, closed_at`; an order without closing lasts for ever.
    """
    repaired = pd.Series(False, index=readings.index)
    if orders is None:
        return repaired
    times = dict(iter(readings.groupby("loco_id")["timestamp"]))
    for loco, opened, closed in orders[["loco_id", "opened_at", "closed_at"]].itertuples(
        index=False
    ):
        if loco in times:
            at = times[loco]
            repaired[at.index[(at > opened) & ~(at >= closed)]] = True
    return repaired


def horizon_observed(readings: pd.DataFrame, horizon_hours: float) -> pd.Series:
    """True where the whole horizon after the reading lies before the last reading of the table.

    Elsewhere nobody knows yet whether a failure follows: such a reading has no label.
    """
    last = readings["timestamp"].max()
    return readings["timestamp"].le(last - pd.Timedelta(hours=horizon_hours))


def recorded_failures(readings: pd.DataFrame, orders: pd.DataFrame | None) -> pd.DataFrame:
    """Failures (`loco_id, failed_at`) that either table records: a raw flag or a work order."""
    parts = []
    if orders is not None:
        parts.append(orders[["loco_id", "opened_at"]])
    if "failure" in readings:
        parts.append(readings.loc[readings["failure"] == 1, ["loco_id", "timestamp"]])
    named = [part.set_axis(["loco_id", "failed_at"], axis=1) for part in parts]
    return pd.concat(named, ignore_index=True).drop_duplicates(ignore_index=True)
