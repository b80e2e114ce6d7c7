"""The SQLite warehouse: one transaction per run, keyed upserts, aggregates of touched days."""

import sqlite3
import time
from collections.abc import Hashable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from dpa import files
from dpa.errors import WarehouseError, WarehouseForeign, WarehouseLocked
from dpa.settings import SQL_ROOT
from dpa.sql_files import named_statements, statements

SCHEMA_VERSION: Final = 1
_STAGED: Final = (
    "transaction_id",
    "machine_id",
    "site_location",
    "installation_year",
    "date",
    "day",
    "volume_transferred",
    "status_code",
    "critical_alert",
    "source_line",
)


_LOCKED: Final = (
    WarehouseLocked,
    "l'entrepôt est verrouillé par un autre programme ; fermez-le (ou attendez la fin de l'autre "
    "chargement) et relancez.",
)
_DENIED: Final = (
    WarehouseError,
    "ce fichier ne peut pas être ouvert et écrit ; vérifiez qu'il n'est pas un dossier, et vos "
    "droits sur lui et sur son dossier.",
)
_REFUSALS: Final[dict[int, tuple[type[WarehouseError], str]]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CANTOPEN: _DENIED,
    sqlite3.SQLITE_READONLY: _DENIED,
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_NOTADB: (
        WarehouseForeign,
        "ce fichier n'est pas une base SQLite ; choisissez un autre chemin (--dwh).",
    ),
    sqlite3.SQLITE_CORRUPT: (
        WarehouseError,
        "l'entrepôt est abîmé ; remettez sa dernière copie, puis rechargez les exports suivants.",
    ),
    sqlite3.SQLITE_FULL: (WarehouseError, "disque plein."),
    sqlite3.SQLITE_IOERR: (WarehouseError, "erreur de lecture ou d'écriture du disque."),
}
"""What SQLite's primary result codes mean for the user."""


@dataclass(frozen=True)
class Batch:
    """What one run wants to load.

    `lot` fills the columns of `dim_lot` that are known beforehand; `rejects` those of `rejets`.
    `read` counts all rows of the file, `duplicates` the identical repeats found within it.
    `started_s` is the monotonic clock at the start of the run.
    """

    lot: dict[str, str | int | None]
    machines: pd.DataFrame
    rows: pd.DataFrame
    rejects: list[dict[str, str | int]]
    source_file: str
    read: int
    duplicates: int
    started_s: float

    @property
    def run_id(self) -> str:
        """The key of this run in `dim_lot`."""
        return str(self.lot["run_id"])


@dataclass(frozen=True)
class Loaded:
    """What the load changed: counts of transactions and machines, tonnes.

    `unknown_machines` are those of the rows that neither this machine list nor an earlier one
    knows; `moved_machines` those whose site this list changes.
    """

    inserted: int
    corrected: int
    duplicates: int
    total_volume: float
    newly_attached: int
    moved_machines: list[str]
    unknown_machines: list[str]


def utc_texts(moments: pd.Series) -> list[str]:
    """Write UTC instants as ISO 8601 text to the second."""
    values = moments.dt.tz_localize(None).to_numpy(dtype="datetime64[s]")
    return [f"{text}Z" for text in np.datetime_as_string(values)]


@contextmanager
def _translated(path: Path, consequence: str = "") -> Iterator[None]:
    """Turn SQLite's errors into ours, with the remedy and what became of the data."""
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        kind, cause = _REFUSALS.get(code, (WarehouseError, f"l'entrepôt a refusé ({error})."))
        raise kind(f"{path} : {cause}{consequence}") from error


def connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the file with foreign keys on and transactions begun by us alone."""
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
    try:
        for setting in ("foreign_keys = ON", "cache_size = -65536", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def reading(path: Path, busy_timeout_s: float) -> Iterator[sqlite3.Connection]:
    """Show the same state to every query inside, whatever other programs write meanwhile.

    Raises WarehouseError, also for what a query inside meets.
    """
    with _translated(path), closing(connect(path, busy_timeout_s)) as connection:
        connection.execute("BEGIN")
        yield connection


def load(path: Path, batch: Batch, busy_timeout_s: float) -> Loaded:
    """Load one batch in one transaction; create the warehouse if it does not exist.

    Raises WarehouseLocked, WarehouseForeign or WarehouseError; nothing has changed then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            _no_empty_file_left(path),
            _translated(path, " Rien n'a été modifié."),
            closing(connect(path, busy_timeout_s)) as connection,
        ):
            return _load_in_transaction(connection, path, batch)
    except OSError as error:
        raise WarehouseError(f"{path} : chemin inutilisable ({files.cause(error)}).") from error


@contextmanager
def _no_empty_file_left(path: Path) -> Iterator[None]:
    """Remove the empty file that SQLite made for a first load that failed."""
    is_new = not path.exists()
    try:
        yield
    except WarehouseLocked:
        # Empty as long as the other program has not committed: the file is that program's.
        is_new = False
        raise
    finally:
        if is_new and path.exists() and path.stat().st_size == 0:
            path.unlink()


def _load_in_transaction(connection: sqlite3.Connection, path: Path, batch: Batch) -> Loaded:
    connection.execute("BEGIN IMMEDIATE")
    try:
        _ensure_schema(connection, path)
        loaded = _load_batch(connection, batch)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return loaded


def _ensure_schema(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if tables and "dim_lot" not in tables:
        raise WarehouseForeign(
            f"{path} : cette base contient d'autres tables ; choisissez un autre chemin (--dwh)."
        )
    if found > SCHEMA_VERSION:
        raise WarehouseForeign(
            f"{path} : entrepôt de version {found}, ce programme connaît la version "
            f"{SCHEMA_VERSION} ; mettez le programme à jour."
        )
    if tables:
        return
    for name in ("schema.sql", "views.sql"):
        for statement in statements((SQL_ROOT / name).read_text(encoding="utf-8")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _load_batch(connection: sqlite3.Connection, batch: Batch) -> Loaded:
    steps = named_statements(SQL_ROOT / "load.sql")
    connection.execute(steps["staging"])
    connection.execute(steps["touched"])
    _insert_lot(connection, batch.lot)
    moved = _upsert_machines(connection, steps, batch.machines)
    connection.execute(steps["touch_newly_known"])
    attached = connection.execute(steps["attach_newly_known"]).rowcount
    loaded = _merge_rows(connection, steps, batch)
    connection.execute(steps["forget_touched"])
    connection.execute(steps["aggregate_touched"])
    rejects = [{"run_id": batch.run_id, **reject} for reject in batch.rejects]
    connection.executemany(steps["upsert_reject"], rejects)
    result = Loaded(**loaded, newly_attached=attached, moved_machines=moved)
    _close_lot(connection, batch, result)
    return result


def _insert_lot(connection: sqlite3.Connection, lot: dict[str, str | int | None]) -> None:
    names = ", ".join(lot)
    slots = ", ".join(f":{name}" for name in lot)
    # The names are the keys that `pipeline` writes, never user text.
    connection.execute(f"INSERT INTO dim_lot ({names}) VALUES ({slots})", lot)  # noqa: S608


def _upsert_machines(
    connection: sqlite3.Connection, steps: dict[str, str], machines: pd.DataFrame
) -> list[str]:
    """Write the machine list; give the machines whose site it changes."""
    known = dict(connection.execute("SELECT machine_id, site_location FROM dim_machine"))
    records = _plain_records(machines)
    connection.executemany(steps["upsert_machine"], records)
    return sorted(
        str(record["machine_id"])
        for record in records
        if known.get(record["machine_id"], record["site_location"]) != record["site_location"]
    )


def _plain_records(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Give the rows as dictionaries of Python values, missing ones as None."""
    plain = frame.astype("object").where(frame.notna(), None)
    return plain.to_dict("records")


def _merge_rows(
    connection: sqlite3.Connection, steps: dict[str, str], batch: Batch
) -> dict[str, Any]:
    """Stage the rows, then insert the new ones and correct the changed ones."""
    rows = batch.rows.assign(date=utc_texts(batch.rows["date"]))
    columns = [rows[name].astype("object").where(rows[name].notna(), None) for name in _STAGED]
    slots = ", ".join("?" * len(_STAGED))
    connection.executemany(
        f"INSERT INTO staging VALUES ({slots})",  # noqa: S608  (question marks only)
        zip(*columns, strict=True),
    )
    connection.execute(steps["locate_known"])
    unknown = [row[0] for row in connection.execute(steps["unknown_machines"])]
    repeated = connection.execute(steps["drop_identical"]).rowcount
    corrected = connection.execute(steps["audit"], {"run_id": batch.run_id}).rowcount
    connection.execute(steps["touch_changed"])
    provenance = {"run_id": batch.run_id, "source_file": batch.source_file, "source_sheet": None}
    connection.execute(steps["upsert_fact"], provenance)
    staged, volume = connection.execute(
        "SELECT COUNT(*), TOTAL(volume_transferred) FROM staging"
    ).fetchone()
    return {
        "inserted": staged - corrected,
        "corrected": corrected,
        "duplicates": batch.duplicates + repeated,
        "total_volume": volume,
        "unknown_machines": unknown,
    }


def _close_lot(connection: sqlite3.Connection, batch: Batch, loaded: Loaded) -> None:
    """Write the counts of the run; the table's own checks refuse a lost row."""
    connection.execute(
        "UPDATE dim_lot SET rows_loaded = :loaded, rows_inserted = :inserted, "
        "rows_corrected = :corrected, rows_rejected = :rejected, rows_duplicate = :duplicates, "
        "rows_read = :read, volume_loaded = :volume, "
        "duration_s = :duration_s WHERE run_id = :run_id",
        {
            "run_id": batch.run_id,
            "read": batch.read,
            "duration_s": round(time.monotonic() - batch.started_s, 3),
            "loaded": loaded.inserted + loaded.corrected,
            "inserted": loaded.inserted,
            "corrected": loaded.corrected,
            "rejected": len(batch.rejects),
            "duplicates": loaded.duplicates,
            "volume": loaded.total_volume,
        },
    )
