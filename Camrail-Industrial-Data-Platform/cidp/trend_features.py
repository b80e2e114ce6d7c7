"""What the trend model asks of each locomotive, from the hours that the store keeps.

An hour stands for its readings: their number, and their mean, placed at its start. Where a sensor
sends once an hour, as in the history that the model learned from, these are the features that it
learned; where it sends more often, an hour that a window cuts counts whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cidp.event_batch import SERIES_DOORS, Flags, Floats, Integers, Series
from cidp.model_bundle import FeatureRecipe, ManifestFeature
from cidp.store_session import Session
from cidp.telemetry import READINGS

SILENCE = timedelta(days=1)
"""A locomotive that has been silent for longer is scored on less than all its past."""

_SUMS = ", ".join(f"sum({name}_sum)" for name in READINGS)
_HOURS = f"""
SELECT loco_id, hour, sum(readings), {_SUMS} FROM hourly
WHERE source IN :doors AND hour >= :since GROUP BY loco_id, hour ORDER BY loco_id, hour
"""  # noqa: S608 (our names)
_NEWEST = f"""
SELECT loco_id, {", ".join(READINGS)} FROM fleet WHERE series = :series ORDER BY loco_id
"""  # noqa: S608 (our names)


class FleetFeatures(NamedTuple):
    """One row of `values` per locomotive, one column per feature of the model."""

    loco_ids: Sequence[str]
    values: npt.NDArray[np.float32]


def fleet_features(
    session: Session, series: Series, wanted: Sequence[ManifestFeature], now: datetime
) -> FleetFeatures:
    """Compute the features that are `wanted` of every locomotive of a series.

    Windows end with the locomotive's newest hour. One whose hours do not fill the longest window is
    left out; a deviation is 0 where there is nothing older to deviate from, as in training.
    """
    recipes = [feature.recipe for feature in wanted if feature.recipe]
    past_h = max((max(r.window_hours, r.baseline_from_hours or 0) for r in recipes), default=0)
    hours = _read_hours(session, series, now - timedelta(hours=past_h) - SILENCE)
    window_h = max((recipe.window_hours for recipe in recipes), default=0)
    newest = {loco_id: values for loco_id, *values in session.rows(_NEWEST, series=series)}
    columns = [
        hours.feature(feature.recipe)
        if feature.recipe
        else [newest[loco_id][READINGS.index(feature.name)] for loco_id in hours.loco_ids]
        for feature in wanted
    ]
    filled = np.flatnonzero(hours.known_h() >= window_h - 1)
    values = np.array(columns, np.float32).T[filled]
    return FleetFeatures([hours.loco_ids[place] for place in filled.tolist()], values)


@dataclass(frozen=True)
class _Hours:
    """Past hours of a fleet, one entry of each column per locomotive and hour.

    `loco` is the index in `loco_ids`, `age` the hours before the locomotive's newest one, `count`
    the readings and `sums` (n, 4) what they add up to, in the order of the contract.
    """

    loco_ids: Sequence[str]
    loco: Integers
    age: Integers
    count: Integers
    sums: Floats

    def known_h(self) -> Integers:
        """Give the age of the oldest hour of each locomotive."""
        oldest = np.zeros(len(self.loco_ids), np.int64)
        np.maximum.at(oldest, self.loco, self.age)
        return oldest

    def feature(self, recipe: FeatureRecipe) -> Floats:
        """Give one feature of each locomotive, as the contract defines it."""
        sums = self.sums[:, READINGS.index(recipe.reading)]
        within = self.age < recipe.window_hours
        if recipe.statistic == "slope":
            found = self._slope(sums, within)
        else:
            found = self._mean(sums, within)
        if recipe.baseline_from_hours is not None and recipe.baseline_to_hours is not None:
            older = (recipe.baseline_to_hours <= self.age) & (
                self.age <= recipe.baseline_from_hours
            )
            usual = self._mean(sums, older)
            found = np.where(np.isnan(usual), 0.0, found - usual)
        rounded: Floats = np.round(found, recipe.decimals)
        return rounded

    def _mean(self, sums: Floats, chosen: Flags) -> Floats:
        """Give the mean of each locomotive's chosen hours; not a number where there is none."""
        count = self._total(self.count, chosen)
        mean: Floats = np.full(len(count), np.nan)
        return np.divide(self._total(sums, chosen), count, out=mean, where=count > 0)

    def _slope(self, sums: Floats, chosen: Flags) -> Floats:
        """Give the slope of the least-squares line, per hour; 0 where there is one hour."""
        at = -self.age
        count, sum_at = self._total(self.count, chosen), self._total(self.count * at, chosen)
        spread = self._total(self.count * at * at, chosen) - sum_at * sum_at / count
        together = self._total(sums * at, chosen) - sum_at * self._total(sums, chosen) / count
        slope: Floats = np.zeros(len(count))
        return np.divide(together, spread, out=slope, where=spread > 0)

    def _total(self, values: Floats | Integers, chosen: Flags) -> Floats:
        weights = values[chosen].astype(np.float64)
        return np.bincount(self.loco[chosen], weights, len(self.loco_ids)).astype(np.float64)


def _read_hours(session: Session, series: Series, since: datetime) -> _Hours:
    rows = session.rows(_HOURS, doors=SERIES_DOORS[series], since=since)
    names = [row[0] for row in rows]
    loco_ids = sorted(set(names))
    ranks = {name: rank for rank, name in enumerate(loco_ids)}
    loco = np.array([ranks[name] for name in names], np.int64)
    hour = np.array([session.instant(row[1]).timestamp() // 3600 for row in rows], np.int64)
    newest = np.zeros(len(loco_ids), np.int64)
    np.maximum.at(newest, loco, hour)
    return _Hours(
        loco_ids,
        loco,
        newest[loco] - hour,
        np.array([row[2] for row in rows], np.int64),
        np.array([row[3:] for row in rows], np.float64).reshape(len(rows), len(READINGS)),
    )
