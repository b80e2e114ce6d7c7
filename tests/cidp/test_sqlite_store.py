"""The SQLite store brings older files up to date and leaves alone what is not its own."""

import shutil
import sqlite3
import sys
from importlib import resources
from pathlib import Path

import pytest
from stores import ALERTING, NOON, batch, event, rows

from cidp.errors import StoreIncompatible, StoreUnavailable
from cidp.event_batch import Outcome
from cidp.sqlite_store import SqliteStore

VERSION_1 = """
INSERT INTO readings VALUES
    ('http', 'L1', '2026-03-01T10:00:00.000000Z', 500, 5, 2, 45, '2026-03-01T10:00:01.000000Z'),
    ('http', 'L1', '2026-03-01T10:30:00.000000Z', 400, 6, 4, 55, '2026-03-01T10:00:02.000000Z'),
    ('simulator', 'L1', '2026-03-01T09:00:00.000000Z', 1, 1, 1, 1, '2026-03-01T09:00:01.000000Z');
INSERT INTO scores VALUES
    ('http', 'L1', '2026-03-01T10:00:00.000000Z', 'v1', 0.25, 0),
    ('http', 'L1', '2026-03-01T10:30:00.000000Z', 'v1', 0.75, 1),
    ('simulator', 'L1', '2026-03-01T09:00:00.000000Z', 'v1', 0.5, 0);
INSERT INTO dead_letters VALUES (7, 'simulator', 3, '2026-03-01T09:00:01.000000Z', 'JSON', x'ff');
"""


def store_at(path: Path) -> SqliteStore:
    return SqliteStore(path, 0.1, ALERTING)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


def written(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def schema(path: Path) -> list[object]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return found


def test_a_store_of_version_1_keeps_its_data(path: Path, tmp_path: Path) -> None:
    first = resources.files("cidp").joinpath("sql", "sqlite_1.sql").read_text(encoding="utf-8")
    written(path, f"{first} {VERSION_1} PRAGMA user_version = 1;")
    store = store_at(path)
    assert store.last_event() == ("http", NOON.replace(hour=10, second=2))
    known = batch(event(-7200, risk=0.9))
    assert store.save(known, [], NOON).receipts() == [(Outcome.DUPLICATE, 0.25, False)]
    assert rows(
        store, "SELECT series, loco_id, vibration, probability FROM fleet ORDER BY series"
    ) == [("real", "L1", 4, 0.75), ("simulated", "L1", 1, 0.5)]
    assert rows(
        store,
        "SELECT source, hour, readings, critical, probability_max, flow_rate_sum, pressure_min"
        " FROM hourly ORDER BY source",
    ) == [
        ("http", "2026-03-01T10:00:00.000000Z", 2, 1, 0.75, 900, 5),
        ("simulator", "2026-03-01T09:00:00.000000Z", 1, 0, 0.5, 1, 1),
    ]
    assert rows(store, "SELECT id, door, position, reason, payload, state FROM dead_letters") == [
        (7, "simulator", 3, "JSON", b"\xff", "open")
    ]
    store.close()
    new = store_at(tmp_path / "new.sqlite")
    new.last_event()
    new.close()
    assert schema(path) == schema(tmp_path / "new.sqlite")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file")
def test_a_store_whose_file_was_removed_is_made_anew(tmp_path: Path) -> None:
    store = store_at(tmp_path / "deep" / "events.sqlite")
    store.save(batch(event()), [], NOON)
    shutil.rmtree(store.path.parent)
    assert store.last_event() is None
    store.save(batch(event(1)), [], NOON)
    assert rows(store, "SELECT count(*) FROM readings") == [(1,)]
    store.close()


def test_readers_do_not_wait_for_a_writer(path: Path) -> None:
    store = store_at(path)
    store.save(batch(event()), [], NOON)
    with store.session() as session:
        session.run("UPDATE fleet SET calm = 1")
        assert store.last_event() == ("http", NOON)
    store.close()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(StoreIncompatible, match=r"n'est pas une base SQLite"):
        store_at(path).last_event()


def test_a_store_of_a_newer_program_is_refused(path: Path) -> None:
    written(path, "PRAGMA user_version = 9")
    with pytest.raises(StoreIncompatible, match="version 9"):
        store_at(path).last_event()


@pytest.mark.parametrize("table", ["readings", "fact_transactions"])
def test_another_programs_database_is_left_alone(path: Path, table: str) -> None:
    written(path, f"CREATE TABLE {table} (x)")
    before = path.read_bytes()
    with pytest.raises(StoreIncompatible, match="autre programme"):
        store_at(path).last_event()
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreUnavailable, match="Dossier file"):
        store_at(tmp_path / "file" / "events.sqlite").last_event()


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="ne répond pas"):
        store_at(tmp_path).last_event()
