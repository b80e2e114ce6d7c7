"""What the store knows of the fleet: newest reading per locomotive, and its history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cidp.event_batch import SERIES_DOORS, Series
from cidp.store_session import Session
from cidp.telemetry import READINGS

SPARKLINE = 30
"""Risks that a line of the fleet shows."""

_COLUMNS = ", ".join(READINGS)
_FLEET = f"""
SELECT series, loco_id, source, timestamp, {_COLUMNS}, probability, critical, model_version,
    (SELECT json_group_array(probability) FROM (
        SELECT probability FROM readings
        WHERE readings.source = fleet.source AND readings.loco_id = fleet.loco_id
        ORDER BY readings.timestamp DESC LIMIT {SPARKLINE}
    ) AS newest)
FROM fleet WHERE series IN :series ORDER BY loco_id, series
"""  # noqa: S608 (our names)
_OPEN = """
SELECT series, loco_id, id, cause, state FROM alerts
WHERE state <> 'closed' AND series IN :series ORDER BY id
"""
_OF_ONE_DOOR = f"""
SELECT * FROM (
    SELECT source, timestamp, {_COLUMNS}, probability, critical, model_version FROM readings
    WHERE source = '%s' AND loco_id = :loco_id AND timestamp >= :first AND timestamp < :last
    ORDER BY timestamp DESC LIMIT :rows
) AS %s
"""  # noqa: S608 (our names)
_SUMS = ", ".join(
    f"sum({name}_sum) / sum(readings), min({name}_min), max({name}_max)" for name in READINGS
)
_HOURS = f"""
SELECT hour, sum(readings), sum(critical), sum(probability_sum) / sum(readings),
    max(probability_max), {_SUMS}
FROM hourly
WHERE source IN :doors AND loco_id = :loco_id AND hour >= :first AND hour < :last
GROUP BY hour ORDER BY hour DESC LIMIT :rows
"""  # noqa: S608 (our names)


class OpenAlert(NamedTuple):
    """An alert that is not closed."""

    id: int
    cause: str
    state: str


class Locomotive(NamedTuple):
    """The newest reading of one locomotive in one series; `recent_risks` end with it."""

    series: Series
    loco_id: str
    source: str
    timestamp: datetime
    readings: dict[str, float]
    probability: float
    critical: bool
    model_version: str
    recent_risks: list[float]
    alerts: list[OpenAlert]


class PastReading(NamedTuple):
    """One stored reading with its risk."""

    source: str
    timestamp: datetime
    readings: dict[str, float]
    probability: float
    critical: bool
    model_version: str


class Extent(NamedTuple):
    """Mean, smallest and largest value of one reading in one hour."""

    mean: float
    minimum: float
    maximum: float


class PastHour(NamedTuple):
    """The readings of one hour, whatever their doors."""

    hour: datetime
    readings_count: int
    critical: int
    risk_mean: float
    risk_maximum: float
    readings: dict[str, Extent]


class Period(NamedTuple):
    """Instants from `first` on and before `last`, and how many rows may be read."""

    first: datetime
    last: datetime
    rows: int


def fleet(session: Session, series: Sequence[Series]) -> list[Locomotive]:
    """Return one entry per locomotive and series, sorted by locomotive."""
    alerts: dict[tuple[str, str], list[OpenAlert]] = {}
    for name, loco_id, *alert in session.rows(_OPEN, series=series):
        alerts.setdefault((name, loco_id), []).append(OpenAlert(*alert))
    return [
        Locomotive(
            name,
            loco_id,
            source,
            session.instant(timestamp),
            dict(zip(READINGS, values, strict=True)),
            probability,
            bool(critical),
            version,
            session.items(risks)[::-1],
            alerts.get((name, loco_id), []),
        )
        for name, loco_id, source, timestamp, *values, probability, critical, version, risks
        in session.rows(_FLEET, series=series)
    ]  # fmt: skip


def is_known(session: Session, series: Series, loco_id: str) -> bool:
    """Tell whether a reading of this locomotive was ever stored in `series`."""
    query = "SELECT 1 FROM fleet WHERE series = :series AND loco_id = :loco_id"
    return bool(session.rows(query, series=series, loco_id=loco_id))


def past_readings(
    session: Session, series: Series, loco_id: str, period: Period
) -> list[PastReading]:
    """Return the newest readings of the period, oldest first."""
    # Door by door, so that each part walks down the key and stops.
    parts = " UNION ALL ".join(_OF_ONE_DOOR % (door, door) for door in SERIES_DOORS[series])
    rows = session.rows(
        f"{parts} ORDER BY timestamp DESC LIMIT :rows", loco_id=loco_id, **period._asdict()
    )
    return [
        PastReading(
            source,
            session.instant(timestamp),
            dict(zip(READINGS, values, strict=True)),
            probability,
            bool(critical),
            version,
        )
        for source, timestamp, *values, probability, critical, version in reversed(rows)
    ]


def past_hours(session: Session, series: Series, loco_id: str, period: Period) -> list[PastHour]:
    """Return the newest hours of the period, oldest first."""
    rows = session.rows(_HOURS, doors=SERIES_DOORS[series], loco_id=loco_id, **period._asdict())
    return [
        PastHour(session.instant(hour), int(count), int(critical), mean, most, _extents(values))
        for hour, count, critical, mean, most, *values in reversed(rows)
    ]


def _extents(values: Sequence[Any]) -> dict[str, Extent]:
    return {name: Extent(*values[3 * n : 3 * n + 3]) for n, name in enumerate(READINGS)}
