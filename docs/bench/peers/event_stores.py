"""Batches of telemetry into the event store by our code, and the bare statements beside it."""

import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psycopg
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from cidp.alert_desk import list_alerts
from cidp.event_batch import NO_CAUSE, Batch, Message, StreamPosition, from_micros, to_micros
from cidp.event_store import EventStore
from cidp.fleet_queries import Period, fleet, past_hours, past_readings
from cidp.fleet_state import Alerting
from cidp.ingest import IngestHandler
from cidp.metrics import Metrics
from cidp.model_bundle import load_bundle
from cidp.postgres_store import _MAKE_ARRIVING, PostgresStore, _arriving
from cidp.sqlite_store import _INSERT_READING, SqliteStore, _reading_rows
from cidp.store_session import Session
from cidp.store_url import StoreUrl

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOCOS = 200
THRESHOLD = 0.05
SEED = 7
READINGS = ("flow_rate", "pressure", "vibration", "temperature")
_BARE_UPSERT = b"""
INSERT INTO readings
SELECT 'kafka', (%s::text[])[loco + 1], timestamp, flow_rate, pressure, vibration, temperature,
       probability, critical, 'v1', now()
FROM arriving
ON CONFLICT DO NOTHING
"""


def batches(events: int, size: int) -> list[Batch]:
    """Make readings of `LOCOS` locomotives, one each second; one in 200 is critical."""
    rng = np.random.default_rng(SEED)
    names = [f"LOCO_{number:03}" for number in range(LOCOS)]
    start = to_micros(NOW - timedelta(hours=6))
    made = []
    for first in range(0, events, size):
        numbers = np.arange(first, min(first + size, events))
        values = np.round(rng.normal((500, 5, 2, 45), (40, 0.5, 0.4, 4), (len(numbers), 4)), 3)
        risks = np.where(rng.random(len(numbers)) < 1 / 200, 0.9, rng.random(len(numbers)) / 50)
        critical = risks > THRESHOLD
        made.append(
            Batch(
                "kafka",
                [Message(number, b"", "train_telemetry", 0) for number in numbers.tolist()],
                [names[number % LOCOS] for number in numbers.tolist()],
                start + numbers // LOCOS * 1_000_000,
                np.clip(values, 0, None),
                risks,
                critical,
                risks < THRESHOLD / 2,
                np.where(critical, 2, NO_CAUSE).astype(np.int8),
                "v1",
            )
        )
    return made


def messages(batch: Batch) -> list[Message]:
    """Write the events of a batch as a producer would."""
    return [
        replace(
            place,
            payload=json.dumps(
                {"timestamp": from_micros(micros).isoformat(), "loco_id": loco_id}
                | dict(zip(READINGS, values, strict=True))
            ).encode(),
        )
        for place, loco_id, micros, values in zip(
            batch.messages,
            batch.loco_ids,
            batch.micros.tolist(),
            batch.values.tolist(),
            strict=True,
        )
    ]


def store_of(store: str) -> EventStore:
    """Open the store at an address."""
    url = StoreUrl.parse(store, Path())
    if url.kind == "sqlite":
        return SqliteStore(url.path, 30, Alerting())
    return PostgresStore(url, 30, Alerting())


def timed(items: list[Any], work: Callable[[Any], object]) -> float:
    """Give the seconds that `work` takes over all items."""
    began_s = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - began_s


def positions(batch: Batch) -> list[StreamPosition]:
    """Give the position after a batch."""
    return [StreamPosition("train_telemetry", 0, batch.messages[-1].position + 1)]


def save(store: str, events: int, size: int, again: bool = False) -> float:
    """Store ready columns: readings, hours, fleet, alerts, positions; maybe all known already."""
    opened = store_of(store)
    opened.last_event()
    made = batches(events, size)
    if again:
        timed(made, lambda batch: opened.save(batch, [], NOW, positions(batch)))
    return timed(made, lambda batch: opened.save(batch, [], NOW, positions(batch)))


def handler_of(store: EventStore, bundle: str) -> IngestHandler:
    """Make the handler that every door uses, with the model in `bundle`."""
    scorer = load_bundle(Path(bundle)).scorer
    return IngestHandler(
        store,
        lambda: scorer,
        Metrics(CollectorRegistry()),
        lambda: NOW,
        timedelta(days=30),
        timedelta(minutes=5),
        0.5,
    )


def ingest(store: str, events: int, size: int, bundle: str) -> float:
    """Decode, check, score and store, one batch after the other."""
    opened = store_of(store)
    opened.last_event()
    handler = handler_of(opened, bundle)
    made = [(messages(batch), positions(batch)) for batch in batches(events, size)]
    return timed(made, lambda item: handler.ingest_messages(item[0], "kafka", item[1]))


def ingest_overlapped(store: str, events: int, size: int, bundle: str) -> float:
    """The same, one batch being stored while the next one is prepared."""
    opened = store_of(store)
    opened.last_event()
    handler = handler_of(opened, bundle)
    made = [(messages(batch), positions(batch)) for batch in batches(events, size)]
    under_way: Future[Any] | None = None
    with ThreadPoolExecutor(1) as storing:
        began_s = time.perf_counter()
        for raw, after in made:
            prepared = handler.prepare(raw, "kafka")
            if under_way:
                under_way.result()
            under_way = storing.submit(handler.store, prepared, after)
    if under_way:
        under_way.result()
    return time.perf_counter() - began_s


def prepare(store: str, events: int, size: int, bundle: str) -> float:
    """Decode, check and score alone."""
    handler = handler_of(store_of(store), bundle)
    made = [messages(batch) for batch in batches(events, size)]
    return timed(made, lambda item: handler.prepare(item, "kafka"))


def fill(store: str, days: int, every_s: int) -> int:
    """Put so many days of `LOCOS` locomotives into the store, by its own statements."""
    opened = store_of(store)
    per_loco = days * 86_400 // every_s
    rng = np.random.default_rng(SEED)
    names = [f"LOCO_{number:03}" for number in range(LOCOS)]
    values = np.tile(np.array([500.0, 5.0, 2.0, 45.0]), (per_loco, 1))
    micros = to_micros(NOW) - np.arange(per_loco)[::-1] * every_s * 1_000_000
    for name in names:
        risks = rng.random(per_loco) / 50
        batch = Batch(
            "kafka",
            [Message(0, b"")] * per_loco,
            [name] * per_loco,
            micros,
            values,
            risks,
            np.zeros(per_loco, bool),
            np.ones(per_loco, bool),
            np.full(per_loco, NO_CAUSE, np.int8),
            "v1",
        )
        opened.save(batch, [], NOW)
    opened.close()
    return per_loco * LOCOS


def read_fleet(store: str, times: int) -> dict[str, float]:
    """Give the median milliseconds of what a screen asks for."""
    opened = store_of(store)
    day = Period(NOW - timedelta(days=1), NOW + timedelta(seconds=1), 1000)
    month = Period(NOW - timedelta(days=30), NOW + timedelta(seconds=1), 1000)
    asked: dict[str, Callable[[Session], list[Any]]] = {
        "the fleet, with 30 risks each": lambda session: fleet(session, ["real", "simulated"]),
        "a day of one locomotive": lambda session: past_readings(session, "real", "LOCO_100", day),
        "its month, hour by hour": lambda session: past_hours(session, "real", "LOCO_100", month),
        "open alerts": lambda session: list_alerts(session, {"states": ["new"]}, 100),
    }
    found = {}
    for name, ask in asked.items():
        laps = []
        for _ in range(times):
            began_s = time.perf_counter()
            with opened.session(writes=False) as session:
                ask(session)
            laps.append(time.perf_counter() - began_s)
        found[name] = 1000 * median(laps)
    return found


def bare_postgres(store: str, events: int, size: int) -> float:
    """COPY ready bytes and insert them with their key, into the same partitioned table."""
    opened = store_of(store)
    opened.last_event()
    made = batches(events, size)
    opened.prepare_for(from_micros(made[0].micros.min()), from_micros(made[-1].micros.max()))
    ready = [(_arriving(batch, batch.order), batch.locos) for batch in made]
    with psycopg.connect(store) as connection, connection.cursor() as cursor:
        cursor.execute(_MAKE_ARRIVING.encode())
        connection.commit()

        def work(item: tuple[bytes, list[str]]) -> None:
            with cursor.copy(b"COPY arriving FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(item[0])
            cursor.execute(_BARE_UPSERT, [item[1]])
            connection.commit()

        return timed(ready, work)


def bare_sqlite(store: str, events: int, size: int) -> float:
    """Insert ready rows with `executemany`, into the same table, one transaction per batch."""
    store_of(store).last_event()
    ready = [_reading_rows(batch, batch.order, NOW) for batch in batches(events, size)]
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")

    def work(rows: list[Any]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT_READING, rows)
        connection.execute("COMMIT")

    return timed(ready, work)


def contents(store: str, **_: object) -> list[object]:
    """Count what the store holds."""
    opened = store_of(store)
    with opened.session(writes=False) as session:
        rows = session.rows("SELECT count(*), sum(vibration) FROM readings")
    opened.close()
    return list(rows[0])
