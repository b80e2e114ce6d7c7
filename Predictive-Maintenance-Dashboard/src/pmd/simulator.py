"""Locomotive simulator: route, load, oil circuit and degradations that grow until a failure.

All locomotives advance together over a regular clock; everything but one thermal recurrence is
computed on whole (steps, locomotives) arrays. Numbers named "assumption" are ours, chosen so that a
healthy locomotive at half load reads about 500 L/min, 5 bar, 2 mm/s and 45 °C.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pmd.sensors import SENSORS, VIBRATION_ZONE_LIMITS_MM_S

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FAILURE_TYPES: Final = ("hydraulic_leak", "clogged_filter", "cooling_loss", "bearing_wear")
LEAK, FILTER, COOLING, BEARING = range(4)
HEALTHY: Final = -1

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

IDLE_RISE_C, LOAD_RISE_C = (
    14.0,
    12.0,
)  # assumption: oil above ambient when idling, and added at notch 8
THERMAL_TIME_H: Final = 0.5  # assumption: time constant of the oil circuit
FRICTION_C_PER_MM_S: Final = (2.0, 11.0)  # assumption: oil heated by a worn bearing, by episode
FRICTION_DELAY_H: Final = 4.0  # assumption: heat follows the vibration
VISCOSITY_PER_C: Final = 0.033  # ln(105/14.5)/60: a typical SAE 15W-40 between 40 and 100 °C

PUMP_L_MIN: Final = 507.5  # theoretical flow at notch 4
PUMP_NOTCH_SHARE: Final = 0.08  # assumption: pump speed from idle to notch 8
CIRCUIT_BAR_PER_L_MIN: Final = 0.01
CIRCUIT_VISCOSITY_POWER: Final = 0.05  # mostly turbulent resistance
SLIP_L_MIN_PER_BAR: Final = 1.5  # internal leakage of the pump at 45 °C
RELIEF_BAR, RELIEF_L_MIN_PER_BAR = 6.0, 60.0  # relief valve upstream of the filter

HEALTHY_MEAN_H: Final = 12 * 24.0  # assumption: failures far denser than on a real fleet
HEALTHY_SHAPE: Final = 1.5  # Weibull shape above 1: wear out
MINIMUM_HEALTHY_H: Final = 12.0
DEGRADATION_MEDIAN_H: Final = 3.5 * 24.0  # assumption
DEGRADATION_BOUNDS_H: Final = (36.0, 9 * 24.0)
REPAIR_BOUNDS_H: Final = (6.0, 36.0)
WARM_UP_H: Final = 90 * 24.0  # lived before the first reading, so that a fleet starts mid-life

SPIKES_PER_H: Final = 0.0004
STUCK_PER_H: Final = 0.0001
STUCK_MEAN_H: Final = 6.0
GAP_SHARE: Final = 0.002

_NOISE: Final = np.array([4.0, 0.06, 0.0, 0.4])  # additive, in the unit of each sensor
_VIBRATION_NOISE: Final = 0.05  # relative
_SPIKE: Final = np.array([300.0, 4.0, 8.0, 60.0])
_MINIMA: Final = np.array([sensor.minimum for sensor in SENSORS])
_MAXIMA: Final = np.array([sensor.maximum for sensor in SENSORS])


@dataclass(frozen=True, slots=True)
class Readings:
    """A block of steps: arrays of shape (steps, locomotives), `values` with the four sensors last.

    `hours` counts from the start of the simulation. `in_service` is false during repair, `failing`
    is true at the one reading where a failure occurs, `present` is false where the reading is lost.
    """

    hours: Floats
    values: Floats
    in_service: Bools
    failing: Bools
    present: Bools


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One repair; hours from the start of the simulation (negative: before the first reading)."""

    loco: int
    failure_type: str
    opened_h: float
    closed_h: float


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


@dataclass(frozen=True, slots=True)
class _Condition:
    """Health over (steps, locomotives); `damage` grows from 0 to 1 at the failure."""

    mode: Ints
    damage: Floats
    delayed_damage: Floats
    severity: Floats
    friction: Floats
    repair: Bools
    failing: Bools

    def strength(self, mode: int) -> Floats:
        return np.where((self.mode == mode) & ~self.repair, self.damage, 0.0)


class Fleet:
    """Locomotives that live on: each `advance` continues where the last one stopped.

    The same seed gives the same readings, however the steps are cut into calls.
    """

    def __init__(self, locos: int, step_h: float, seed: int, start_hour_utc: float = 0.0) -> None:
        lives, body, noise, chance, faults = np.random.SeedSequence(seed).spawn(5)
        self.locos = locos
        self.step_h = step_h
        self._start_hour = start_hour_utc
        self._step = 0
        self._life_rngs = [np.random.default_rng(child) for child in lives.spawn(locos)]
        self._episodes = [_Episodes() for _ in range(locos)]
        self._noise = np.random.default_rng(noise)
        self._chance = np.random.default_rng(chance)
        self._faults = np.random.default_rng(faults)
        self._draw_bodies(np.random.default_rng(body))
        self._oil_c: Floats | None = None
        self._stuck_until_h = np.full((locos, len(SENSORS)), -np.inf)
        self._stuck_value = np.zeros((locos, len(SENSORS)))

    def advance(self, steps: int) -> Readings:
        """Live `steps` more steps and return what the sensors said."""
        step = self._step + np.arange(steps)
        self._step += steps
        hours = step * self.step_h
        condition = self._condition(step, hours)
        normals = self._noise.standard_normal((steps, self.locos, len(SENSORS) + 1))
        values = self._measure(hours, condition, normals)
        chances = self._chance.random((steps, self.locos, 2 * len(SENSORS) + 1))
        values = self._with_sensor_faults(hours, values, chances)
        present = (chances[..., -1] >= GAP_SHARE) | condition.failing
        return Readings(hours, values, ~condition.repair, condition.failing, present)

    def work_orders(self) -> list[WorkOrder]:
        """Repairs that began before now and were not over at the start, by opening time."""
        now_h = (self._step - 1) * self.step_h
        orders = [
            WorkOrder(loco, FAILURE_TYPES[mode], opened * self.step_h, closed)
            for loco, episodes in enumerate(self._episodes)
            for mode, opened, closed in zip(
                episodes.mode, episodes.opened_step, episodes.closed_h, strict=True
            )
            if opened * self.step_h <= now_h and closed > 0
        ]
        return sorted(orders, key=lambda order: (order.opened_h, order.loco))

    def _draw_bodies(self, rng: np.random.Generator) -> None:
        """What tells one locomotive from another: place on the line, engine, sensor calibration."""
        self._phase_h = rng.uniform(0, 2 * (LINE_KM[-1] / SPEED_KM_H + DWELL_H), self.locos)
        self._base_vibration = 2.0 * np.exp(0.08 * rng.standard_normal(self.locos))
        gains = 1 + 0.015 * rng.standard_normal((self.locos, len(SENSORS)))
        self._gain = np.where([True, True, False, False], gains, 1.0)
        self._temperature_offset = rng.normal(0, 1.0, self.locos)

    # Health

    def _condition(self, step: Ints, hours: Floats) -> _Condition:
        columns = [self._life(loco, step, hours) for loco in range(self.locos)]
        return _Condition(*(np.stack(parts, axis=1) for parts in zip(*columns, strict=True)))

    def _life(self, loco: int, step: Ints, hours: Floats) -> tuple[NDArray[np.generic], ...]:
        episodes = self._episodes[loco]
        self._extend(loco, float(hours[-1]))
        index = np.searchsorted(np.array(episodes.onset_h), hours, side="right") - 1
        known = np.maximum(index, 0)
        onset, failure, closed, severity, growth, friction = (
            np.array(column)[known]
            for column in (
                episodes.onset_h,
                episodes.failure_h,
                episodes.closed_h,
                episodes.severity,
                episodes.growth,
                episodes.friction,
            )
        )
        opened_step = np.array(episodes.opened_step)[known]
        active = (index >= 0) & ((hours < closed) | (step <= opened_step))
        life_h = failure - onset
        return (
            np.where(active, np.array(episodes.mode)[known], HEALTHY),
            np.where(active, np.clip((hours - onset) / life_h, 0, 1) ** growth, 0.0),
            np.where(
                active, np.clip((hours - FRICTION_DELAY_H - onset) / life_h, 0, 1) ** growth, 0.0
            ),
            severity,
            friction,
            active & (step > opened_step),
            active & (step == opened_step),
        )

    def _extend(self, loco: int, until_h: float) -> None:
        """Draw episodes until one begins after `until_h`."""
        episodes, rng = self._episodes[loco], self._life_rngs[loco]
        while not episodes.onset_h or episodes.onset_h[-1] <= until_h:
            free_h = episodes.closed_h[-1] if episodes.closed_h else -WARM_UP_H
            scale_h = HEALTHY_MEAN_H / 0.9027  # mean of a Weibull of shape 1.5 and scale 1
            onset = free_h + MINIMUM_HEALTHY_H + scale_h * rng.weibull(HEALTHY_SHAPE)
            life = DEGRADATION_MEDIAN_H * np.exp(0.5 * rng.standard_normal())
            failure = onset + float(np.clip(life, *DEGRADATION_BOUNDS_H))
            opened_step = int(np.ceil(failure / self.step_h))
            repair_h = round(float(rng.uniform(*REPAIR_BOUNDS_H)) * 60) / 60
            episodes.onset_h.append(float(onset))
            episodes.failure_h.append(failure)
            episodes.opened_step.append(opened_step)
            episodes.closed_h.append(opened_step * self.step_h + repair_h)
            episodes.mode.append(int(rng.integers(len(FAILURE_TYPES))))
            episodes.severity.append(float(rng.random()))
            episodes.growth.append(float(rng.uniform(1.5, 2.5)))
            episodes.friction.append(float(rng.uniform(*FRICTION_C_PER_MM_S)))

    # Physics

    def _measure(self, hours: Floats, condition: _Condition, normals: Floats) -> Floats:
        km, direction = self._position(hours)
        load = _load(km, direction, normals[..., -1])
        ambient_c = self._ambient(hours, km)
        worn = self._base_vibration * _bearing_growth(condition)
        vibration = worn * (0.75 + 0.5 * load)
        oil_c = self._oil_temperature(ambient_c, load, condition)
        flow, pressure = _oil_circuit(load, oil_c, condition)
        stopped = condition.repair
        true = np.stack(
            [
                np.where(stopped, 0.0, flow),
                np.where(stopped, 0.0, pressure),
                np.where(stopped, 0.05, vibration),
                oil_c + self._temperature_offset,
            ],
            axis=-1,
        )
        noisy = true * self._gain + _NOISE * normals[..., :4] * (true != 0)
        noisy[..., 2] = true[..., 2] * np.exp(_VIBRATION_NOISE * normals[..., 2])
        return np.clip(noisy, _MINIMA, _MAXIMA)

    def _position(self, hours: Floats) -> tuple[Floats, Floats]:
        """Kilometre on the line, and +1 eastward, -1 westward, 0 standing."""
        leg_h = LINE_KM[-1] / SPEED_KM_H
        clock = (hours[:, None] + self._phase_h) % (2 * (leg_h + DWELL_H))
        back = clock - leg_h - DWELL_H
        out_km = np.minimum(clock, leg_h) * SPEED_KM_H
        back_km = np.maximum(leg_h - back, 0) * SPEED_KM_H
        km = np.where(back < 0, out_km, back_km)
        moving = np.where(back < 0, clock < leg_h, back < leg_h)
        return km, np.where(moving, np.where(back < 0, 1.0, -1.0), 0.0)

    def _ambient(self, hours: Floats, km: Floats) -> Floats:
        """Outside air: altitude, and a daily swing that widens away from the sea (assumption)."""
        local_hour = (hours[:, None] + self._start_hour + LOCAL_OFFSET_H) % 24
        swing = (3.0 + 4.0 * km / LINE_KM[-1]) * np.cos(2 * np.pi * (local_hour - 14) / 24)
        altitude_km = np.interp(km, LINE_KM, LINE_ALTITUDE_M) / 1000
        return SEA_LEVEL_C - LAPSE_C_PER_KM * altitude_km + swing

    def _oil_temperature(self, ambient_c: Floats, load: Floats, condition: _Condition) -> Floats:
        """First-order balance between heat of load and friction, and what the cooler takes away."""
        cooler = 1 - condition.strength(COOLING) * (0.68 + 0.12 * condition.severity)
        excess_mm_s = self._base_vibration * (_bearing_heat(condition) - 1)
        rise_c = (IDLE_RISE_C + LOAD_RISE_C * load) / cooler + condition.friction * excess_mm_s
        target_c = ambient_c + np.where(condition.repair, 0.0, rise_c)
        share = 1 - np.exp(-self.step_h / THERMAL_TIME_H)
        oil_c = np.empty_like(target_c)
        current = target_c[0] if self._oil_c is None else self._oil_c
        for row, target in enumerate(target_c):
            current = current + share * (target - current)
            oil_c[row] = current
        self._oil_c = current
        return oil_c

    # Sensor faults

    def _with_sensor_faults(self, hours: Floats, values: Floats, chances: Floats) -> Floats:
        """Spikes of one reading, and readings that stay stuck for hours."""
        spikes = chances[..., :4] / (SPIKES_PER_H * self.step_h)  # below 1: a spike
        signed = np.where(spikes < 0.5, 1, -1) * (0.3 + 1.4 * (spikes % 0.5))
        spiked = np.where(spikes < 1, values + signed * _SPIKE, values)
        values = np.clip(spiked, _MINIMA, _MAXIMA)
        starts = chances[..., 4:8] < STUCK_PER_H * self.step_h
        for loco, sensor in np.argwhere(self._stuck_until_h > hours[0]):
            self._hold(hours, values, 0, loco, sensor)
        for row, loco, sensor in np.argwhere(starts):
            if hours[row] >= self._stuck_until_h[loco, sensor]:
                length_h = self._faults.exponential(STUCK_MEAN_H)
                self._stuck_until_h[loco, sensor] = hours[row] + length_h
                self._stuck_value[loco, sensor] = values[row, loco, sensor]
                self._hold(hours, values, row, loco, sensor)
        return values

    def _hold(self, hours: Floats, values: Floats, row: int, loco: int, sensor: int) -> None:
        end = np.searchsorted(hours, self._stuck_until_h[loco, sensor])
        values[row:end, loco, sensor] = self._stuck_value[loco, sensor]


def _load(km: Floats, direction: Floats, normals: Floats) -> Floats:
    """Share of full power: the notch (0 idle, 1 to 8) that the slope asks for, over 8."""
    rise_m = np.interp(km + 5, LINE_KM, LINE_ALTITUDE_M) - np.interp(
        km - 5, LINE_KM, LINE_ALTITUDE_M
    )
    slope = direction * (rise_m / 10 + HILL_M_PER_KM * np.sin(2 * np.pi * km / HILL_KM))
    notch = np.clip(np.rint(4 + 0.35 * slope + 0.8 * normals), 1, 8)
    return np.where(direction == 0, 0.0, notch / 8)


def _bearing_level(condition: _Condition) -> Floats:
    """Vibration at failure over vibration when new: beyond the C/D border, in zone D."""
    limit = VIBRATION_ZONE_LIMITS_MM_S[-1] / 2.0
    return limit * (1.15 + 0.75 * condition.severity)


def _bearing_growth(condition: _Condition) -> Floats:
    """Exponential growth of vibration with damage (assumption), 1 when healthy."""
    return np.asarray(_bearing_level(condition) ** condition.strength(BEARING))


def _bearing_heat(condition: _Condition) -> Floats:
    """The same growth, as the oil feels it: some hours later."""
    worn = (condition.mode == BEARING) & ~condition.repair
    damage = np.where(worn, condition.delayed_damage, 0.0)
    return np.asarray(_bearing_level(condition) ** damage)


def _oil_circuit(load: Floats, oil_c: Floats, condition: _Condition) -> tuple[Floats, Floats]:
    """Flow (L/min) and pressure (bar) of pump, relief valve, leak and filter in steady state.

    Linear network: the pump gives its theoretical flow less a slip that grows with pressure and
    with thin oil; a leak and, above its setting, the relief valve take flow in proportion to
    pressure; the rest meets the resistance of the filter and circuit.
    """
    viscosity = np.exp(-VISCOSITY_PER_C * (oil_c - 45.0))
    clogging = 1 + condition.strength(FILTER) * (1.0 + 1.5 * condition.severity)
    resistance = CIRCUIT_BAR_PER_L_MIN * viscosity**CIRCUIT_VISCOSITY_POWER * clogging
    leak = condition.strength(LEAK) * (60.0 + 90.0 * condition.severity)
    losses = SLIP_L_MIN_PER_BAR / viscosity + leak
    pump = PUMP_L_MIN * (1 + PUMP_NOTCH_SHARE * (load - 0.5))
    closed = resistance * pump / (1 + resistance * losses)
    relieved = pump + RELIEF_L_MIN_PER_BAR * RELIEF_BAR
    opened = resistance * relieved / (1 + resistance * (losses + RELIEF_L_MIN_PER_BAR))
    pressure = np.where(closed > RELIEF_BAR, opened, closed)
    return pressure / resistance, pressure
