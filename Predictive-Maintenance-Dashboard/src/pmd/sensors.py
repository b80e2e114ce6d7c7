"""The four sensors of a locomotive: wire name, unit, possible range, nominal value, severity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sensor:
    """One measured quantity.

    `minimum` and `maximum` bound what the sensor can say (its full scale, as in the telemetry
    contract); `nominal` is a healthy locomotive at half load; `monotone` is the sign that the risk
    must follow (0: both too low and too high are faults); `decimals` is the logged resolution.
    """

    name: str
    label: str
    unit: str
    minimum: float
    maximum: float
    nominal: float
    monotone: int
    decimals: int


FLOW_RATE: Final = Sensor("flow_rate", "Débit d'huile", "L/min", 0.0, 1500.0, 500.0, -1, 1)
PRESSURE: Final = Sensor("pressure", "Pression d'huile", "bar", 0.0, 25.0, 5.0, 0, 2)
VIBRATION: Final = Sensor("vibration", "Vibration (RMS)", "mm/s", 0.0, 100.0, 2.0, 1, 2)
TEMPERATURE: Final = Sensor("temperature", "Température d'huile", "°C", -40.0, 200.0, 45.0, 1, 2)

SENSORS: Final = (FLOW_RATE, PRESSURE, VIBRATION, TEMPERATURE)
SENSOR_NAMES: Final = tuple(sensor.name for sensor in SENSORS)
BY_NAME: Final = {sensor.name: sensor for sensor in SENSORS}

VIBRATION_ZONE_LIMITS_MM_S: Final = (2.3, 4.5, 7.1)
"""Borders A/B, B/C and C/D of ISO 20816-3 (formerly 10816-3), group 1, rigid support, RMS velocity.

The standard is written for stationary machines above 15 kW; applying it to the auxiliaries of a
locomotive is our assumption.
"""

LOCO_ID_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def loco_name(index: int) -> str:
    """Identifier of the locomotive of that rank, from `LOCO_001`."""
    return f"LOCO_{index + 1:03d}"
