"""Locomotive simulator: route, load, oil circuit and bearings, as four sensors report them.

All locomotives advance together over a regular clock; everything but one thermal recurrence is
computed on whole (steps, locomotives) arrays. Numbers named "assumption" are ours, chosen so that a
healthy locomotive at half load reads about 500 L/min, 5 bar, 2 mm/s and 45 °C.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pmd import climate, route
from pmd.degradation import BEARING, COOLING, FILTER, LEAK, Condition, Lives, WorkOrder
from pmd.scenario import NOTHING_PLANNED, Scenario
from pmd.sensor_faults import SensorFaults
from pmd.sensors import SENSORS, VIBRATION, VIBRATION_ZONE_LIMITS_MM_S

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEW_YEAR: Final = datetime(2026, 1, 1, tzinfo=UTC)
DRIVER_NOTCHES: Final = 0.8  # assumption: how far drivers stray from what the slope asks for

IDLE_RISE_C, LOAD_RISE_C = 14.0, 12.0  # assumption: oil above ambient idling, and more at notch 8
COOLER_LOSS: Final = (0.68, 0.80)  # assumption: share of cooling lost at failure, by severity
THERMAL_TIME_H: Final = 0.5  # assumption: time constant of the oil circuit
VISCOSITY_PER_C: Final = 0.033  # ln(105/14.5)/60: a typical SAE 15W-40 between 40 and 100 °C

PUMP_L_MIN: Final = 507.5  # theoretical flow at notch 4
PUMP_NOTCH_SHARE: Final = 0.25  # assumption: the engine drives the pump; from idle to notch 8
CIRCUIT_BAR_PER_L_MIN: Final = 0.01
CIRCUIT_VISCOSITY_POWER: Final = 0.05  # mostly turbulent resistance
SLIP_L_MIN_PER_BAR: Final = 1.5  # internal leakage of the pump at 45 °C
RELIEF_BAR, RELIEF_L_MIN_PER_BAR = 6.0, 60.0  # relief valve upstream of the filter
LEAK_L_MIN_PER_BAR: Final = (60.0, 150.0)  # assumption: leak at failure, by severity
CLOGGING: Final = (1.0, 2.5)  # assumption: added resistance at failure, by severity
VIBRATION_AT_FAILURE: Final = (1.15, 1.90)  # assumption: over the C/D border, by severity

# Assumption: how much locomotives of one type differ (standard deviation of the logarithm). One
# reading cannot tell such a difference from a beginning fault; a history can.
VIBRATION_SPREAD, PUMP_SPREAD, CIRCUIT_SPREAD, COOLER_SPREAD = 0.15, 0.02, 0.03, 0.10
GAIN_SPREAD: Final = 0.015  # of the sensors of flow and pressure
OFFSET_SPREAD_C: Final = 1.0  # of the sensor of temperature

_NOISE: Final = np.array([4.0, 0.06, 0.0, 0.4])  # additive, in the unit of each sensor
_VIBRATION_NOISE: Final = 0.05  # relative


@dataclass(frozen=True, slots=True)
class Readings:
    """A block of steps: arrays of shape (steps, locomotives), `values` with the four sensors last.

    `in_service` is false during repair, `failing` is true at the one reading where a failure
    occurs, `present` is false where the reading is lost (never a failing one).
    """

    values: Floats
    in_service: Bools
    failing: Bools
    present: Bools


class Fleet:
    """Locomotives that live on: each `advance` continues where the last one stopped.

    The same seed, `start` (instant of the first reading) and `scenario` give the same readings,
    however the steps are cut into calls.
    """

    def __init__(
        self,
        locos: int,
        step_h: float,
        seed: int,
        start: datetime = NEW_YEAR,
        scenario: Scenario = NOTHING_PLANNED,
    ) -> None:
        lives, body, noise, faults = np.random.SeedSequence(seed).spawn(4)
        self._shape = (locos, len(SENSORS))
        self._step_h = step_h
        self._start_h = climate.hour_of_year(start.astimezone(UTC))
        self._step = 0
        self._lives = Lives(
            locos, step_h, lives, scenario.failures_by_loco(), random=scenario.random_failures
        )
        self._faults = SensorFaults(
            locos, step_h, faults, scenario.sensor_faults, random=scenario.random_sensor_faults
        )
        self._noise = np.random.default_rng(noise)
        self._oil_c: Floats | None = None
        self._draw_bodies(np.random.default_rng(body))

    def advance(self, steps: int) -> Readings:
        """Live `steps` more steps and return what the sensors said."""
        step = np.arange(self._step, self._step + steps)
        self._step += steps
        hours: Floats = step.astype(np.float64) * self._step_h
        condition = self._lives.condition(step)
        normals = self._noise.standard_normal((steps, self._shape[0], self._shape[1] + 1))
        measured = self._measure(self._true_values(hours, condition, normals[..., -1]), normals)
        values, lost = self._faults.spoil(step, measured)
        return Readings(values, ~condition.repair, condition.failing, ~lost | condition.failing)

    def work_orders(self) -> list[WorkOrder]:
        """Repairs opened so far and not over at the first reading, by opening time."""
        return self._lives.work_orders((self._step - 1) * self._step_h)

    def _draw_bodies(self, rng: np.random.Generator) -> None:
        """What tells one locomotive from another: place on the line, wear, cooler, calibration."""
        locos, sensors = self._shape
        self._phase_h = rng.uniform(0, route.TURN_H, locos)
        self._base_vibration = VIBRATION.nominal * _spread(rng, VIBRATION_SPREAD, locos)
        self._pump = PUMP_L_MIN * _spread(rng, PUMP_SPREAD, locos)
        self._circuit = CIRCUIT_BAR_PER_L_MIN * _spread(rng, CIRCUIT_SPREAD, locos)
        self._cooler = _spread(rng, COOLER_SPREAD, locos)
        gains = 1 + GAIN_SPREAD * rng.standard_normal((locos, sensors))
        self._gain = np.where([True, True, False, False], gains, 1.0)
        self._temperature_offset = rng.normal(0, OFFSET_SPREAD_C, locos)

    def _measure(self, true: Floats, normals: Floats) -> Floats:
        """Calibration and noise of each sensor; none where the machine stands still."""
        noisy = true * self._gain + _NOISE * normals[..., :4] * (true != 0)
        noisy[..., 2] = true[..., 2] * np.exp(_VIBRATION_NOISE * normals[..., 2])
        noisy[..., 3] += self._temperature_offset
        return np.asarray(noisy)

    def _true_values(self, hours: Floats, condition: Condition, driver: Floats) -> Floats:
        """The four quantities; a locomotive in repair stands still and cools down."""
        km, direction = route.position(hours[:, None] + self._phase_h)
        load = route.load(km, direction, DRIVER_NOTCHES * driver)
        excess_mm_s = self._base_vibration * (_bearing_growth(condition, delayed=True) - 1)
        rise_c = _cooler_rise(load, condition, self._cooler) + condition.friction * excess_mm_s
        ambient_c = climate.ambient_c(hours[:, None] + self._start_h, km)
        oil_c = self._oil_temperature(ambient_c + np.where(condition.repair, 0.0, rise_c))
        flow, pressure = _oil_circuit(self._pump, self._circuit, load, oil_c, condition)
        worn = self._base_vibration * _bearing_growth(condition, delayed=False)
        running = [flow, pressure, worn * (0.75 + 0.5 * load)]
        standing = [0.0, 0.0, 0.05]
        seen = [
            np.where(condition.repair, still, value)
            for still, value in zip(standing, running, strict=True)
        ]
        return np.stack([*seen, oil_c], axis=-1)

    def _oil_temperature(self, target_c: Floats) -> Floats:
        """First-order approach to the temperature at which heat and cooling balance."""
        share = 1 - np.exp(-self._step_h / THERMAL_TIME_H)
        oil_c = np.empty_like(target_c)
        current = target_c[0] if self._oil_c is None else self._oil_c
        for row, target in enumerate(target_c):
            current = current + share * (target - current)
            oil_c[row] = current
        self._oil_c = current
        return oil_c


def _spread(rng: np.random.Generator, spread: float, locos: int) -> Floats:
    """Factors around 1, one per locomotive."""
    return np.asarray(np.exp(spread * rng.standard_normal(locos)))


def _between(bounds: tuple[float, float], severity: Floats) -> Floats:
    return np.asarray(bounds[0] + (bounds[1] - bounds[0]) * severity)


def _bearing_growth(condition: Condition, *, delayed: bool) -> Floats:
    """Vibration over vibration when new: exponential in the damage (assumption).

    At the failure it lies in zone D, beyond the last border of the standard.
    """
    border = VIBRATION_ZONE_LIMITS_MM_S[-1] / VIBRATION.nominal
    level = border * _between(VIBRATION_AT_FAILURE, condition.severity)
    damage = condition.delayed_strength(BEARING) if delayed else condition.strength(BEARING)
    return np.asarray(level**damage)


def _cooler_rise(load: Floats, condition: Condition, cooler: Floats) -> Floats:
    """Oil above ambient where the heat of the load equals what is left of the cooling."""
    lost = condition.strength(COOLING) * _between(COOLER_LOSS, condition.severity)
    return np.asarray((IDLE_RISE_C + LOAD_RISE_C * load) * cooler / (1 - lost))


def _oil_circuit(
    pump_l_min: Floats, circuit: Floats, load: Floats, oil_c: Floats, condition: Condition
) -> tuple[Floats, Floats]:
    """Flow (L/min) and pressure (bar) of pump, relief valve, leak and filter in steady state.

    Linear network: the pump gives its theoretical flow less a slip that grows with pressure and
    with thin oil; a leak and, above its setting, the relief valve take flow in proportion to
    pressure; the rest meets the resistance of the filter and circuit.
    """
    viscosity = np.exp(-VISCOSITY_PER_C * (oil_c - 45.0))
    clogging = 1 + condition.strength(FILTER) * _between(CLOGGING, condition.severity)
    resistance = circuit * viscosity**CIRCUIT_VISCOSITY_POWER * clogging
    leak = condition.strength(LEAK) * _between(LEAK_L_MIN_PER_BAR, condition.severity)
    losses = SLIP_L_MIN_PER_BAR / viscosity + leak
    pump = pump_l_min * (1 + PUMP_NOTCH_SHARE * (load - 0.5))
    closed = resistance * pump / (1 + resistance * losses)
    relieved = pump + RELIEF_L_MIN_PER_BAR * RELIEF_BAR
    opened = resistance * relieved / (1 + resistance * (losses + RELIEF_L_MIN_PER_BAR))
    pressure = np.where(closed > RELIEF_BAR, opened, closed)
    return pressure / resistance, pressure
