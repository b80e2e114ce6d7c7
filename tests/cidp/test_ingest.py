"""Every door goes through one handler: check, score, store, count."""

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from stores import NOON as NOW

from cidp.assembly import Parts, assemble
from cidp.errors import NoModel, StoreError, TelemetryRefused
from cidp.event_batch import Message, Outcome, StreamPosition, to_micros
from cidp.settings import Settings

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
    connection = sqlite3.connect(parts.settings.store.address.path)
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
    assert table(serving, "SELECT model_version FROM readings") == [(bundles[0].name,)]


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
        Message(16, None),
        Message(17, line(timestamp="2026-03-01T12:06:00Z")),
        Message(18, line(loco_id=7)),
    ]
    assert serving.ingest.ingest_messages(messages, "kafka") == (2, 0, 0, 7)
    letters = table(serving, "SELECT position, reason FROM dead_letters ORDER BY position")
    assert letters == [
        (11, "body : JSON invalide"),
        (12, "vibration : doit être au moins 0 mm/s"),
        (13, "body : un objet JSON est attendu"),
        (14, "timestamp : trop ancien ; au plus tôt 2026-01-30T12:00:00Z"),
        (16, "body : message vide (tombstone) : un événement est attendu"),
        (17, "timestamp : dans le futur ; au plus tard 2026-03-01T12:05:00Z"),
        (18, "loco_id : un texte est attendu"),
    ]
    assert count(serving, "kafka", "stored") == 2
    assert count(serving, "kafka", "rejected") == 7


def test_an_event_without_a_timestamp_takes_that_of_its_message(serving: Parts) -> None:
    bare = {name: value for name, value in EVENT.items() if name != "timestamp"}
    raw = json.dumps(bare).encode()
    dated = Message(0, raw, "t", 0, to_micros(NOW))
    assert serving.ingest.ingest_messages([dated], "kafka").stored == 1
    assert serving.ingest.ingest_messages([dated], "kafka").duplicates == 1
    assert serving.ingest.ingest_messages([Message(0, raw)], "mqtt").rejected == 1
    assert table(serving, "SELECT timestamp FROM readings") == [("2026-03-01T12:00:00.000000Z",)]
    assert table(serving, "SELECT door, reason FROM dead_letters") == [
        ("mqtt", "timestamp : champ obligatoire absent")
    ]


def test_a_batch_of_bad_messages_only_is_kept(serving: Parts) -> None:
    assert serving.ingest.ingest_messages([Message(0, b"")], "simulator") == (0, 0, 0, 1)
    assert table(serving, "SELECT count(*) FROM dead_letters") == [(1,)]


def test_the_same_batch_again_adds_no_reading(serving: Parts) -> None:
    batch = [Message(n, line(timestamp=f"2026-03-01T11:00:{n:02}Z")) for n in range(20)]
    assert serving.ingest.ingest_messages(batch, "simulator") == (20, 0, 0, 0)
    assert serving.ingest.ingest_messages(batch, "simulator") == (0, 20, 0, 0)
    assert table(serving, "SELECT count(*) FROM readings") == [(20,)]


def test_a_conflict_is_counted_and_its_own_bytes_are_kept(serving: Parts) -> None:
    serving.ingest.ingest_messages([Message(0, line(), "t", 1)], "kafka")
    other = line(vibration=16)
    tally = serving.ingest.ingest_messages([Message(1, other, "t", 1)], "kafka")
    assert (tally.conflicts, count(serving, "kafka", "conflict")) == (1, 1)
    assert table(serving, "SELECT position, payload FROM dead_letters") == [(1, other)]


def test_what_was_prepared_is_stored_with_the_positions_after_it(serving: Parts) -> None:
    prepared = serving.ingest.prepare([Message(4, line(), "t", 1)], "kafka")
    assert serving.store.last_event() is None
    tally, _ = serving.ingest.store(prepared, [StreamPosition("t", 1, 5)])
    assert (tally.stored, serving.store.positions("t")) == (1, {1: 5})


def test_successive_critical_readings_open_an_alert_and_name_the_cause(serving: Parts) -> None:
    for second in range(3):
        serving.ingest.ingest_body(line(timestamp=f"2026-03-01T11:59:0{second}Z"), "http")
    assert table(serving, "SELECT loco_id, cause, state, opened_at FROM alerts") == [
        ("LOCO_001", "temperature", "new", "2026-03-01T11:59:02.000000Z")
    ]


def test_readings_that_have_become_too_old_are_removed(settings: Settings, serving: Parts) -> None:
    serving.ingest.ingest_body(line(timestamp="2026-01-30T13:00:00Z"), "http")
    later = assemble(settings, now=lambda: NOW + timedelta(days=2))
    later.model.refresh()
    later.ingest.ingest_body(line(timestamp="2026-03-02T11:00:00Z"), "http")
    assert table(serving, "SELECT timestamp FROM readings") == [("2026-03-02T11:00:00.000000Z",)]
    later.store.close()


def test_without_a_model_nothing_is_stored(tmp_path: Path, parts: Parts, models: Path) -> None:
    (models / "promoted.json").unlink()
    parts.model.start()
    with pytest.raises(NoModel):
        parts.ingest.ingest_body(line(), "http")
    assert not parts.settings.store.address.path.exists()


def test_a_store_that_refuses_is_counted(serving: Parts) -> None:
    serving.settings.store.address.path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError):
        serving.ingest.ingest_body(line(), "http")
    assert serving.metrics.registry.get_sample_value("event_store_errors_total") == 1
