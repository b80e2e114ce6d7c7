"""Every door goes through one handler: check, score, store, count."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cidp.assembly import Parts
from cidp.errors import NoModel, StoreError, TelemetryRefused
from cidp.event_store import Outcome
from cidp.ingest import Message

EVENT: dict[str, Any] = {
    "loco_id": "LOCO_001",
    "timestamp": "2026-03-01T11:59:00Z",
    "flow_rate": 500,
    "pressure": 5,
    "vibration": 15,
    "temperature": 120,
}


def line(**change: Any) -> bytes:
    return json.dumps(EVENT | change).encode()


def count(parts: Parts, source: str, outcome: str) -> float:
    labels = {"source": source, "outcome": outcome}
    return parts.metrics.registry.get_sample_value("ingest_events_total", labels) or 0


def table(parts: Parts, query: str) -> list[Any]:
    connection = sqlite3.connect(parts.settings.store.path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


@pytest.fixture
def serving(parts: Parts) -> Parts:
    parts.model.refresh()
    return parts


def test_a_body_is_scored_stored_and_counted(serving: Parts, bundles: list[Path]) -> None:
    ((event, receipt),) = serving.ingest.ingest_body(line(), "http")
    assert (event.loco_id, receipt.outcome, receipt.critical) == ("LOCO_001", Outcome.STORED, True)
    assert count(serving, "http", "stored") == 1
    assert table(serving, "SELECT model_version FROM scores") == [(bundles[0].name,)]


def test_one_bad_event_refuses_the_whole_body(serving: Parts) -> None:
    raw = b"[" + line() + b"," + line(vibration="x") + b"]"
    with pytest.raises(TelemetryRefused):
        serving.ingest.ingest_body(raw, "http")
    assert serving.store.last_event() is None
    assert table(serving, "SELECT * FROM dead_letters") == []


def test_bad_messages_of_a_stream_are_kept_with_position_and_reason(serving: Parts) -> None:
    messages = [
        Message(10, line()),
        Message(11, b"\xff"),
        Message(12, line(vibration=-1)),
        Message(13, b"[" + line() + b"]"),
        Message(14, line(timestamp="2025-01-01T00:00:00Z")),
        Message(15, line(timestamp="2026-03-01T11:59:01Z")),
    ]
    receipts = serving.ingest.ingest_messages(messages, "simulator")
    assert [receipt.outcome for _, receipt in receipts] == [Outcome.STORED, Outcome.STORED]
    letters = table(serving, "SELECT position, reason FROM dead_letters ORDER BY position")
    assert letters == [
        (11, "body : JSON invalide"),
        (12, "vibration : doit être au moins 0 mm/s"),
        (13, "body : un objet JSON est attendu"),
        (14, "timestamp : trop ancien ; au plus tôt 2026-01-30T12:00:00Z"),
    ]
    assert count(serving, "simulator", "stored") == 2
    assert count(serving, "simulator", "rejected") == 4


def test_a_batch_of_bad_messages_only_is_kept(serving: Parts) -> None:
    assert serving.ingest.ingest_messages([Message(0, b"")], "simulator") == []
    assert table(serving, "SELECT count(*) FROM dead_letters") == [(1,)]


def test_the_same_batch_again_adds_no_reading(serving: Parts) -> None:
    batch = [Message(n, line(timestamp=f"2026-03-01T11:00:{n:02}Z")) for n in range(20)]
    serving.ingest.ingest_messages(batch, "simulator")
    again = serving.ingest.ingest_messages(batch, "simulator")
    assert {receipt.outcome for _, receipt in again} == {Outcome.DUPLICATE}
    assert table(serving, "SELECT count(*) FROM readings") == [(20,)]


def test_without_a_model_nothing_is_stored(tmp_path: Path, parts: Parts, models: Path) -> None:
    (models / "promoted.json").unlink()
    parts.model.start()
    with pytest.raises(NoModel):
        parts.ingest.ingest_body(line(), "http")
    assert not parts.settings.store.path.exists()


def test_a_store_that_refuses_is_counted(serving: Parts) -> None:
    serving.settings.store.path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError):
        serving.ingest.ingest_body(line(), "http")
    assert serving.metrics.registry.get_sample_value("event_store_errors_total") == 1
