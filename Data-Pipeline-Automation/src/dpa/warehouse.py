"""The warehouse: one transaction for each run, one consistent state for each reader."""

from collections.abc import Iterable, Iterator
from contextlib import closing as closed_at_end
from contextlib import contextmanager
from datetime import date
from typing import Final

import pandas as pd
from adbc_driver_manager import AdbcStatusCode, Error
from loguru import logger

from dpa import files
from dpa.ahead import begun
from dpa.database import Database
from dpa.dwh_url import DwhUrl
from dpa.errors import OutcomeUnknown, WarehouseError, WarehouseForeign, WarehouseLocked
from dpa.given_back import GivenBack
from dpa.load_run import Loaded, LoadRun, Lot
from dpa.lost_commit import was_committed
from dpa.migrations import SCHEMA_VERSION, ensure_schema, refuse_newer
from dpa.parts import CheckedPart
from dpa.postgres_database import PostgresDatabase
from dpa.sqlite_database import SqliteDatabase

__all__ = [
    "Loaded", "Lot", "connect", "known_sites", "last_day", "load", "reading",
    "refuse_other_version", "writing",
]  # fmt: skip

_INTERRUPTED: Final = (AdbcStatusCode.CANCELLED, AdbcStatusCode.NOT_IMPLEMENTED)
"""How a driver ends a statement on Ctrl-C; SQLite's has no way to cancel one, and says so."""


def load(
    url: DwhUrl,
    lot: Lot,
    machines: pd.DataFrame,
    parts: Iterable[CheckedPart],
    busy_timeout_s: float,
    given_back: GivenBack | None = None,
    only_adds_machines: bool = False,
) -> Loaded:
    """Load one run in one transaction; create the warehouse, or its tables, when missing.

    `machines` has machine_id (unique), site_location and installation_year. `parts` are taken in a
    thread, ahead of the writing; what they raise is raised here. The rejects of lines `given_back`
    are closed, as replaced when the line is rejected again. With `only_adds_machines` the list
    leaves known machines as they are. Raises WarehouseLocked, WarehouseForeign, RejectsClosed or
    WarehouseError, nothing having changed then; OutcomeUnknown when PostgreSQL vanished while it
    committed, and did not come back in time to be asked.
    """
    with writing(url, busy_timeout_s) as database, begun(parts) as coming:
        ensure_schema(database)
        run = LoadRun(database, lot, given_back)
        run.begin(machines, only_adds_machines)
        run.load_parts(coming)
        loaded = run.finish()
        lost = _commit(database)
    if lost:
        _refuse_uncommitted(url, str(lot["run_id"]), busy_timeout_s, lost)
        loaded.commit_was_checked = True
    return loaded


def _commit(database: Database) -> Error | None:
    """Commit; give the error of a server that vanished meanwhile, after which nothing is sure."""
    try:
        database.commit()
    except Error as error:
        if database.kind == "sqlite" or error.status_code in _INTERRUPTED:
            raise
        return error
    return None


def _refuse_uncommitted(url: DwhUrl, run_id: str, busy_timeout_s: float, lost: Error) -> None:
    """Ask the server whether the run is there; raise WarehouseError when it is not."""
    _log_driver(url, lost)
    try:
        committed = was_committed(lambda: connect(url, busy_timeout_s, create=False), run_id)
    except OutcomeUnknown as error:
        raise OutcomeUnknown(f"{url} : {error}", run_id) from error
    if not committed:
        raise WarehouseError(
            f"{url} : la validation a échoué, la connexion s'étant rompue ; vérification faite, "
            "le lot n'est pas chargé. Rien n'a été modifié ; relancez."
        ) from lost


@contextmanager
def reading(url: DwhUrl, busy_timeout_s: float) -> Iterator[Database]:
    """Show the same state to every query inside, whatever other programs write meanwhile.

    Raises WarehouseError, also for what a query inside meets, and WarehouseForeign for a warehouse
    of another version.
    """
    with _connected(url, busy_timeout_s) as database:
        database.begin_reading()
        refuse_other_version(database)
        yield database


def refuse_other_version(database: Database) -> None:
    """Raise WarehouseForeign unless the schema is there, in the present version."""
    found = database.schema_version()
    refuse_newer(found)
    if found != SCHEMA_VERSION:
        raise WarehouseForeign(
            "pas d'entrepôt à jour à cette adresse ; lancez un chargement, qui le crée ou le met à "
            "niveau."
        )


def last_day(url: DwhUrl, busy_timeout_s: float) -> date | None:
    """Give the latest civil day in Douala that has a transaction, None when there is none yet.

    A warehouse that the next load will migrate answers too. Raises WarehouseError.
    """
    if url.kind == "sqlite" and not url.path.exists():
        return None
    with _connected(url, busy_timeout_s) as database:
        if database.schema_version() == 0:
            return None
        day = database.value("SELECT MAX(day) FROM aggr_daily_site_stats")
        return date.fromisoformat(str(day)) if day else None


def known_sites(url: DwhUrl, busy_timeout_s: float) -> set[str]:
    """Give the sites of the machines and transactions known so far, in a warehouse of any version.

    Raises WarehouseError.
    """
    if url.kind == "sqlite" and not url.path.exists():
        return set()
    with _connected(url, busy_timeout_s) as database:
        if database.schema_version() == 0:
            return set()
        found = database.rows(
            "SELECT site_location FROM dim_machine "
            "UNION SELECT site_location FROM aggr_daily_site_stats"
        )
        return {site for (site,) in found}


@contextmanager
def writing(url: DwhUrl, busy_timeout_s: float) -> Iterator[Database]:
    """Open a warehouse in a transaction, which is undone unless it is committed inside.

    Raises WarehouseError, also for what a statement inside meets.
    """
    try:
        with _no_empty_file_left(url), _connected(url, busy_timeout_s, True) as database:
            database.begin_writing()
            yield database
    except OSError as error:
        raise WarehouseError(f"{url} : chemin inutilisable ({files.cause(error)}).") from error


@contextmanager
def _connected(url: DwhUrl, busy_timeout_s: float, writes: bool = False) -> Iterator[Database]:
    """Connect; name the warehouse, and what became of the data, in every error met inside."""
    consequence = " Rien n'a été modifié." if writes else ""
    try:
        with closed_at_end(connect(url, busy_timeout_s, create=writes)) as database:
            yield database
    except WarehouseError as error:
        raise type(error)(f"{url} : {error}{consequence}") from error
    except Error as error:
        if error.status_code in _INTERRUPTED:
            raise KeyboardInterrupt from error
        kind = SqliteDatabase if url.kind == "sqlite" else PostgresDatabase
        refusal = kind.refusal(_log_driver(url, error), error.sqlstate)
        raise type(refusal)(f"{url} : {refusal}{consequence}") from error


def _log_driver(url: DwhUrl, error: Error) -> str:
    """Give the driver's own words, less any password, and keep them in the log file."""
    told = " ".join(url.redacted(str(error)).split())
    logger.debug("{} : {}", url, told)
    return told


def connect(url: DwhUrl, busy_timeout_s: float, *, create: bool) -> Database:
    """Connect without a transaction; `create` lets SQLite make a missing file."""
    if url.kind == "postgresql":
        return PostgresDatabase.connect(url, busy_timeout_s)
    return SqliteDatabase.connect(url.path, busy_timeout_s, create=create)


@contextmanager
def _no_empty_file_left(url: DwhUrl) -> Iterator[None]:
    """Make the folder, and remove the empty file that SQLite made for a first load that failed."""
    if url.kind != "sqlite":
        yield
        return
    url.path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not url.path.exists()
    try:
        yield
    except WarehouseLocked:
        # Empty as long as the other program has not committed: the file is that program's.
        is_new = False
        raise
    finally:
        if is_new and url.path.exists() and url.path.stat().st_size == 0:
            url.path.unlink()
