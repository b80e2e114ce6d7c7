"""The event store on SQLite: readings, their scores and dead letters, one transaction per batch."""

import queue
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from cidp.errors import StoreError, StoreIncompatible, StoreUnavailable
from cidp.scoring import Score
from cidp.telemetry import TelemetryEvent

SCHEMA_VERSION = 1
MAX_PAYLOAD_BYTES = 4096
CONFLICT = "conflit : mêmes locomotive et instant qu'une lecture enregistrée, autres valeurs"
_PAUSE_S = 0.02


class Outcome(StrEnum):
    """What became of one event."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Arrival(NamedTuple):
    """One checked and scored event, with its position in the request or the stream."""

    position: int
    event: TelemetryEvent
    score: Score


class DeadLetter(NamedTuple):
    """One message that could not become an event."""

    position: int
    reason: str
    payload: bytes


class Receipt(NamedTuple):
    """What became of an event, and the score that is on record for it.

    A duplicate keeps its first score; a conflict shows the score of what was refused.
    """

    outcome: Outcome
    probability: float
    critical: bool


class LastEvent(NamedTuple):
    """The newest stored event: the door it came through, and when."""

    source: str
    received_at: datetime


def utc_text(instant: datetime) -> str:
    """Write an aware instant as fixed-width UTC text, microseconds included."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


class _Connection(sqlite3.Connection):
    """A connection that knows which file it opened."""

    file: tuple[int, int] | None = None


class EventStore:
    """The store in the SQLite file at `path`, made at the first call if it is not there.

    May be shared between threads, and the file between processes: a writer waits at most
    `timeout_s` for another one, then raises `StoreUnavailable` and has written nothing.
    """

    backend = "sqlite"

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()

    def save(
        self,
        source: str,
        arrivals: Sequence[Arrival],
        dead_letters: Sequence[DeadLetter],
        received_at: datetime,
    ) -> list[Receipt]:
        """Store a batch in one transaction; return one receipt per arrival, in order.

        An event whose (source, loco_id, timestamp) is known is a duplicate if its values are the
        same, else a conflict, which is kept among the dead letters.
        """
        received = utc_text(received_at)
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            receipts = [_save_one(connection, source, a, received) for a in arrivals]
            conflicts = [
                DeadLetter(a.position, CONFLICT, a.event.model_dump_json().encode())
                for a, receipt in zip(arrivals, receipts, strict=True)
                if receipt.outcome is Outcome.CONFLICT
            ]
            connection.executemany(
                "INSERT INTO dead_letters (door, position, received_at, reason, payload)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (source, letter.position, received, letter.reason, _cut(letter.payload))
                    for letter in (*dead_letters, *conflicts)
                ],
            )
            connection.execute("COMMIT")
        return receipts

    def last_event(self) -> LastEvent | None:
        """Return the event that was stored last, or None; raises `StoreError` when it cannot."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT source, received_at FROM readings ORDER BY received_at DESC LIMIT 1"
            ).fetchone()
        return LastEvent(row[0], datetime.fromisoformat(row[1])) if row else None

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; one that failed is closed, which rolls its transaction back."""
        connection: _Connection | None = None
        healthy = False
        try:
            connection = self._lend()
            yield connection
            healthy = True
        except sqlite3.Error as error:
            raise self._translated(error) from error
        finally:
            if connection is not None:
                self._take_back(connection, healthy=healthy)

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
        if version == 0:
            self._create(connection)
        elif version != SCHEMA_VERSION:
            raise StoreIncompatible(
                f"{self.path.name} est en version {version}, ce programme lit la version"
                f" {SCHEMA_VERSION} : mettez le programme à jour ou indiquez une autre base."
            )

    def _create(self, connection: sqlite3.Connection) -> None:
        self._use_write_ahead_log(connection)
        schema = resources.files("cidp").joinpath("event_store.sql").read_text(encoding="utf-8")
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if _user_version(connection) == 0:  # else another process was faster
                raise

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


def _save_one(
    connection: sqlite3.Connection, source: str, arrival: Arrival, received: str
) -> Receipt:
    event, score = arrival.event, arrival.score
    key = (source, event.loco_id, utc_text(event.timestamp))
    inserted = connection.execute(
        "INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*key, *event.values(), received),
    )
    if inserted.rowcount == 0:
        return _known(connection, key, arrival)
    connection.execute(
        "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?)",
        (*key, score.model_version, score.probability, score.critical),
    )
    return Receipt(Outcome.STORED, score.probability, score.critical)


def _known(connection: sqlite3.Connection, key: tuple[str, str, str], arrival: Arrival) -> Receipt:
    row = connection.execute(
        "SELECT flow_rate, pressure, vibration, temperature, probability, critical"
        " FROM readings JOIN scores USING (source, loco_id, timestamp)"
        " WHERE source = ? AND loco_id = ? AND timestamp = ?",
        key,
    ).fetchone()
    if tuple(row[:4]) == arrival.event.values():
        return Receipt(Outcome.DUPLICATE, row[4], bool(row[5]))
    return Receipt(Outcome.CONFLICT, arrival.score.probability, arrival.score.critical)


def _cut(payload: bytes) -> bytes:
    return payload[:MAX_PAYLOAD_BYTES]
