"""Locomotive simulator: route, load, oil circuit and bearings, as four sensors report them.

All locomotives advance together over a regular clock; everything but one thermal recurrence is
computed on whole (steps, locomotives) arrays. Numbers named "assumption" are ours, chosen so that a
healthy locomotive at half load reads about 500 L/min, 5 bar, 2 mm/s and 45 °C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pmd.degradation import BEARING, COOLING, FILTER, LEAK, Condition, Lives, WorkOrder
from pmd.sensor_faults import SensorFaults
from pmd.sensors import SENSORS, VIBRATION, VIBRATION_ZONE_LIMITS_MM_S

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# The line, from west to east: approximate kilometre and altitude (m) of Douala, Edéa, Yaoundé,
# Bélabo and Ngaoundéré (public railway and topographic maps, rounded).
LINE_KM: Final = np.array([0.0, 85.0, 263.0, 559.0, 885.0])
LINE_ALTITUDE_M: Final = np.array([13.0, 35.0, 730.0, 650.0, 1100.0])
SPEED_KM_H: Final = 40.0  # assumption: commercial speed of a freight train
DWELL_H: Final = 6.0  # assumption: idling at either end
HILL_M_PER_KM, HILL_KM = 4.0, 37.0  # assumption: relief between the listed stations

SEA_LEVEL_C: Final = 27.0  # yearly mean of Douala, rounded
LAPSE_C_PER_KM: Final = 6.5  # ISO 2533 standard atmosphere
LOCAL_OFFSET_H: Final = 1.0  # Africa/Douala, no daylight saving

IDLE_RISE_C, LOAD_RISE_C = 14.0, 12.0  # assumption: oil above ambient idling, and more at notch 8
COOLER_LOSS: Final = (0.68, 0.80)  # assumption: share of cooling lost at failure, by severity
THERMAL_TIME_H: Final = 0.5  # assumption: time constant of the oil circuit
VISCOSITY_PER_C: Final = 0.033  # ln(105/14.5)/60: a typical SAE 15W-40 between 40 and 100 °C

PUMP_L_MIN: Final = 507.5  # theoretical flow at notch 4
PUMP_NOTCH_SHARE: Final = 0.08  # assumption: pump speed from idle to notch 8
CIRCUIT_BAR_PER_L_MIN: Final = 0.01
CIRCUIT_VISCOSITY_POWER: Final = 0.05  # mostly turbulent resistance
SLIP_L_MIN_PER_BAR: Final = 1.5  # internal leakage of the pump at 45 °C
RELIEF_BAR, RELIEF_L_MIN_PER_BAR = 6.0, 60.0  # relief valve upstream of the filter
LEAK_L_MIN_PER_BAR: Final = (60.0, 150.0)  # assumption: leak at failure, by severity
CLOGGING: Final = (1.0, 2.5)  # assumption: added resistance at failure, by severity
VIBRATION_AT_FAILURE: Final = (1.15, 1.90)  # assumption: over the C/D border, by severity

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

    The same seed gives the same readings, however the steps are cut into calls.
    """

    def __init__(self, locos: int, step_h: float, seed: int, start_hour_utc: float = 0.0) -> None:
        lives, body, noise, faults = np.random.SeedSequence(seed).spawn(4)
        self._shape = (locos, len(SENSORS))
        self._step_h = step_h
        self._start_hour = start_hour_utc
        self._step = 0
        self._lives = Lives(locos, step_h, lives)
        self._faults = SensorFaults(locos, step_h, faults)
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
        values, lost = self._faults.spoil(hours, measured)
        return Readings(values, ~condition.repair, condition.failing, ~lost | condition.failing)

    def work_orders(self) -> list[WorkOrder]:
        """Repairs opened so far and not over at the first reading, by opening time."""
        return self._lives.work_orders((self._step - 1) * self._step_h)

    def _draw_bodies(self, rng: np.random.Generator) -> None:
        """What tells one locomotive from another: place on the line, engine, calibration."""
        locos, sensors = self._shape
        self._phase_h = rng.uniform(0, 2 * (LINE_KM[-1] / SPEED_KM_H + DWELL_H), locos)
        self._base_vibration = VIBRATION.nominal * np.exp(0.08 * rng.standard_normal(locos))
        gains = 1 + 0.015 * rng.standard_normal((locos, sensors))
        self._gain = np.where([True, True, False, False], gains, 1.0)
        self._temperature_offset = rng.normal(0, 1.0, locos)

    def _measure(self, true: Floats, normals: Floats) -> Floats:
        """Calibration and noise of each sensor; none where the machine stands still."""
        noisy = true * self._gain + _NOISE * normals[..., :4] * (true != 0)
        noisy[..., 2] = true[..., 2] * np.exp(_VIBRATION_NOISE * normals[..., 2])
        noisy[..., 3] += self._temperature_offset
        return np.asarray(noisy)

    def _true_values(self, hours: Floats, condition: Condition, driver: Floats) -> Floats:
        """The four quantities; a locomotive in repair stands still and cools down."""
        km, direction = self._position(hours)
        load = _load(km, direction, driver)
        excess_mm_s = self._base_vibration * (_bearing_growth(condition, delayed=True) - 1)
        rise_c = _cooler_rise(load, condition) + condition.friction * excess_mm_s
        ambient_c = self._ambient(hours, km)
        oil_c = self._oil_temperature(ambient_c + np.where(condition.repair, 0.0, rise_c))
        flow, pressure = _oil_circuit(load, oil_c, condition)
        worn = self._base_vibration * _bearing_growth(condition, delayed=False)
        running = [flow, pressure, worn * (0.75 + 0.5 * load)]
        standing = [0.0, 0.0, 0.05]
        seen = [
            np.where(condition.repair, still, value)
            for still, value in zip(standing, running, strict=True)
        ]
        return np.stack([*seen, oil_c], axis=-1)

    def _position(self, hours: Floats) -> tuple[Floats, Floats]:
        """Kilometre on the line, and +1 eastward, -1 westward, 0 standing."""
        leg_h = LINE_KM[-1] / SPEED_KM_H
        clock = (hours[:, None] + self._phase_h) % (2 * (leg_h + DWELL_H))
        back = clock - leg_h - DWELL_H
        out_km = np.minimum(clock, leg_h) * SPEED_KM_H
        back_km = np.maximum(leg_h - back, 0) * SPEED_KM_H
        moving = np.where(back < 0, clock < leg_h, back < leg_h)
        direction = np.where(moving, np.where(back < 0, 1.0, -1.0), 0.0)
        return np.where(back < 0, out_km, back_km), direction

    def _ambient(self, hours: Floats, km: Floats) -> Floats:
        """Outside air: altitude, and a daily swing that widens away from the sea (assumption)."""
        local_hour = (hours[:, None] + self._start_hour + LOCAL_OFFSET_H) % 24
        swing = (3.0 + 4.0 * km / LINE_KM[-1]) * np.cos(2 * np.pi * (local_hour - 14) / 24)
        altitude_km = np.interp(km, LINE_KM, LINE_ALTITUDE_M) / 1000
        return np.asarray(SEA_LEVEL_C - LAPSE_C_PER_KM * altitude_km + swing)

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


def _load(km: Floats, direction: Floats, driver: Floats) -> Floats:
    """Share of full power: the notch (0 idle, 1 to 8) that slope and driver ask for, over 8."""
    east, west = (np.interp(km + ahead, LINE_KM, LINE_ALTITUDE_M) for ahead in (5, -5))
    relief = HILL_M_PER_KM * np.sin(2 * np.pi * km / HILL_KM)
    slope_m_per_km = direction * ((east - west) / 10 + relief)
    notch = np.clip(np.rint(4 + 0.35 * slope_m_per_km + 0.8 * driver), 1, 8)
    return np.where(direction == 0, 0.0, notch / 8)


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


def _cooler_rise(load: Floats, condition: Condition) -> Floats:
    """Oil above ambient where the heat of the load equals what is left of the cooling."""
    lost = condition.strength(COOLING) * _between(COOLER_LOSS, condition.severity)
    return np.asarray((IDLE_RISE_C + LOAD_RISE_C * load) / (1 - lost))


def _oil_circuit(load: Floats, oil_c: Floats, condition: Condition) -> tuple[Floats, Floats]:
    """Flow (L/min) and pressure (bar) of pump, relief valve, leak and filter in steady state.

    Linear network: the pump gives its theoretical flow less a slip that grows with pressure and
    with thin oil; a leak and, above its setting, the relief valve take flow in proportion to
    pressure; the rest meets the resistance of the filter and circuit.
    """
    viscosity = np.exp(-VISCOSITY_PER_C * (oil_c - 45.0))
    clogging = 1 + condition.strength(FILTER) * _between(CLOGGING, condition.severity)
    resistance = CIRCUIT_BAR_PER_L_MIN * viscosity**CIRCUIT_VISCOSITY_POWER * clogging
    leak = condition.strength(LEAK) * _between(LEAK_L_MIN_PER_BAR, condition.severity)
    losses = SLIP_L_MIN_PER_BAR / viscosity + leak
    pump = PUMP_L_MIN * (1 + PUMP_NOTCH_SHARE * (load - 0.5))
    closed = resistance * pump / (1 + resistance * losses)
    relieved = pump + RELIEF_L_MIN_PER_BAR * RELIEF_BAR
    opened = resistance * relieved / (1 + resistance * (losses + RELIEF_L_MIN_PER_BAR))
    pressure = np.where(closed > RELIEF_BAR, opened, closed)
    return pressure / resistance, pressure
