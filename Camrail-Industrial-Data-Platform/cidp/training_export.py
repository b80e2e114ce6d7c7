"""The recorded readings of a series, written as the trainer reads raw telemetry."""

import csv
import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from cidp.errors import NothingToLearn
from cidp.event_batch import SERIES_DOORS, Door, Series
from cidp.event_store import EventStore, utc_text
from cidp.store_session import Row, Session
from cidp.telemetry import READINGS

PAGE_ROWS = 20_000
PAGE_STEPS = 500
SHORTEST_SOUGHT = timedelta(minutes=5)
"""Below it, looking up the first reading of each step is no faster than reading all of them."""

COLUMNS = ("timestamp", "loco_id", *READINGS)

Reading = tuple[datetime, float, float, float, float]


class Exported(NamedTuple):
    """How many readings of how many locomotives were written, and the first and last instant."""

    readings: int
    locos: int
    first: datetime
    last: datetime


class Track(NamedTuple):
    """The readings of one locomotive that came by one door, in the order of their instants."""

    store: EventStore
    door: Door
    loco_id: str

    def rows(self, session: Session, which: str, **parameters: Any) -> list[Reading]:
        """Read those that the condition `which` tells."""
        found: list[Row] = session.rows(
            f"SELECT timestamp, {', '.join(READINGS)} FROM readings"  # noqa: S608 (our names)
            f" WHERE source = :door AND loco_id = :loco_id AND {which}",
            door=self.door,
            loco_id=self.loco_id,
            **parameters,
        )
        return [
            (session.instant(at), flow_rate, pressure, vibration, temperature)
            for at, flow_rate, pressure, vibration, temperature in found
        ]


def export_readings(
    store: EventStore, path: Path, series: Series, since: datetime, until: datetime, step: timedelta
) -> Exported:
    """Write to `path` the readings of `series` from `since` to `until`, that one excluded.

    Of each locomotive the first reading of each `step` is taken, and of two doors that brought one
    at that instant, the first by name; all of them for a step of zero.
    Raises `NothingToLearn` when there is none, `StoreError`.
    """
    readings = locos = 0
    first, last = until, since
    read = partial(_firsts, step=step) if step >= SHORTEST_SOUGHT else _all
    with path.open("x", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for loco_id in _locos(store, series):
            before = readings
            tracks = [Track(store, door, loco_id) for door in SERIES_DOORS[series]]
            merged = heapq.merge(
                *(read(track, since=since, until=until) for track in tracks), key=itemgetter(0)
            )
            for instant, *values in thinned(merged, since, step):
                rows.writerow((utc_text(instant), loco_id, *values))
                first, last = min(first, instant), max(last, instant)
                readings += 1
            locos += readings > before
    if not readings:
        raise NothingToLearn(_none(store, series, since, until))
    return Exported(readings, locos, first, last)


def thinned(readings: Iterable[Reading], since: datetime, step: timedelta) -> Iterator[Reading]:
    """Take the first of each `step` counted from `since`, of readings in order of time."""
    taken = -1
    for reading in readings:
        place = (reading[0] - since) // step if step else taken + 1
        if place > taken:
            taken = place
            yield reading


def _locos(store: EventStore, series: Series) -> list[str]:
    with store.session(writes=False) as session:
        found = session.rows("SELECT loco_id FROM fleet WHERE series = :series", series=series)
    return sorted(loco_id for (loco_id,) in found)


def _all(track: Track, since: datetime, until: datetime) -> Iterator[Reading]:
    """Read page by page, so that no transaction and no list of rows grows with the window."""
    last: datetime | None = None
    while True:
        with track.store.session(writes=False) as session:
            page = track.rows(
                session,
                f"timestamp {'>' if last else '>='} :since AND timestamp < :until"
                " ORDER BY timestamp LIMIT :count",
                since=last or since,
                until=until,
                count=PAGE_ROWS,
            )
        yield from page
        if len(page) < PAGE_ROWS:
            return
        last = page[-1][0]


def _firsts(track: Track, since: datetime, until: datetime, step: timedelta) -> Iterator[Reading]:
    """Look up the first reading of each step by the key, some steps at a time, and no other row."""
    start = since
    while start < until:
        bounds = [start]
        while len(bounds) <= PAGE_STEPS and bounds[-1] < until:
            bounds.append(min(bounds[-1] + step, until))
        with track.store.session(writes=False) as session:
            found = session.rows(
                _FIRSTS.format(values=_bounds(len(bounds) - 1)),
                door=track.door,
                loco_id=track.loco_id,
                **{f"bound_{place}": bound for place, bound in enumerate(bounds)},
            )
            page = track.rows(
                session,
                "timestamp IN :firsts ORDER BY timestamp",
                firsts=[at for (at,) in found if at is not None],
            )
        yield from page
        start = bounds[-1]


_FIRSTS = """
WITH steps (start, stop) AS (VALUES {values})
SELECT (
    SELECT min(timestamp) FROM readings
    WHERE source = :door AND loco_id = :loco_id
        AND timestamp >= steps.start AND timestamp < steps.stop
) FROM steps
"""


def _bounds(steps: int) -> str:
    return ", ".join(f"(:bound_{place}, :bound_{place + 1})" for place in range(steps))


def _none(store: EventStore, series: Series, since: datetime, until: datetime) -> str:
    kind, other = ("réelle", "simulated") if series == "real" else ("simulée", "real")
    message = (
        f"Aucune lecture {kind} dans la base d'événements du {since:%d/%m/%Y} au"
        f" {until:%d/%m/%Y %H:%M} UTC : rien à apprendre."
    )
    if _locos(store, "simulated" if series == "real" else "real"):
        return f"{message} L'autre série en a : --series {other}."
    return f"{message} Laissez la plateforme en recevoir d'abord (Kafka, MQTT ou POST /telemetry)."
