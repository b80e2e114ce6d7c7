"""The recorded readings of a series, written as the trainer reads raw telemetry."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cidp.errors import NothingToLearn
from cidp.event_batch import SERIES_DOORS, Series
from cidp.event_store import EventStore, utc_text
from cidp.telemetry import READINGS

PAGE_ROWS = 20_000
COLUMNS = ("timestamp", "loco_id", *READINGS)

Reading = tuple[datetime, float, float, float, float]


class Exported(NamedTuple):
    """How many readings of how many locomotives were written, and the first and last instant."""

    readings: int
    locos: int
    first: datetime
    last: datetime


def export_readings(
    store: EventStore, path: Path, series: Series, since: datetime, until: datetime, step: timedelta
) -> Exported:
    """Write to `path` the readings of `series` from `since` to `until`, that one excluded.

    Of each locomotive the first reading of each `step` is taken; all of them for a step of zero.
    Raises `NothingToLearn` when there is none, `StoreError`.
    """
    readings = locos = 0
    first, last = until, since
    with path.open("x", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for loco_id in _locos(store, series):
            before = readings
            for instant, *values in thinned(
                _readings(store, series, loco_id, since, until), since, step
            ):
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


def _readings(
    store: EventStore, series: Series, loco_id: str, since: datetime, until: datetime
) -> Iterator[Reading]:
    """Read page by page, so that no transaction and no list of rows grows with the window.

    Where two doors brought one instant, a page may end between them: the next begins after it.
    """
    last: datetime | None = None
    while True:
        with store.session(writes=False) as session:
            page = session.rows(
                f"SELECT timestamp, {', '.join(READINGS)} FROM readings"  # noqa: S608 (our names)
                " WHERE source IN :doors AND loco_id = :loco_id"
                f" AND timestamp {'>' if last else '>='} :since AND timestamp < :until"
                " ORDER BY timestamp LIMIT :count",
                doors=SERIES_DOORS[series],
                loco_id=loco_id,
                since=last or since,
                until=until,
                count=PAGE_ROWS,
            )
            found: list[Reading] = [
                (session.instant(at), flow_rate, pressure, vibration, temperature)
                for at, flow_rate, pressure, vibration, temperature in page
            ]
        yield from found
        if len(found) < PAGE_ROWS:
            return
        last = found[-1][0]


def _none(store: EventStore, series: Series, since: datetime, until: datetime) -> str:
    kind, other = ("réelle", "simulated") if series == "real" else ("simulée", "real")
    message = (
        f"Aucune lecture {kind} dans la base d'événements du {since:%d/%m/%Y} au"
        f" {until:%d/%m/%Y %H:%M} UTC : rien à apprendre."
    )
    if _locos(store, "simulated" if series == "real" else "real"):
        return f"{message} L'autre série en a : --series {other}."
    return f"{message} Laissez la plateforme en recevoir d'abord (Kafka, MQTT ou POST /telemetry)."
