"""A read-only connection to the warehouse of the ETL, on SQLite or on PostgreSQL.

The views of `Data-Pipeline-Automation/sql/views.sql` are all that is read.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cidp.errors import WarehouseError
from cidp.postgres_refusals import connection_refusal
from cidp.store_url import StoreUrl

if TYPE_CHECKING:
    import psycopg

    from cidp.postgres_pulse import Pulse

Rows = list[tuple[Any, ...]]
Query = Callable[..., Rows]
"""Gives the rows of a query, in which question marks stand for the values."""

_LOAD = 'lancez l\'ETL : POST /jobs avec {"kind": "etl"}, ou « python src/main_pipeline.py »'


@contextmanager
def reading(url: StoreUrl, timeout_s: float) -> Iterator[Query]:
    """Give queries that all see one state of the warehouse, and can change nothing.

    Raises `WarehouseError` when there is no warehouse, or when it does not answer in time.
    """
    opened = _sqlite(url, timeout_s) if url.kind == "sqlite" else _postgresql(url, timeout_s)
    with opened as query:
        yield query


@contextmanager
def _sqlite(url: StoreUrl, timeout_s: float) -> Iterator[Query]:
    if not url.path.is_file():
        raise WarehouseError(f"Il n'y a pas encore d'entrepôt : {_LOAD}.")
    try:
        # Not mode=ro: a load that was killed leaves a journal, which the next reader must undo.
        address = f"{url.path.as_uri()}?mode=rw"
        with closing(
            sqlite3.connect(address, uri=True, timeout=timeout_s, isolation_level=None)
        ) as database:
            database.execute("PRAGMA query_only = ON")
            database.execute("BEGIN")
            yield lambda sql, *values: database.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise WarehouseError(_sqlite_cause(str(error))) from error


def _sqlite_cause(told: str) -> str:
    if "locked" in told:
        return "L'entrepôt est occupé par un chargement : réessayez dans quelques secondes."
    if "no such table" in told or "no such column" in told:
        return f"L'entrepôt n'a pas les vues attendues : {_LOAD}, ou corrigez DPA_DWH."
    if "not a database" in told:
        return "Le fichier que nomme DPA_DWH n'est pas une base SQLite : corrigez DPA_DWH."
    return (
        f"L'entrepôt ne peut pas être lu ({told}) : vérifiez les droits et le disque, ou restaurez"
        " sa dernière sauvegarde."
    )


@contextmanager
def _postgresql(url: StoreUrl, timeout_s: float) -> Iterator[Query]:
    import psycopg  # slow to import, and not needed on SQLite

    try:
        with _pulse(url, timeout_s).connection() as connection:
            connection.statement_s = timeout_s
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute(f"SET LOCAL statement_timeout = {round(timeout_s * 1000)}")

            def query(sql: str, *values: object) -> Rows:
                text: Any = sql.replace("%", "%%").replace("?", "%s")
                return connection.execute(text, values).fetchall()

            yield query
    except psycopg.Error as error:
        raise WarehouseError(_postgresql_cause(error, url)) from error


@lru_cache(maxsize=8)
def _pulse(url: StoreUrl, timeout_s: float) -> "Pulse":
    """Return what all readings of one server know of it."""
    from cidp.postgres_pulse import Pulse, WatchedConnection

    return Pulse(
        lambda: WatchedConnection.connect(
            url.target,
            connect_timeout=max(2, round(timeout_s)),
            application_name="camrail-api",
        ),
        timeout_s,
    )


def _postgresql_cause(error: "psycopg.Error", url: StoreUrl) -> str:
    if error.sqlstate in {"42P01", "42703"}:
        return f"La base n'a pas les vues de l'entrepôt : {_LOAD}, ou corrigez DPA_DWH."
    if error.sqlstate == "57014":
        return "L'entrepôt n'a pas répondu à temps : réduisez la période, ou réessayez."
    if error.sqlstate == "42501":
        return "Ce compte ne peut pas lire l'entrepôt : donnez-lui sql/powerbi_role.sql."
    told = url.redacted(str(error).strip().splitlines()[0] if str(error).strip() else "muet")
    refusal = connection_refusal(told, "DPA_DWH")
    if refusal is not None:
        return f"Entrepôt {url} : {refusal}."
    return (
        f"Le serveur PostgreSQL de l'entrepôt ne répond pas ({told}) : vérifiez qu'il fonctionne,"
        " puis DPA_DWH."
    )


def day_text(value: object) -> str:
    """Write a day of either database as AAAA-MM-DD."""
    return str(value)[:10]


def instant_text(value: object) -> str:
    """Write a UTC instant of either database in ISO 8601."""
    return f"{str(value)[:19].replace(' ', 'T')}Z"


def placeholders(values: Sequence[object]) -> str:
    """Write one question mark per value."""
    return ", ".join("?" * len(values))
