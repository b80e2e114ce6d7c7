"""Alarms as a control room meets them: warnings before a failure, and false alarms."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Names = NDArray[np.object_]

HOURS_PER_MONTH = 365.25 * 24 / 12


def warnings(
    groups: Names, hours: Floats, failed_h: Floats, types: Names, alarms: Bools
) -> pd.DataFrame:
    """One row per failure that some row announces: `group, failed_h, failure_type, lead_h`.

    `hours` and `failed_h` (NaN: the row announces none) are on one clock. `lead_h` is the time from
    the first alarm among the announcing rows to the failure, at most the horizon; NaN: no alarm.
    """
    rows = pd.DataFrame(
        {
            "group": groups,
            "failed_h": failed_h,
            "failure_type": types,
            "lead_h": np.where(alarms, failed_h - hours, np.nan),
        }
    ).dropna(subset="failed_h")
    told = rows.groupby(["group", "failed_h"], as_index=False)
    return told.agg({"failure_type": "first", "lead_h": "max"})


def false_alarms(
    groups: Names, hours: Floats, labels: NDArray[np.int64], alarms: Bools
) -> pd.DataFrame:
    """One row per group: `false_alarms`, and the `months` from its first to its last row.

    Consecutive alarms of one group are one; it is false when none of its rows announces a failure.
    """
    rows = pd.DataFrame({"group": groups, "hours": hours, "failing": labels == 1, "alarm": alarms})
    rows = rows.sort_values(["group", "hours"], kind="stable", ignore_index=True)
    first_of_group = rows["group"] != rows["group"].shift()
    begins = rows["alarm"] & (~rows["alarm"].shift(fill_value=False) | first_of_group)
    runs = rows.assign(run=begins.cumsum())[rows["alarm"]].groupby("run")
    false = runs.agg({"group": "first", "failing": "max"}).query("~failing")["group"].value_counts()
    times = rows.groupby("group")["hours"].agg(["min", "max"])
    months = (times["max"] - times["min"]) / HOURS_PER_MONTH
    counted = false.reindex(months.index, fill_value=0)
    return pd.DataFrame({"false_alarms": counted, "months": months})
