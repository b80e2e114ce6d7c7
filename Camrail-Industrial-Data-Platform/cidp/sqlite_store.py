"""The event store in a SQLite file, for one machine."""

import json
import queue
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cidp.errors import StoreError, StoreIncompatible, StoreUnavailable
from cidp.event_batch import SERIES_DOORS, Batch, Integers
from cidp.event_store import SCHEMA_VERSION, EventStore, migration, utc_text
from cidp.fleet_state import Alerting
from cidp.store_session import Row, Session

_PAUSE_S = 0.02
_INSERT_READING = """
INSERT INTO readings
    (source, loco_id, timestamp, flow_rate, pressure, vibration, temperature, probability,
     critical, model_version, received_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""


class _Connection(sqlite3.Connection):
    """A connection that knows which file it opened."""

    file: tuple[int, int] | None = None


class SqliteSession(Session):
    """A transaction that holds the file's one lock for writers."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        return self._connection.execute(_native(sql), _native_values(parameters)).fetchall()

    def run(self, sql: str, **parameters: Any) -> int:
        return self._connection.execute(_native(sql), _native_values(parameters)).rowcount

    def insert(self, table: str, columns: Mapping[str, Sequence[Any]], conflict: str = "") -> None:
        self._connection.executemany(
            _insertion(table, tuple(columns)) + _native(conflict),
            zip(*(map(_native_value, values) for values in columns.values()), strict=True),
        )

    def insert_readings(
        self, batch: Batch, chosen: Integers, received_at: datetime
    ) -> dict[int, Row]:
        rows = _reading_rows(batch, chosen, received_at)
        self._connection.execute("SAVEPOINT readings")
        inserted = self._connection.executemany(_INSERT_READING, rows).rowcount
        if inserted == len(rows):
            return {}
        # Some are known: which ones, SQLite tells only when asked row by row.
        self._connection.execute("ROLLBACK TO readings")
        return {
            index: self._record(row)
            for index, row in zip(chosen.tolist(), rows, strict=True)
            if self._connection.execute(_INSERT_READING, row).rowcount == 0
        }

    def _record(self, row: Row) -> Row:
        found: Row = self._connection.execute(
            "SELECT flow_rate, pressure, vibration, temperature, probability, critical"
            " FROM readings WHERE source = ? AND loco_id = ? AND timestamp = ?",
            row[:3],
        ).fetchone()
        return found

    def instant(self, value: Any) -> datetime:
        return datetime.fromisoformat(value)

    def items(self, value: Any) -> list[Any]:
        found: list[Any] = json.loads(value)
        return found


def _reading_rows(batch: Batch, chosen: Integers, received_at: datetime) -> list[Row]:
    received = utc_text(received_at)
    instants = np.datetime_as_string(batch.micros[chosen].astype("datetime64[us]"), timezone="UTC")
    return [
        (batch.door, loco_id, instant, *values, risk, critical, batch.model_version, received)
        for loco_id, instant, values, risk, critical in zip(
            [batch.loco_ids[index] for index in chosen.tolist()],
            instants.tolist(),
            batch.values[chosen].tolist(),
            batch.risks[chosen].tolist(),
            batch.critical[chosen].tolist(),
            strict=True,
        )
    ]


def _insertion(table: str, names: tuple[str, ...]) -> str:
    places = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places}) "  # noqa: S608 (our names)


@lru_cache(maxsize=256)
def _native(sql: str) -> str:
    sql = re.sub(r"\bIN :(\w+)", r"IN (SELECT value FROM json_each(:\1))", sql)
    sql = re.sub(r"\bgreatest\(", "max(", re.sub(r"\bleast\(", "min(", sql))
    return sql.replace(" FOR UPDATE SKIP LOCKED", "").replace(" FOR UPDATE", "")


def _native_values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _native_value(value) for name, value in parameters.items()}


def _native_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, list | tuple):
        return json.dumps([_native_value(item) for item in value])
    return value


class SqliteStore(EventStore):
    """The store in the file at `path`; a writer waits at most `timeout_s` for another one."""

    backend = "sqlite"

    def __init__(self, path: Path, timeout_s: float, alerting: Alerting) -> None:
        super().__init__(alerting)
        self.path = path
        self._timeout_s = timeout_s
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()

    @contextmanager
    def session(self, *, writes: bool = True) -> Iterator[SqliteSession]:
        """Lend a connection; one that failed is closed, which rolls its transaction back."""
        connection: _Connection | None = None
        healthy = False
        try:
            connection = self._lend()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            yield SqliteSession(connection)
            connection.execute("COMMIT")
            healthy = True
        except sqlite3.Error as error:
            raise self._translated(error) from error
        finally:
            if connection is not None:
                self._take_back(connection, healthy=healthy)

    def prepare_for(self, first: datetime, last: datetime) -> None:
        """Do nothing: a file grows by itself."""

    def prune(self, oldest: datetime) -> None:
        """Remove readings locomotive by locomotive, so that no writer waits for long."""
        with self.session(writes=False) as session:
            series = session.rows("SELECT series, loco_id FROM fleet")
        for name, loco_id in series:
            with self.session() as session:
                session.run(
                    "DELETE FROM readings"
                    " WHERE source IN :doors AND loco_id = :loco_id AND timestamp < :oldest",
                    doors=SERIES_DOORS[name],
                    loco_id=loco_id,
                    oldest=oldest,
                )

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _lend(self) -> _Connection:
        """Reuse an idle connection, unless its file was removed: what it stored would be lost."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            return self._open()
        if connection.file == _identity(self.path):
            return connection
        connection.close()
        return self._lend()

    def _take_back(self, connection: _Connection, *, healthy: bool) -> None:
        if healthy:
            self._idle.put(connection)
        else:
            connection.close()

    def _open(self) -> _Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"Dossier {self.path.parent.name} impossible à créer ({error.strerror})."
            ) from error
        connection = sqlite3.connect(
            self.path,
            timeout=self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            self._prepare(connection)
            connection.file = _identity(self.path)
        except (sqlite3.Error, StoreError):
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # an answered event survives a power cut
        holds_tables = _holds_tables(connection)  # asked first: another process may be creating
        version = _user_version(connection)
        if version == 0 and holds_tables:
            raise StoreIncompatible(
                f"{self.path.name} est la base d'un autre programme : elle reste intacte ;"
                " indiquez-en une autre avec CAMRAIL_EVENT_STORE."
            )
        if version > SCHEMA_VERSION:
            raise StoreIncompatible(
                f"{self.path.name} est en version {version}, ce programme lit la version"
                f" {SCHEMA_VERSION} : mettez le programme à jour ou indiquez une autre base."
            )
        if version == 0:
            self._use_write_ahead_log(connection)
        if version < SCHEMA_VERSION:
            self._migrate(connection)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the file to this program's version, in one transaction."""
        connection.execute("BEGIN IMMEDIATE")
        version = _user_version(connection)  # asked again: another process may have been faster
        steps = [migration(f"sqlite_{number + 1}") for number in range(version, SCHEMA_VERSION)]
        for statement in _statements("".join(steps)):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _use_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        """Let readers go on while one writes; SQLite does not wait by itself for this change."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def _translated(self, error: sqlite3.Error) -> StoreError:
        if isinstance(error, sqlite3.OperationalError):
            return StoreUnavailable(
                f"La base {self.path.name} ne répond pas ({error}) : rien n'a été enregistré,"
                " réessayez dans quelques secondes."
            )
        return StoreIncompatible(
            f"{self.path.name} n'est pas une base SQLite utilisable ({error}) : restaurez-la ou"
            " indiquez-en une autre avec CAMRAIL_EVENT_STORE."
        )


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements: `executescript` would commit the transaction under way."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _user_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _holds_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
