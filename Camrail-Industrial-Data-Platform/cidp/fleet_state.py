"""What stored events change beside their readings: newest reading, hours, alerts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

from cidp.alert_rules import QUIET, AlertRules, Opening, Step, Watch, advance
from cidp.event_batch import (
    NO_CAUSE,
    Batch,
    Floats,
    Integers,
    Series,
    from_micros,
    series_of,
    to_micros,
)
from cidp.store_session import Session
from cidp.telemetry import READINGS

LETTERS = {name[0]: name for name in READINGS}
"""The letter by which a cause is remembered."""

_MARKS = [*LETTERS, QUIET]  # an index of NO_CAUSE, which is -1, gives the last one
_HOUR_MICROS = 3_600_000_000
_NEVER = -(2**62)


Channel = Literal["email", "webhook"]


@dataclass(frozen=True)
class Alerting:
    """When alerts open and close, and by which channels those of which series are told."""

    rules: AlertRules = field(default_factory=AlertRules)
    channels: Sequence[Channel] = ()
    told: Sequence[Series] = ("real",)


class _Known(NamedTuple):
    """What the fleet's row of one locomotive says."""

    micros: int = _NEVER
    watch: Watch = Watch()


class _Run(NamedTuple):
    """The stored events of one locomotive, in time order, and what was known of it."""

    loco_id: str
    events: Integers
    known: _Known
    open_causes: list[str]


def follow(
    session: Session,
    batch: Batch,
    stored: Integers,
    received_at: datetime,
    alerting: Alerting,
) -> None:
    """Update hours, fleet and alerts with the events `stored`, given by locomotive and time.

    A reading older than the newest one of its locomotive counts in its hour and moves no alert.
    """
    if not len(stored):
        return
    runs = _runs(session, batch, stored)
    _add_to_hours(session, batch, stored)
    watches = [_watch(session, batch, run, alerting, received_at) for run in runs]
    _write_fleet(session, batch, runs, watches, received_at)


def _starts(*columns: Integers) -> Integers:
    """Return where a new group begins in columns that are sorted by group."""
    changes = np.zeros(len(columns[0]), dtype=bool)
    changes[0] = True
    for column in columns:
        changes[1:] |= np.diff(column) != 0
    return np.flatnonzero(changes)


def _runs(session: Session, batch: Batch, stored: Integers) -> list[_Run]:
    series = series_of(batch.door)
    starts = _starts(batch.loco[stored])
    names = [batch.locos[rank] for rank in batch.loco[stored[starts]].tolist()]
    known = {
        loco_id: _Known(to_micros(session.instant(timestamp)), Watch(recent, calm))
        for loco_id, timestamp, recent, calm in session.rows(
            "SELECT loco_id, timestamp, recent, calm FROM fleet"
            " WHERE series = :series AND loco_id IN :names ORDER BY loco_id FOR UPDATE",
            series=series,
            names=names,
        )
    }
    open_causes: dict[str, list[str]] = {}
    for loco_id, cause in session.rows(
        "SELECT loco_id, cause FROM alerts"
        " WHERE series = :series AND loco_id IN :names AND state <> 'closed'",
        series=series,
        names=names,
    ):
        open_causes.setdefault(loco_id, []).append(cause[0])
    bounds = pairwise([*starts.tolist(), len(stored)])
    return [
        _Run(name, stored[first:end], known.get(name, _Known()), open_causes.get(name, []))
        for name, (first, end) in zip(names, bounds, strict=True)
    ]


def _watch(
    session: Session,
    batch: Batch,
    run: _Run,
    alerting: Alerting,
    received_at: datetime,
) -> Watch:
    """Move the alerts of one locomotive; return what to remember of it."""
    rules = alerting.rules
    events = run.events[batch.micros[run.events] > run.known.micros]
    causes = batch.causes[events]
    recent = run.known.watch.recent
    if not run.open_causes and recent.strip(QUIET) == "" and (causes == NO_CAUSE).all():
        return Watch((recent + QUIET * min(len(events), rules.window))[-rules.window :])
    steps = [
        Step(_MARKS[cause], is_calm)
        for cause, is_calm in zip(causes.tolist(), batch.calm[events].tolist(), strict=True)
    ]
    watch, changes = advance(run.known.watch, steps, run.open_causes, rules)
    if run.open_causes:
        _raise_peaks(session, batch, run, events)
    for change in changes:
        if isinstance(change, Opening):
            index = int(events[change.at])
            alert_id = _open(session, batch, index, LETTERS[change.cause])
            if series_of(batch.door) in alerting.told:
                _announce(session, alert_id, alerting.channels, received_at)
        else:
            _close(session, batch, int(events[change.at]))
    return watch


def _raise_peaks(session: Session, batch: Batch, run: _Run, events: Integers) -> None:
    if len(events):
        session.run(
            "UPDATE alerts SET peak_probability = greatest(peak_probability, :peak)"
            " WHERE series = :series AND loco_id = :loco_id AND state <> 'closed'",
            peak=float(batch.risks[events].max()),
            series=series_of(batch.door),
            loco_id=run.loco_id,
        )


def _open(session: Session, batch: Batch, index: int, cause: str) -> int:
    """Open an alert with one reading; return its number."""
    loco_id, opened_at = batch.key(index)
    risk = float(batch.risks[index])
    row: dict[str, Any] = {
        "series": series_of(batch.door),
        "loco_id": loco_id,
        "cause": cause,
        "state": "new",
        "opened_at": opened_at,
        "source": batch.door,
        **dict(zip(READINGS, batch.values[index].tolist(), strict=True)),
        "probability": risk,
        "peak_probability": risk,
        "model_version": batch.model_version,
    }
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    ((alert_id,),) = session.rows(
        f"INSERT INTO alerts ({names}) VALUES ({values}) RETURNING id",  # noqa: S608 (our names)
        **row,
    )
    return int(alert_id)


def _announce(session: Session, alert_id: int, channels: Sequence[Channel], now: datetime) -> None:
    """Let the alert wait for being told."""
    if channels:
        columns: dict[str, Sequence[Any]] = {
            "alert_id": [alert_id] * len(channels),
            "channel": list(channels),
            "state": ["waiting"] * len(channels),
            "attempts": [0] * len(channels),
            "next_at": [now] * len(channels),
        }
        session.insert("notifications", columns)


def _close(session: Session, batch: Batch, index: int) -> None:
    loco_id, closed_at = batch.key(index)
    session.run(
        "UPDATE alerts SET state = 'closed', closed_at = :closed_at"
        " WHERE series = :series AND loco_id = :loco_id AND state <> 'closed'",
        closed_at=closed_at,
        series=series_of(batch.door),
        loco_id=loco_id,
    )


def _write_fleet(
    session: Session,
    batch: Batch,
    runs: Sequence[_Run],
    watches: Sequence[Watch],
    received_at: datetime,
) -> None:
    series = series_of(batch.door)
    lasts = [int(run.events[-1]) for run in runs]
    newer = [
        place for place, run in enumerate(runs) if batch.micros[lasts[place]] > run.known.micros
    ]
    late = sorted({run.loco_id for run in runs} - {runs[place].loco_id for place in newer})
    if late:
        session.run(
            "UPDATE fleet SET received_at = :received_at"
            " WHERE series = :series AND loco_id IN :names",
            received_at=received_at,
            series=series,
            names=late,
        )
    if not newer:
        return
    chosen = [lasts[place] for place in newer]
    columns: dict[str, Sequence[Any]] = {
        "series": [series] * len(newer),
        "loco_id": [runs[place].loco_id for place in newer],
        "source": [batch.door] * len(newer),
        "timestamp": [from_micros(micros) for micros in batch.micros[chosen].tolist()],
        **dict(zip(READINGS, batch.values[chosen].T.tolist(), strict=True)),
        "probability": batch.risks[chosen].tolist(),
        "critical": batch.critical[chosen].tolist(),
        "model_version": [batch.model_version] * len(newer),
        "received_at": [received_at] * len(newer),
        "recent": [watches[place].recent for place in newer],
        "calm": [watches[place].calm for place in newer],
    }
    changed = ", ".join(f"{name} = excluded.{name}" for name in list(columns)[2:])
    session.insert("fleet", columns, f"ON CONFLICT (series, loco_id) DO UPDATE SET {changed}")


def _add_to_hours(session: Session, batch: Batch, stored: Integers) -> None:
    hours = batch.micros[stored] // _HOUR_MICROS
    starts = _starts(batch.loco[stored], hours)
    risks, values = batch.risks[stored], batch.values[stored]
    counts = np.diff([*starts.tolist(), len(stored)])
    columns: dict[str, Sequence[Any]] = {
        "source": [batch.door] * len(starts),
        "loco_id": [batch.locos[rank] for rank in batch.loco[stored[starts]].tolist()],
        "hour": [from_micros(hour * _HOUR_MICROS) for hour in hours[starts].tolist()],
        "readings": counts.tolist(),
        "critical": np.add.reduceat(batch.critical[stored].astype(np.int64), starts).tolist(),
        "probability_sum": np.add.reduceat(risks, starts).tolist(),
        "probability_max": np.maximum.reduceat(risks, starts).tolist(),
    }
    for place, name in enumerate(READINGS):
        columns |= _extremes(name, values[:, place], starts)
    session.insert("hourly", columns, _MERGE_HOURS)


def _extremes(name: str, values: Floats, starts: Integers) -> dict[str, list[float]]:
    return {
        f"{name}_sum": np.add.reduceat(values, starts).tolist(),
        f"{name}_min": np.minimum.reduceat(values, starts).tolist(),
        f"{name}_max": np.maximum.reduceat(values, starts).tolist(),
    }


def _merged(name: str) -> str:
    if name.endswith("_min"):
        return f"{name} = least(hourly.{name}, excluded.{name})"
    if name.endswith("_max"):
        return f"{name} = greatest(hourly.{name}, excluded.{name})"
    return f"{name} = hourly.{name} + excluded.{name}"


_SUMMED = ["readings", "critical", "probability_sum", "probability_max"]
_SUMMED += [f"{name}_{part}" for name in READINGS for part in ("sum", "min", "max")]
_MERGE_HOURS = "ON CONFLICT (source, loco_id, hour) DO UPDATE SET " + ", ".join(
    map(_merged, _SUMMED)
)
