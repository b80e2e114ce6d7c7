"""Labels of readings: is a failure recorded within the next hours, and can we know it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def next_failures(readings: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """`failed_at` and `failure_type` of the next failure of each reading's locomotive.

    `readings` needs `loco_id, timestamp`; `failures` needs `loco_id, failed_at, failure_type`. A
    reading at the instant of a failure is told that one; where none follows: NaT and "".
    """
    failed_at = np.full(len(readings), np.datetime64("NaT"), dtype="datetime64[us]")
    types = pd.Index(["", *sorted(set(failures["failure_type"]) - {""})], dtype=str)
    failure_type = np.zeros(len(readings), dtype=np.int64)  # of `types`
    asked = _instants(readings["timestamp"])
    rows_of = readings.groupby("loco_id", observed=True).indices
    failures = failures.sort_values("failed_at", kind="stable")
    instants = _instants(failures["failed_at"])
    kinds = types.get_indexer(pd.Index(failures["failure_type"]))
    for loco, known in failures.groupby("loco_id", observed=True).indices.items():
        mine = rows_of.get(loco, np.empty(0, dtype=np.intp))
        position = np.searchsorted(instants[known], asked[mine])
        comes = position < len(known)
        rows, following = mine[comes], known[position[comes]]
        failed_at[rows], failure_type[rows] = instants[following], kinds[following]
    told = {
        "failed_at": pd.Series(failed_at).dt.tz_localize("UTC"),
        "failure_type": pd.Categorical.from_codes(failure_type, types),
    }
    return pd.DataFrame(told).set_axis(readings.index)


def _instants(times: pd.Series) -> NDArray[np.datetime64]:
    return np.asarray(times.dt.tz_convert(None), dtype="datetime64[us]")


def announced_failures(
    readings: pd.DataFrame, failures: pd.DataFrame, horizon_hours: float
) -> pd.DataFrame:
    """The next failure of each reading where it comes within the horizon, with the label.

    Columns `failed_at` (else NaT), `failure_type` (else "") and `failure` (1, else 0).
    """
    coming = next_failures(readings, failures)
    wait = coming["failed_at"] - readings["timestamp"]
    near = wait <= pd.Timedelta(hours=horizon_hours)
    return coming.assign(
        failed_at=coming["failed_at"].where(near),
        failure_type=coming["failure_type"].where(near, ""),
        failure=near.astype("int64"),
    )


def in_repair(readings: pd.DataFrame, orders: pd.DataFrame | None) -> NDArray[np.bool_]:
    """True for readings strictly between the opening and the closing of a work order.

    `orders` needs `loco_id, opened_at, closed_at`; an order without closing lasts for ever.
    """
    repaired = np.zeros(len(readings), dtype=bool)
    if orders is None:
        return repaired
    at = _instants(readings["timestamp"])
    rows_of = readings.groupby("loco_id", observed=True).indices
    opened, closed = _instants(orders["opened_at"]), _instants(orders["closed_at"])
    for loco, opening, closing in zip(orders["loco_id"], opened, closed, strict=True):
        mine = rows_of.get(loco)
        if mine is not None:
            repaired[mine] |= (at[mine] > opening) & ~(at[mine] >= closing)
    return repaired


def horizon_observed(
    readings: pd.DataFrame, horizon_hours: float, last: pd.Timestamp
) -> NDArray[np.bool_]:
    """True where the whole horizon after the reading lies before `last`, the end of the table.

    Elsewhere nobody knows yet whether a failure follows: such a reading has no label.
    """
    known = readings["timestamp"].le(last - pd.Timedelta(hours=horizon_hours))
    return np.asarray(known, dtype=bool)


def recorded_failures(readings: pd.DataFrame, orders: pd.DataFrame | None) -> pd.DataFrame:
    """Failures (`loco_id, failed_at, failure_type`) that a raw flag or a work order records.

    `failure_type` is "" where only the flag knows of the failure.
    """
    parts = []
    if orders is not None:
        parts.append(orders[["loco_id", "opened_at", "failure_type"]])
    if "failure" in readings:
        flagged = readings.loc[readings["failure"] == 1, ["loco_id", "timestamp"]]
        parts.append(flagged.assign(failure_type=""))
    named = [part.set_axis(["loco_id", "failed_at", "failure_type"], axis=1) for part in parts]
    every = pd.concat(named, ignore_index=True)
    return every.drop_duplicates(["loco_id", "failed_at"], ignore_index=True)
