"""A simulated past: sensor readings, part by part, and work orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pmd.degradation import WorkOrder
from pmd.scenario import NOTHING_PLANNED, Scenario
from pmd.sensors import SENSORS, loco_name
from pmd.simulator import Fleet, Readings

PART_ROWS: Final = 250_000  # what one part holds at most, unless a single step holds more

TELEMETRY: Final = pa.schema(
    [
        ("timestamp", pa.timestamp("s", tz="UTC")),
        ("loco_id", pa.string()),
        *((sensor.name, pa.float64()) for sensor in SENSORS),
        ("failure", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """`days` of `locos` locomotives, read every `step_minutes`, last reading at `end`."""

    locos: int
    days: float
    step_minutes: int
    seed: int
    end: datetime
    scenario: Scenario = NOTHING_PLANNED

    @property
    def steps(self) -> int:
        return max(1, round(self.days * 24 * 60 / self.step_minutes))

    @property
    def start(self) -> datetime:
        return self.end - timedelta(minutes=self.step_minutes * (self.steps - 1))

    @property
    def hours(self) -> float:
        """From the first reading to the last."""
        return (self.steps - 1) * self.step_minutes / 60


class Simulation:
    """A past in the making, which holds one part of its readings at a time."""

    def __init__(self, plan: HistoryPlan) -> None:
        self._plan = plan
        self._names = pa.array([loco_name(index) for index in range(plan.locos)])
        step_h = plan.step_minutes / 60
        self._fleet = Fleet(plan.locos, step_h, plan.seed, plan.start, plan.scenario)

    def telemetry(self, part_rows: int = PART_ROWS) -> Iterator[pa.Table]:
        """Readings of schema `TELEMETRY`, ordered by time, then locomotive; to be taken once.

        `failure` is 1 at the reading where the locomotive fails. Readings lost by the sensors are
        absent; those of a repair are present. How the rows are cut into parts changes none of them.
        """
        plan = self._plan
        part_steps = max(1, part_rows // plan.locos)
        for first in range(0, plan.steps, part_steps):
            readings = self._fleet.advance(min(part_steps, plan.steps - first))
            yield self._table(readings, first)

    def maintenance(self) -> pd.DataFrame:
        """Work orders opened in the parts taken so far, one row each, by opening time."""
        return _maintenance(self._fleet.work_orders(), self._plan.start, self._plan.end)

    def _table(self, readings: Readings, first: int) -> pa.Table:
        present = readings.present
        step, loco = np.nonzero(present)
        seconds = int(self._plan.start.timestamp()) + 60 * self._plan.step_minutes * (first + step)
        sensors = [
            pa.array(readings.values[..., column][present].round(sensor.decimals) + 0.0)
            for column, sensor in enumerate(SENSORS)
        ]
        columns = [
            pa.array(seconds.astype("datetime64[s]")).cast(TELEMETRY.field("timestamp").type),
            self._names.take(pa.array(loco)),
            *sensors,
            pa.array(readings.failing[present].astype(np.int64)),
        ]
        return pa.Table.from_arrays(columns, schema=TELEMETRY)


class History(NamedTuple):
    """`telemetry`: one row per reading; `maintenance`: one row per work order; times in UTC."""

    telemetry: pd.DataFrame
    maintenance: pd.DataFrame


def simulate_history(
    locos: int, days: float, step_minutes: int, seed: int, end: datetime
) -> History:
    """The whole of a `Simulation` in memory."""
    simulation = Simulation(HistoryPlan(locos, days, step_minutes, seed, end))
    telemetry = pa.concat_tables(simulation.telemetry()).to_pandas()
    return History(telemetry, simulation.maintenance())


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
