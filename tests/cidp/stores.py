"""Event stores of either kind, empty, and small batches to put into them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postgres import own_schema

from cidp.alert_rules import AlertRules
from cidp.event_batch import NO_CAUSE, Batch, Door, Message, to_micros
from cidp.event_store import EventStore
from cidp.fleet_state import Alerting, Channel
from cidp.postgres_store import PostgresStore
from cidp.sqlite_store import SqliteStore
from cidp.store_session import Row
from cidp.store_url import StoreUrl

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOMINAL = (500.0, 5.0, 2.0, 45.0)
PAYLOAD = b'{"some":"payload"}'
ALERTING = Alerting(AlertRules(opening=2, window=3, closing=2, calm_share=0.5))


def new_url(request: pytest.FixtureRequest, kind: str, folder: Path) -> StoreUrl:
    """Give the address of a store of `kind` that does not exist yet."""
    if kind == "sqlite":
        return StoreUrl.parse("deep/events.sqlite", folder)
    server = request.getfixturevalue("postgres_server")
    return StoreUrl.parse(own_schema(server, f"events_{folder.name}"), folder)


def store_at(
    url: StoreUrl,
    timeout_s: float = 120,
    channels: Sequence[Channel] = (),
) -> EventStore:
    """Open nothing yet; return the store at `url`."""
    alerting = replace(ALERTING, channels=channels)
    if url.kind == "sqlite":
        return SqliteStore(url.path, timeout_s, alerting)
    return PostgresStore(url, timeout_s, alerting)


def event(
    second: float = 0, vibration: float = 2, risk: float = 0.25, loco_id: str = "L1", at: int = 0
) -> dict[str, Any]:
    """One event for `batch`: critical above a risk of 0.5, then because of its vibration."""
    instant = NOON + timedelta(seconds=second)
    values = (*NOMINAL[:2], vibration, NOMINAL[3])
    return {"loco_id": loco_id, "instant": instant, "values": values, "risk": risk, "at": at}


def batch(*events: dict[str, Any], door: Door = "http", topic: str | None = None) -> Batch:
    """Make columns of `events`; a risk below 0.25 is calm."""
    risks = np.array([item["risk"] for item in events], np.float64)
    return Batch(
        door,
        [
            Message(item["at"], b'{"some":"payload"}', topic, 0 if topic else None)
            for item in events
        ],
        [item["loco_id"] for item in events],
        np.array([to_micros(item["instant"]) for item in events], np.int64),
        np.array([item["values"] for item in events], np.float64).reshape(len(events), 4),
        risks,
        risks > 0.5,
        risks < 0.25,
        np.where(risks > 0.5, 2, NO_CAUSE).astype(np.int8),
        "v1",
    )


def rows(store: EventStore, sql: str, **parameters: Any) -> list[Row]:
    """Read the store by a query of its own SQL."""
    with store.session(writes=False) as session:
        return session.rows(sql, **parameters)
