"""The store keeps each event once, a batch whole or not at all, and says when it cannot."""

import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cidp.errors import StoreIncompatible, StoreUnavailable
from cidp.event_store import (
    CONFLICT,
    MAX_PAYLOAD_BYTES,
    Arrival,
    DeadLetter,
    EventStore,
    Outcome,
    Receipt,
    utc_text,
)
from cidp.scoring import Score
from cidp.telemetry import TelemetryEvent

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    made = EventStore(tmp_path / "deep" / "events.sqlite", timeout_s=0.1)
    yield made
    made.close()


def arrival(
    position: int = 0, *, second: int = 0, vibration: float = 2, risk: float = 0.25
) -> Arrival:
    event = TelemetryEvent(
        loco_id="L1",
        timestamp=(NOW + timedelta(seconds=second)).isoformat(),  # type: ignore[arg-type]  # parsed
        flow_rate=500,
        pressure=5,
        vibration=vibration,
        temperature=45,
    )
    return Arrival(position, event, Score(risk, risk > 0.5, "v1"))


def rows(store: EventStore, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(store.path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file")
def test_a_store_whose_file_was_removed_is_made_anew(store: EventStore) -> None:
    store.save("http", [arrival()], [], NOW)
    shutil.rmtree(store.path.parent)
    assert store.last_event() is None
    store.save("http", [arrival(second=1)], [], NOW)
    assert rows(store, "SELECT count(*) FROM readings") == [(1,)]


def test_an_event_and_its_score_are_stored(store: EventStore) -> None:
    assert store.save("http", [arrival(risk=0.75)], [], NOW) == [
        Receipt(Outcome.STORED, 0.75, True)
    ]
    assert rows(store, "SELECT * FROM readings") == [
        ("http", "L1", "2026-03-01T12:00:00.000000Z", 500, 5, 2, 45, "2026-03-01T12:00:00.000000Z")
    ]
    assert rows(store, "SELECT model_version, probability, critical FROM scores") == [
        ("v1", 0.75, 1)
    ]


def test_the_same_event_again_is_a_duplicate_with_its_first_score(store: EventStore) -> None:
    store.save("http", [arrival(risk=0.75)], [], NOW)
    again = store.save("http", [arrival(risk=0.1)], [], NOW)
    assert again == [Receipt(Outcome.DUPLICATE, 0.75, True)]
    assert rows(store, "SELECT count(*) FROM readings") == [(1,)]


def test_the_same_instant_through_another_door_is_another_event(store: EventStore) -> None:
    store.save("http", [arrival()], [], NOW)
    assert store.save("simulator", [arrival()], [], NOW)[0].outcome is Outcome.STORED


def test_other_values_at_the_same_instant_go_to_the_dead_letters(store: EventStore) -> None:
    batch = [arrival(0), arrival(1, vibration=9, risk=0.9), arrival(2), arrival(3, second=1)]
    outcomes = [receipt.outcome for receipt in store.save("http", batch, [], NOW)]
    assert outcomes == [Outcome.STORED, Outcome.CONFLICT, Outcome.DUPLICATE, Outcome.STORED]
    assert rows(store, "SELECT vibration FROM readings") == [(2,), (2,)]
    ((door, position, reason, payload),) = rows(
        store, "SELECT door, position, reason, payload FROM dead_letters"
    )
    assert (door, position, reason) == ("http", 1, CONFLICT)
    assert b'"vibration":9.0' in bytes(payload)  # type: ignore[call-overload]  # a BLOB


def test_dead_letters_are_kept_with_their_batch_and_cut_to_size(store: EventStore) -> None:
    letter = DeadLetter(7, "JSON invalide", b"\xff" * 10_000)
    store.save("simulator", [arrival()], [letter], NOW)
    assert rows(store, "SELECT door, position, reason, length(payload) FROM dead_letters") == [
        ("simulator", 7, "JSON invalide", MAX_PAYLOAD_BYTES)
    ]


def test_the_last_event_is_the_one_received_last(store: EventStore) -> None:
    assert store.last_event() is None
    store.save("simulator", [arrival(second=50)], [], NOW)
    store.save("http", [arrival(second=-50)], [], NOW + timedelta(seconds=1))
    assert store.last_event() == ("http", NOW + timedelta(seconds=1))


def test_a_locked_store_is_unavailable_and_nothing_is_half_stored(store: EventStore) -> None:
    store.save("http", [], [], NOW)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="rien n'a été enregistré"):
        store.save("http", [arrival(), arrival(second=1)], [], NOW)
    other.execute("ROLLBACK")
    other.close()
    assert rows(store, "SELECT count(*) FROM readings") == [(0,)]
    assert store.save("http", [arrival()], [], NOW)[0].outcome is Outcome.STORED


def test_a_failure_in_the_middle_of_a_batch_undoes_it(store: EventStore) -> None:
    store.save("http", [], [], NOW)
    with sqlite3.connect(store.path) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON readings WHEN new.vibration = 9"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    connection.close()
    with pytest.raises(StoreIncompatible):
        store.save("http", [arrival(), arrival(second=1, vibration=9)], [], NOW)
    assert rows(store, "SELECT count(*) FROM readings") == [(0,)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    path.write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(StoreIncompatible, match=r"n'est pas une base SQLite"):
        EventStore(path, 0.1).last_event()


def test_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StoreIncompatible, match="version 9"):
        EventStore(path, 0.1).last_event()


@pytest.mark.parametrize("table", ["readings", "fact_transactions"])
def test_another_programs_database_is_left_alone(tmp_path: Path, table: str) -> None:
    path = tmp_path / "events.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table} (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreIncompatible, match="autre programme"):
        EventStore(path, 0.1).last_event()
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreUnavailable, match="Dossier file"):
        EventStore(tmp_path / "file" / "events.sqlite", 0.1).last_event()


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="ne répond pas"):
        EventStore(tmp_path, 0.1).last_event()


def test_two_threads_that_open_a_new_store_at_once_share_it(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    outcomes: list[Outcome] = []
    together = threading.Barrier(4)

    def work() -> None:
        store = EventStore(path, timeout_s=20)
        together.wait()
        outcomes.extend(receipt.outcome for receipt in store.save("http", [arrival()], [], NOW))
        store.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [Outcome.DUPLICATE] * 3 + [Outcome.STORED]


def test_instants_are_written_with_a_fixed_width() -> None:
    assert utc_text(datetime.fromisoformat("2026-01-15T08:30:00+01:00")) == (
        "2026-01-15T07:30:00.000000Z"
    )
