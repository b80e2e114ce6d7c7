"""Faults of the sensors themselves: stuck, drift, spike, gap, and single readings that are lost.

How often they happen and how far they go is an assumption of ours, kept modest (ADR 0021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pmd.sensors import SENSORS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FAULT_KINDS: Final = ("stuck", "drift", "spike", "gap")
STUCK, DRIFT, SPIKE, GAP = FAULT_KINDS
PER_LOCO_H: Final = {STUCK: 0.0004, DRIFT: 0.0001, SPIKE: 0.0016, GAP: 0.0004}
LOST_SHARE: Final = 0.002

STUCK_MEAN_H: Final = 6.0
DRIFT_BOUNDS_H: Final = (24.0, 96.0)
GAP_MEAN_H: Final = 4.0
SPIKE_SIZE: Final = (300.0, 4.0, 8.0, 60.0)  # in the unit of each sensor
DRIFT_SIZE: Final = (60.0, 0.8, 1.5, 12.0)
SIZE_BOUNDS: Final = (0.3, 1.0)  # share of these sizes

_ROUNDING: Final = 1e-9  # of a step
_TOTAL_PER_LOCO_H: Final = sum(PER_LOCO_H.values())
_SHARES: Final = np.cumsum(list(PER_LOCO_H.values())) / _TOTAL_PER_LOCO_H
_MINIMA: Final = np.array([sensor.minimum for sensor in SENSORS])
_MAXIMA: Final = np.array([sensor.maximum for sensor in SENSORS])


@dataclass(frozen=True, slots=True)
class SensorFault:
    """One fault, in hours from the first reading.

    `size` is the jump of a spike, or how far a drift has gone at its end. A gap silences the whole
    locomotive: an event holds all four readings or is not sent.
    """

    loco: int
    kind: str
    sensor: int
    start_h: float
    end_h: float
    size: float = 0.0


@dataclass(slots=True)
class _Running:
    """A fault over steps `first` to `last`, this one excluded; `held`: what a stuck sensor says."""

    fault: SensorFault
    first: int
    last: int
    held: float = 0.0


class _Draws:
    """Random faults of one locomotive, one after the other in order of time."""

    def __init__(self, loco: int, rng: np.random.Generator) -> None:
        self._loco = loco
        self._rng = rng
        self._next = self._draw(0.0)

    def until(self, hours: float) -> list[SensorFault]:
        """Those that begin by `hours` and were not given yet."""
        begun = []
        while self._next.start_h <= hours:
            begun.append(self._next)
            self._next = self._draw(self._next.start_h)
        return begun

    def _draw(self, after_h: float) -> SensorFault:
        rng = self._rng
        start_h = after_h + rng.exponential(1 / _TOTAL_PER_LOCO_H)
        kind = FAULT_KINDS[int(np.searchsorted(_SHARES, rng.random(), side="right"))]
        sensor = int(rng.integers(len(SENSORS)))
        share = float(rng.choice([-1.0, 1.0])) * rng.uniform(*SIZE_BOUNDS)
        length_h = {
            STUCK: rng.exponential(STUCK_MEAN_H),
            DRIFT: rng.uniform(*DRIFT_BOUNDS_H),
            GAP: rng.exponential(GAP_MEAN_H),
            SPIKE: 0.0,
        }[kind]
        sizes = {DRIFT: DRIFT_SIZE, SPIKE: SPIKE_SIZE}.get(kind, (0.0,) * len(SENSORS))
        return SensorFault(
            self._loco, kind, sensor, start_h, start_h + length_h, share * sizes[sensor]
        )


class SensorFaults:
    """Faults of all sensors of a fleet; each call continues where the last one stopped.

    `planned` faults come on top of those drawn, or alone where `random` is false.
    """

    def __init__(
        self,
        locos: int,
        step_h: float,
        seed: np.random.SeedSequence,
        planned: Sequence[SensorFault] = (),
        *,
        random: bool = True,
    ) -> None:
        lost, *drawn = seed.spawn(1 + locos)
        self._lost = np.random.default_rng(lost)
        self._step_h = step_h
        self._random = random
        self._draws = [_Draws(loco, np.random.default_rng(own)) for loco, own in enumerate(drawn)]
        self._to_come = sorted(planned, key=lambda fault: fault.start_h)
        self._running: list[_Running] = []

    def spoil(self, step: Ints, values: Floats) -> tuple[Floats, Bools]:
        """What is reported of the true `values` (steps, locomotives, sensors), and what is lost.

        Reported values stay on the scale of their sensor. `step` counts from the first reading.
        """
        first, last = int(step[0]), int(step[-1]) + 1
        self._begin_until(last * self._step_h)
        lost = self._lost.random(values.shape[:2]) < LOST_SHARE * self._random
        reported = np.clip(values, _MINIMA, _MAXIMA)
        for running in self._running:
            rows = slice(max(running.first - first, 0), max(running.last - first, 0))
            if running.fault.kind == GAP:
                lost[rows, running.fault.loco] = True
            else:
                _apply(running, reported[rows, running.fault.loco], step[rows])
        self._running = [running for running in self._running if running.last > last]
        return reported, lost

    def _begin_until(self, hours: float) -> None:
        begun = [fault for draws in self._draws for fault in draws.until(hours) if self._random]
        while self._to_come and self._to_come[0].start_h <= hours:
            begun.append(self._to_come.pop(0))
        for fault in sorted(begun, key=lambda fault: (fault.start_h, fault.loco)):
            first, last = (self._step_of(hours) for hours in (fault.start_h, fault.end_h))
            self._running.append(_Running(fault, first, max(last, first + 1)))

    def _step_of(self, hours: float) -> int:
        return int(np.ceil(hours / self._step_h - _ROUNDING))


def _apply(running: _Running, reported: Floats, step: Ints) -> None:
    """Spoil `reported` (steps, sensors) of one locomotive in place."""
    fault, column = running.fault, reported[:, running.fault.sensor]
    if not len(column):
        return
    if fault.kind == STUCK:
        if step[0] == running.first:
            running.held = float(column[0])
        column[:] = running.held
        return
    gone = (step - running.first + 1) / (running.last - running.first)  # 1 for a spike
    spoilt = column + fault.size * gone
    column[:] = np.clip(spoilt, _MINIMA[fault.sensor], _MAXIMA[fault.sensor])
