"""Lives of locomotives: degradations with a random onset that grow to a failure, then a repair.

Durations are assumptions of ours, far denser than on a real fleet so that a history of some weeks
holds enough failures to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FAILURE_TYPES: Final = ("hydraulic_leak", "clogged_filter", "cooling_loss", "bearing_wear")
LEAK, FILTER, COOLING, BEARING = range(4)
HEALTHY: Final = -1

HEALTHY_SCALE_H: Final = 13.3 * 24.0  # Weibull scale: 12 days on average
HEALTHY_SHAPE: Final = 1.5  # Weibull shape above 1: wear out
MINIMUM_HEALTHY_H: Final = 12.0
DEGRADATION_MEDIAN_H: Final = 3.5 * 24.0
DEGRADATION_SPREAD: Final = 0.5  # standard deviation of the logarithm
DEGRADATION_BOUNDS_H: Final = (36.0, 9 * 24.0)
GROWTH_BOUNDS: Final = (3.0, 6.0)  # damage grows as this power of the time since the onset
REPAIR_BOUNDS_H: Final = (6.0, 36.0)
FRICTION_BOUNDS_C_PER_MM_S: Final = (2.0, 11.0)  # oil heated by a worn bearing, by episode
FRICTION_DELAY_H: Final = 4.0  # heat follows the vibration
WARM_UP_H: Final = 90 * 24.0  # lived before the first reading, so that a fleet starts mid-life
_NEVER_H: Final = 1e9  # beyond any simulation
ROUNDING: Final = 1e-9  # of a step


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One repair; hours from the start of the simulation (negative: before the first reading)."""

    loco: int
    failure_type: str
    opened_h: float
    closed_h: float


@dataclass(frozen=True, slots=True)
class PlannedFailure:
    """A degradation that a scenario asks for; hours from the first reading."""

    loco: int
    mode: int
    onset_h: float
    failure_h: float
    repair_h: float
    severity: float


@dataclass(frozen=True, slots=True)
class _Episode:
    """One degradation, from its onset to its failure, and the repair that follows."""

    onset_h: float
    failure_h: float
    repair_h: float
    mode: int
    severity: float
    growth: float
    friction: float


_NEVER: Final = _Episode(_NEVER_H, _NEVER_H + 1, 1.0, LEAK, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Condition:
    """Health over (steps, locomotives).

    `mode` is a failure type or `HEALTHY`; `damage` grows from 0 to 1 at the failure, and
    `delayed_damage` is what it was `FRICTION_DELAY_H` earlier; `severity` (0 to 1) and `friction`
    (°C per mm/s) vary by episode. `failing` is true at the one step where the failure shows, and
    `repair` from the next one to the end of the repair.
    """

    mode: Ints
    damage: Floats
    delayed_damage: Floats
    severity: Floats
    friction: Floats
    repair: Bools
    failing: Bools

    def strength(self, mode: int) -> Floats:
        """Damage of one failure type, 0 where that is not what the locomotive suffers from."""
        return np.where((self.mode == mode) & ~self.repair, self.damage, 0.0)

    def delayed_strength(self, mode: int) -> Floats:
        """The same, as it was some hours earlier."""
        return np.where((self.mode == mode) & ~self.repair, self.delayed_damage, 0.0)


@dataclass(slots=True)
class _Episodes:
    """Degradations drawn so far for one locomotive, in order of time."""

    onset_h: list[float] = field(default_factory=list)
    failure_h: list[float] = field(default_factory=list)
    opened_step: list[int] = field(default_factory=list)
    closed_h: list[float] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    severity: list[float] = field(default_factory=list)
    growth: list[float] = field(default_factory=list)
    friction: list[float] = field(default_factory=list)


class Life:
    """Degradations of one locomotive, drawn as time goes on.

    `planned` ones (in order of time, none before the repair of another) take place as they are
    told; a drawn one that would not be over before the next planned one does not happen. Where
    `random` is false nothing else happens.
    """

    def __init__(
        self,
        step_h: float,
        rng: np.random.Generator,
        planned: Sequence[PlannedFailure] = (),
        *,
        random: bool = True,
    ) -> None:
        self._step_h = step_h
        self._rng = rng
        self._planned = list(planned)
        self._random = random
        self._drawn = _Episodes()

    def condition(self, step: Ints) -> Condition:
        """Health at these steps (increasing), as arrays of the same length."""
        hours: Floats = step.astype(np.float64) * self._step_h
        self._draw_until(float(hours[-1]))
        drawn = self._drawn
        index = np.searchsorted(np.array(drawn.onset_h), hours, side="right") - 1
        known = np.maximum(index, 0)
        opened_step = np.array(drawn.opened_step)[known]
        active = (index >= 0) & ((hours < np.array(drawn.closed_h)[known]) | (step <= opened_step))
        return Condition(
            mode=np.where(active, np.array(drawn.mode)[known], HEALTHY),
            damage=np.where(active, self._damage(hours, known), 0.0),
            delayed_damage=np.where(active, self._damage(hours - FRICTION_DELAY_H, known), 0.0),
            severity=np.array(drawn.severity)[known],
            friction=np.array(drawn.friction)[known],
            repair=active & (step > opened_step),
            failing=active & (step == opened_step),
        )

    def repairs(self) -> list[tuple[int, float, float]]:
        """Failure type, opening and closing (hours) of all repairs drawn, past and to come."""
        drawn = self._drawn
        opened_h = [step * self._step_h for step in drawn.opened_step]
        return list(zip(drawn.mode, opened_h, drawn.closed_h, strict=True))

    def _damage(self, hours: Floats, known: Ints) -> Floats:
        onset = np.array(self._drawn.onset_h)[known]
        failure = np.array(self._drawn.failure_h)[known]
        growth = np.array(self._drawn.growth)[known]
        elapsed = np.clip((hours - onset) / (failure - onset), 0, 1)
        return np.asarray(elapsed**growth)

    def _draw_until(self, hours: float) -> None:
        """Draw episodes until one begins after `hours`."""
        drawn = self._drawn
        while not drawn.onset_h or drawn.onset_h[-1] <= hours:
            self._append(self._next(drawn.closed_h[-1] if drawn.closed_h else -WARM_UP_H))

    def _next(self, free_h: float) -> _Episode:
        """The episode that comes after `free_h`, when the locomotive is sound again."""
        drawn = self._draw(free_h) if self._random else _NEVER
        if not self._planned:
            return drawn
        planned = self._planned[0]
        if drawn.failure_h + drawn.repair_h + self._step_h <= planned.onset_h:
            return drawn
        del self._planned[0]
        return _Episode(
            onset_h=planned.onset_h,
            failure_h=planned.failure_h,
            repair_h=planned.repair_h,
            mode=planned.mode,
            severity=planned.severity,
            growth=sum(GROWTH_BOUNDS) / 2,
            friction=sum(FRICTION_BOUNDS_C_PER_MM_S) / 2,
        )

    def _draw(self, free_h: float) -> _Episode:
        rng = self._rng
        onset_h = free_h + MINIMUM_HEALTHY_H + HEALTHY_SCALE_H * rng.weibull(HEALTHY_SHAPE)
        life_h = DEGRADATION_MEDIAN_H * np.exp(DEGRADATION_SPREAD * rng.standard_normal())
        return _Episode(
            onset_h=onset_h,
            failure_h=onset_h + float(np.clip(life_h, *DEGRADATION_BOUNDS_H)),
            repair_h=round(60 * rng.uniform(*REPAIR_BOUNDS_H)) / 60,
            mode=int(rng.integers(len(FAILURE_TYPES))),
            severity=rng.random(),
            growth=rng.uniform(*GROWTH_BOUNDS),
            friction=rng.uniform(*FRICTION_BOUNDS_C_PER_MM_S),
        )

    def _append(self, episode: _Episode) -> None:
        drawn = self._drawn
        opened_step = int(np.ceil(episode.failure_h / self._step_h - ROUNDING))
        drawn.onset_h.append(episode.onset_h)
        drawn.failure_h.append(episode.failure_h)
        drawn.opened_step.append(opened_step)
        drawn.closed_h.append(opened_step * self._step_h + episode.repair_h)
        drawn.mode.append(episode.mode)
        drawn.severity.append(episode.severity)
        drawn.growth.append(episode.growth)
        drawn.friction.append(episode.friction)


class Lives:
    """The lives of a fleet, each with its own random stream."""

    def __init__(
        self,
        locos: int,
        step_h: float,
        seed: np.random.SeedSequence,
        planned: Mapping[int, Sequence[PlannedFailure]] | None = None,
        *,
        random: bool = True,
    ) -> None:
        chosen = planned or {}
        self._lives = [
            Life(step_h, np.random.default_rng(child), chosen.get(loco, ()), random=random)
            for loco, child in enumerate(seed.spawn(locos))
        ]

    def condition(self, step: Ints) -> Condition:
        """Health of all locomotives at these steps."""
        parts = [life.condition(step) for life in self._lives]
        names = Condition.__dataclass_fields__
        return Condition(
            **{name: np.stack([getattr(part, name) for part in parts], axis=1) for name in names}
        )

    def work_orders(self, now_h: float) -> list[WorkOrder]:
        """Repairs opened by `now_h` and not over at hour 0, by opening time."""
        orders = [
            WorkOrder(loco, FAILURE_TYPES[mode], opened_h, closed_h)
            for loco, life in enumerate(self._lives)
            for mode, opened_h, closed_h in life.repairs()
            if opened_h <= now_h and closed_h > 0
        ]
        return sorted(orders, key=lambda order: (order.opened_h, order.loco))
