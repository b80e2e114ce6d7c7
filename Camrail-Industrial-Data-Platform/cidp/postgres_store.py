"""The event store in a PostgreSQL database, in the schema that its connections work in."""

import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from cidp.errors import StoreError, StoreIncompatible, StoreUnavailable
from cidp.event_batch import Batch, Integers, to_micros
from cidp.event_store import SCHEMA_VERSION, EventStore, migration
from cidp.fleet_state import Alerting
from cidp.postgres_pulse import Pulse, WatchedConnection
from cidp.postgres_refusals import connection_refusal
from cidp.store_session import Row, Session
from cidp.store_url import StoreUrl
from cidp.telemetry import READINGS

MANY_EVENTS = 500
"""From here on it is worth trying whether all are new; PostgreSQL logs each vain try."""

_SCHEMA_LOCK = 0x_CA_3A_E0_E2
"""Advisory lock of whoever makes or changes the tables."""

_TYPES = {
    "text": (
        "series", "loco_id", "source", "model_version", "recent", "door", "topic", "reason",
        "payload_sha256", "channel", "state",
    ),
    "timestamptz": ("timestamp", "received_at", "hour", "next_at"),
    "boolean": ("is_critical",),
    "bigint": (
        "calm", "readings", "position", "partition", "payload_bytes", "next_offset", "alert_id",
        "attempts", "critical",
    ),
    "bytea": ("payload",),
}  # fmt: skip
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names}


def _copy_row(*fields: tuple[str, str]) -> np.dtype[np.void]:
    """Return one row of COPY's binary format: how many fields, then each one's size and value."""
    sized = [part for name, kind in fields for part in ((f"{name}_bytes", ">i4"), (name, kind))]
    return np.dtype([("fields", ">i2"), *sized])


_MEASURED = [(name, ">f8") for name in (*READINGS, "probability")] + [("critical", "i1")]
_ARRIVING = _copy_row(("event", ">i4"), ("loco", ">i4"), ("timestamp", ">i8"), *_MEASURED)
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_MICROS_2000 = 946_684_800_000_000
"""Where PostgreSQL's instants begin, in microseconds since 1970."""

_MAKE_ARRIVING = """
CREATE TEMPORARY TABLE IF NOT EXISTS arriving (
    event INTEGER, loco INTEGER, timestamp TIMESTAMPTZ, flow_rate FLOAT8, pressure FLOAT8,
    vibration FLOAT8, temperature FLOAT8, probability FLOAT8, critical BOOLEAN
) ON COMMIT DELETE ROWS
"""
_INSERT_READINGS = """
INSERT INTO readings
    (source, loco_id, timestamp, flow_rate, pressure, vibration, temperature, probability,
     critical, model_version, received_at)
SELECT %(door)s, (%(locos)s::text[])[loco + 1], timestamp, flow_rate, pressure, vibration,
       temperature, probability, critical, %(model)s, %(received)s
FROM arriving
ON CONFLICT DO NOTHING
"""
_COPY_READINGS = """
COPY readings
    (source, loco_id, timestamp, flow_rate, pressure, vibration, temperature, probability,
     critical, model_version, received_at)
FROM STDIN (FORMAT BINARY)
"""
_KNOWN_READINGS = """
SELECT event, known.flow_rate, known.pressure, known.vibration, known.temperature,
       known.probability, known.critical
FROM arriving CROSS JOIN LATERAL (
    SELECT * FROM readings
    WHERE source = %(door)s AND loco_id = (%(locos)s::text[])[loco + 1]
        AND readings.timestamp = arriving.timestamp
        AND xmin <> pg_current_xact_id()::xid -- not those that this transaction inserted
    OFFSET 0 -- keeps the planner to one look-up by key per row, among however many readings
) AS known
"""
_SETTINGS = f"""
SET TimeZone = 'UTC';
SET jit = off;
SET client_min_messages = warning;
SET statement_timeout = '{WatchedConnection.statement_s:.0f}s'
"""


class PostgresSession(Session):
    """A transaction at the level READ COMMITTED."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        return self._connection.execute(_native(sql), _native_values(parameters)).fetchall()

    def run(self, sql: str, **parameters: Any) -> int:
        return self._connection.execute(_native(sql), _native_values(parameters)).rowcount

    def insert(self, table: str, columns: Mapping[str, Sequence[Any]], conflict: str = "") -> None:
        self._connection.execute(
            _insertion(table, tuple(columns), isinstance(columns.get("critical", [0])[0], bool))
            + conflict.encode(),
            [list(values) for values in columns.values()],
        )

    def insert_readings(
        self, batch: Batch, chosen: Integers, received_at: datetime
    ) -> dict[int, Row]:
        if len(chosen) >= MANY_EVENTS and self._copy_all_new(_readings(batch, chosen, received_at)):
            return {}
        with self._connection.cursor() as cursor:
            with cursor.copy("COPY arriving FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(_arriving(batch, chosen))
            parameters = {
                "door": batch.door,
                "locos": batch.locos,
                "model": batch.model_version,
                "received": received_at,
            }
            inserted = cursor.execute(_INSERT_READINGS, parameters).rowcount
            if inserted == len(chosen):
                return {}
            known = cursor.execute(_KNOWN_READINGS, parameters)
            return {event: tuple(record) for event, *record in known}

    def _copy_all_new(self, readings: bytes) -> bool:
        """Copy readings straight into their table; False, and nothing done, if one is known."""
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                with cursor.copy(_COPY_READINGS) as copy:
                    copy.write(readings)
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def instant(self, value: Any) -> datetime:
        found: datetime = value
        return found

    def items(self, value: Any) -> list[Any]:
        found: list[Any] = value or []
        return found


def _arriving(batch: Batch, chosen: Integers) -> bytes:
    """Write the chosen events as COPY brings them into the table `arriving`."""
    rows = _filled(_ARRIVING, batch, chosen)
    rows["event"] = chosen
    rows["loco"] = batch.loco[chosen]
    return _COPY_HEAD + rows.tobytes() + _COPY_END


def _readings(batch: Batch, chosen: Integers, received_at: datetime) -> bytes:
    """Write the chosen events as COPY brings them into the table `readings`."""
    names = [name.encode() for name in batch.locos]
    sizes = np.array([len(name) for name in names])[batch.loco[chosen]]
    parts = [_COPY_HEAD]
    for size in np.unique(sizes).tolist():
        kind = _reading(len(batch.door), size, len(batch.model_version))
        events = chosen[sizes == size]
        rows = _filled(kind, batch, events)
        rows["source"] = batch.door.encode()
        rows["loco_id"] = np.array(names)[batch.loco[events]]
        rows["model_version"] = batch.model_version.encode()
        rows["received_at"] = to_micros(received_at) - _MICROS_2000
        parts.append(rows.tobytes())
    return b"".join([*parts, _COPY_END])


@lru_cache(maxsize=64)
def _reading(door_bytes: int, loco_id_bytes: int, version_bytes: int) -> np.dtype[np.void]:
    """Return a row of `readings`, whose texts have so many bytes."""
    return _copy_row(
        ("source", f"S{door_bytes}"),
        ("loco_id", f"S{loco_id_bytes}"),
        ("timestamp", ">i8"),
        *_MEASURED,
        ("model_version", f"S{version_bytes}"),
        ("received_at", ">i8"),
    )


def _filled(kind: np.dtype[np.void], batch: Batch, chosen: Integers) -> npt.NDArray[np.void]:
    """Make a row for each chosen event, with the fields that rows of both tables have."""
    rows = np.empty(len(chosen), kind)
    names = kind.names or ()
    rows["fields"] = len(names) // 2
    for name in names[1::2]:
        rows[name] = kind[name.removesuffix("_bytes")].itemsize
    rows["timestamp"] = batch.micros[chosen] - _MICROS_2000
    for place, name in enumerate(READINGS):
        rows[name] = batch.values[chosen, place]
    rows["probability"] = batch.risks[chosen]
    rows["critical"] = batch.critical[chosen]
    return rows


@lru_cache(maxsize=64)
def _insertion(table: str, names: tuple[str, ...], critical_is_flag: bool) -> bytes:
    """Return an INSERT of all rows that arrays hold, one array per column."""
    kinds = [
        "boolean" if name == "critical" and critical_is_flag else _TYPE_OF.get(name, "float8")
        for name in names
    ]
    listed = ", ".join(names)
    arrays = ", ".join(f"%b::{kind}[]" for kind in kinds)  # in binary: text takes a regex per item
    return f"INSERT INTO {table} ({listed}) SELECT * FROM unnest({arrays}) ".encode()  # noqa: S608 (our names)


@lru_cache(maxsize=256)
def _native(sql: str) -> bytes:
    sql = re.sub(r"\bIN :(\w+)", r"= ANY(:\1)", sql.replace("%", "%%"))
    sql = sql.replace("json_group_array(", "json_agg(").replace("json_array(", "json_build_array(")
    return re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", sql).encode()


def _native_values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in parameters.items()
    }


class PostgresStore(EventStore):
    """The store at `url`; locks, connections and a server that answers nobody get `timeout_s`.

    While the server is lost, every call fails at once.
    """

    backend = "postgresql"

    def __init__(self, url: StoreUrl, timeout_s: float, alerting: Alerting) -> None:
        super().__init__(alerting)
        self._url = url
        self._timeout_s = timeout_s
        self._idle: queue.LifoQueue[psycopg.Connection[Row]] = queue.LifoQueue()
        self._pulse = Pulse(self._connect, timeout_s)
        self._weeks: set[datetime] = set()

    @contextmanager
    def session(self, *, writes: bool = True) -> Iterator[PostgresSession]:
        """Lend a connection; one that failed is closed, and the idle ones with it."""
        connection: psycopg.Connection[Row] | None = None
        healthy = False
        try:
            connection = self._lend()
            with connection.transaction():
                yield PostgresSession(connection)
            healthy = True
        except psycopg.Error as error:
            self.close()  # after a restart of the server, none of them would work
            self._weeks.clear()
            raise self._translated(error) from error
        finally:
            if connection is not None:
                self._take_back(connection, healthy=healthy)

    def prepare_for(self, first: datetime, last: datetime) -> None:
        """Make the weeks that the readings fall into, once."""
        monday, end = _week_of(first), _week_of(last)
        weeks = {monday + timedelta(days=days) for days in range(0, (end - monday).days + 1, 7)}
        if weeks <= self._weeks:
            return
        with self.session() as session:
            session.rows("SELECT make_reading_weeks(:first, :last)", first=first, last=last)
        self._weeks |= weeks

    def prune(self, oldest: datetime) -> None:
        """Drop the weeks that are over."""
        with self.session() as session:
            session.rows("SELECT drop_reading_weeks(:oldest)", oldest=oldest)
        self._weeks.clear()

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _lend(self) -> psycopg.Connection[Row]:
        self._pulse.check()
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._open()

    def _take_back(self, connection: psycopg.Connection[Row], *, healthy: bool) -> None:
        if healthy:
            self._idle.put(connection)
        else:
            connection.close()

    def _connect(self) -> WatchedConnection:
        wait_s = max(2, round(self._timeout_s))  # libpq takes no less
        return WatchedConnection.connect(
            self._url.target,
            connect_timeout=wait_s,
            application_name="camrail-cidp",
            client_encoding="UTF8",
            keepalives_idle=wait_s,
            keepalives_interval=wait_s,
            keepalives_count=3,
            tcp_user_timeout=4 * wait_s * 1000,
        )

    def _open(self) -> psycopg.Connection[Row]:
        connection = self._pulse.connection()
        try:
            connection.execute(_SETTINGS)
            connection.execute(f"SET lock_timeout = {max(1, round(self._timeout_s * 1000))}")
            self._prepare(connection)
            connection.execute(_MAKE_ARRIVING)
            connection.commit()
        except (psycopg.Error, StoreError):
            connection.close()
            raise
        return connection

    def _prepare(self, connection: psycopg.Connection[Row]) -> None:
        version = _version(connection)
        if version < SCHEMA_VERSION:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
            version = _version(connection)  # asked again: another process may have been faster
        if version == 0:
            self._create(connection)
        elif version < SCHEMA_VERSION:
            self._migrate(connection, version)
        elif version > SCHEMA_VERSION:
            raise StoreIncompatible(
                f"La base {self._url} est en version {version}, ce programme lit la version"
                f" {SCHEMA_VERSION} : mettez le programme à jour ou indiquez une autre base."
            )

    def _create(self, connection: psycopg.Connection[Row]) -> None:
        taken = "SELECT coalesce(to_regclass('readings'), to_regclass('fleet'))"
        if connection.execute(taken).fetchone() != (None,):
            raise StoreIncompatible(
                f"La base {self._url} contient déjà des tables d'un autre programme : elles"
                " restent intactes ; indiquez une autre base, ou un autre schéma (search_path)."
            )
        connection.execute(
            "CREATE TABLE event_store_version"
            " (version INTEGER NOT NULL, since TIMESTAMPTZ NOT NULL DEFAULT now())"
        )
        self._migrate(connection, 1)

    def _migrate(self, connection: psycopg.Connection[Row], version: int) -> None:
        """Bring the tables from `version` to this program's, in one transaction."""
        before = connection.execute("SHOW search_path").fetchone()
        for number in range(version + 1, SCHEMA_VERSION + 1):
            connection.execute(migration(f"postgresql_{number}").encode())
        connection.execute("SELECT set_config('search_path', %s, false)", before)
        connection.execute(
            "INSERT INTO event_store_version (version) VALUES (%s)", [SCHEMA_VERSION]
        )
        connection.commit()

    def _translated(self, error: psycopg.Error) -> StoreError:
        told = self._url.redacted(str(error).partition("\n")[0])
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return StoreIncompatible(
                f"Base {self._url} : droits insuffisants ({told}). Le compte propriétaire fait"
                " les tables à sa première connexion ; postgresql_roles.sql donne leurs droits aux"
                " autres comptes."
            )
        refusal = connection_refusal(told, "CAMRAIL_EVENT_STORE")
        if refusal is not None:
            return StoreUnavailable(f"Base {self._url} : {refusal}.")
        if isinstance(error, _LATER):
            return StoreUnavailable(
                f"La base {self._url} ne répond pas ({told}) : rien n'a été enregistré, réessayez"
                " dans quelques secondes."
            )
        return StoreIncompatible(
            f"La base {self._url} refuse ({told}) : vérifiez CAMRAIL_EVENT_STORE et son schéma."
        )


_LATER = (
    psycopg.OperationalError,  # gone, starting, full, locked, read only
    psycopg.errors.UniqueViolation,  # two writers met on a row that neither saw
    psycopg.errors.CheckViolation,  # a week was dropped meanwhile
)


def _version(connection: psycopg.Connection[Row]) -> int:
    # Not by to_regclass, which may not see what another session made in the same transaction.
    found = connection.execute(
        "SELECT FROM pg_class WHERE relname = 'event_store_version' AND pg_table_is_visible(oid)"
    )
    if found.fetchone() is None:
        return 0
    row = connection.execute("SELECT max(version) FROM event_store_version").fetchone()
    return int(row[0]) if row else 0


def _week_of(instant: datetime) -> datetime:
    """Return the Monday, in UTC, of the week of an instant."""
    day = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
