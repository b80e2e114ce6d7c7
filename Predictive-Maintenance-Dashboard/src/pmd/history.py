"""A simulated past as two tables: sensor readings and work orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from pmd.degradation import WorkOrder
from pmd.sensors import SENSORS, loco_name
from pmd.simulator import Fleet, Readings


class History(NamedTuple):
    """`telemetry`: one row per reading; `maintenance`: one row per work order; times in UTC."""

    telemetry: pd.DataFrame
    maintenance: pd.DataFrame


def simulate_history(
    locos: int, days: float, step_minutes: int, seed: int, end: datetime
) -> History:
    """Simulate `days` of `locos` locomotives, read every `step_minutes`, last reading at `end`.

    `telemetry` is ordered by time, then locomotive; `failure` is 1 at the reading where the
    locomotive fails. Readings lost by the sensors are absent; those of a repair are present.
    """
    steps = max(1, round(days * 24 * 60 / step_minutes))
    start = end - timedelta(minutes=step_minutes * (steps - 1))
    start_hour = start.hour + start.minute / 60
    fleet = Fleet(locos, step_minutes / 60, seed, start_hour)
    readings = fleet.advance(steps)
    return History(
        _telemetry(readings, start, step_minutes),
        _maintenance(fleet.work_orders(), start, end),
    )


def _telemetry(readings: Readings, start: datetime, step_minutes: int) -> pd.DataFrame:
    steps, locos = readings.present.shape
    times = pd.date_range(start, periods=steps, freq=f"{step_minutes}min", unit="s")
    frame = pd.DataFrame(
        {
            "timestamp": np.repeat(times, locos),
            "loco_id": np.tile([loco_name(index) for index in range(locos)], steps),
        }
    )
    for column, sensor in enumerate(SENSORS):
        frame[sensor.name] = readings.values[..., column].ravel().round(sensor.decimals)
    frame["failure"] = readings.failing.ravel().astype(np.int64)
    return frame[readings.present.ravel()].reset_index(drop=True)


def _maintenance(orders: list[WorkOrder], start: datetime, end: datetime) -> pd.DataFrame:
    opened = [start + timedelta(hours=order.opened_h) for order in orders]
    closed = [start + timedelta(hours=order.closed_h) for order in orders]
    over = [instant <= end for instant in closed]
    return pd.DataFrame(
        {
            "loco_id": [loco_name(order.loco) for order in orders],
            "opened_at": opened,
            "closed_at": [when if done else None for when, done in zip(closed, over, strict=True)],
            "failure_type": [order.failure_type for order in orders],
            "status": ["closed" if done else "open" for done in over],
        }
    ).astype({"opened_at": "datetime64[s, UTC]", "closed_at": "datetime64[s, UTC]"})
