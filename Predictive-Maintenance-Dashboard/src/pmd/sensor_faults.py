"""Faults of the sensors themselves: spikes, readings that stay stuck, readings that are lost.

How often they happen is an assumption of ours, kept modest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pmd.sensors import SENSORS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SPIKES_PER_H: Final = 0.0004
SPIKE_SIZE: Final = np.array([300.0, 4.0, 8.0, 60.0])  # in the unit of each sensor
STUCK_PER_H: Final = 0.0001
STUCK_MEAN_H: Final = 6.0
LOST_SHARE: Final = 0.002

_MINIMA: Final = np.array([sensor.minimum for sensor in SENSORS])
_MAXIMA: Final = np.array([sensor.maximum for sensor in SENSORS])


class SensorFaults:
    """Faults of all sensors of a fleet; each call continues where the last one stopped."""

    def __init__(self, locos: int, step_h: float, seed: np.random.SeedSequence) -> None:
        chance, length = seed.spawn(2)
        self._chance = np.random.default_rng(chance)
        self._length = np.random.default_rng(length)
        self._step_h = step_h
        self._stuck_until_h = np.full((locos, len(SENSORS)), -np.inf)
        self._stuck_value = np.zeros((locos, len(SENSORS)))

    def spoil(self, hours: Floats, values: Floats) -> tuple[Floats, Bools]:
        """What is reported of the true `values` (steps, locomotives, sensors), and what is lost.

        Reported values stay on the scale of their sensor.
        """
        steps, locos, sensors = values.shape
        chances = self._chance.random((steps, locos, 2 * sensors + 1))
        reported = _with_spikes(values, chances[..., :sensors] / (SPIKES_PER_H * self._step_h))
        self._stick(hours, reported, chances[..., sensors:-1] < STUCK_PER_H * self._step_h)
        return reported, chances[..., -1] < LOST_SHARE

    def _stick(self, hours: Floats, values: Floats, starts: Bools) -> None:
        """Overwrite `values` where a sensor is stuck, from before or from a start in this block."""
        for loco, sensor in np.argwhere(self._stuck_until_h > hours[0]):
            self._hold(hours, values, 0, loco, sensor)
        for row, loco, sensor in np.argwhere(starts):
            if hours[row] >= self._stuck_until_h[loco, sensor]:
                length_h = self._length.exponential(STUCK_MEAN_H)
                self._stuck_until_h[loco, sensor] = hours[row] + length_h
                self._stuck_value[loco, sensor] = values[row, loco, sensor]
                self._hold(hours, values, row, loco, sensor)

    def _hold(self, hours: Floats, values: Floats, row: int, loco: int, sensor: int) -> None:
        end = np.searchsorted(hours, self._stuck_until_h[loco, sensor])
        values[row:end, loco, sensor] = self._stuck_value[loco, sensor]


def _with_spikes(values: Floats, chance: Floats) -> Floats:
    """A new array; where `chance` (uniform when below 1) is below 1 the value jumps."""
    sign = np.where(chance < 0.5, 1, -1)
    size = 0.3 + 1.4 * (chance % 0.5)
    return np.clip(
        np.where(chance < 1, values + sign * size * SPIKE_SIZE, values), _MINIMA, _MAXIMA
    )
