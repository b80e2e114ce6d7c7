"""The warehouse in a PostgreSQL database, in the schema that its connection works in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import Final

import pyarrow as pa
from adbc_driver_manager import Error, dbapi
from adbc_driver_postgresql import dbapi as postgresql

from dpa.database import Database, Ingest
from dpa.dates import DOUALA_OFFSET_MINUTES
from dpa.dwh_url import DwhUrl
from dpa.errors import WarehouseError, WarehouseForeign
from dpa.postgres_refusals import refusal

_LOAD_LOCK: Final = 0x_CA_3A_A1_1D
"""Advisory lock that every load of a database takes."""
_TABLES: Final = (
    "dim_lot", "dim_date", "dim_site", "dim_machine", "dim_statut", "fact_transactions",
    "aggr_daily_site_stats", "rejets", "audit_corrections",
)  # fmt: skip
_PARAMETERS: Final = {
    "connect_timeout": "10",
    "application_name": "camrail-dpa",
    "client_encoding": "UTF8",
}
"""What the address may say otherwise."""

_SETTINGS: Final = {
    "TimeZone": "'UTC'",
    "random_page_cost": "1.1",  # a merge finds its rows by their keys, on a disk that seeks
    "work_mem": "'64MB'",
    "maintenance_work_mem": "'256MB'",
    "jit": "off",
}


class PostgresDatabase(Database):
    """PostgreSQL; one load at a time, kept so by an advisory lock."""

    kind = "postgresql"

    @classmethod
    def connect(cls, url: DwhUrl, busy_timeout_s: float) -> "PostgresDatabase":
        """Connect; locks are waited for `busy_timeout_s`."""
        connection = postgresql.connect(url.completed(_PARAMETERS), autocommit=True)
        database = cls(connection)
        try:
            for setting, value in _SETTINGS.items():
                database.execute(f"SET {setting} = {value}")
            # Zero would mean for ever.
            database.execute(f"SET lock_timeout = {max(1, round(busy_timeout_s * 1000))}")
            with suppress(Error):  # a server that cannot watch its clients refuses
                database.execute("SET client_connection_check_interval = '1s'")
        except Error:
            connection.close()
            raise
        return database

    def begin_writing(self) -> None:
        self.execute("BEGIN")
        # Fetched, because the driver tells that a query failed no earlier.
        self.rows(f"SELECT pg_advisory_xact_lock({_LOAD_LOCK})")

    def begin_reading(self) -> None:
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def schema_version(self) -> int:
        if self.value("SELECT to_regclass('dwh_schema')::TEXT"):
            return int(self.value("SELECT version FROM dwh_schema"))
        for table in _TABLES:
            if self.value("SELECT to_regclass(?)::TEXT", table):
                raise WarehouseForeign(
                    f"cette base contient déjà une table {table} d'un autre programme ; choisissez "
                    "une autre base, ou un autre schéma (search_path) (--dwh)."
                )
        return 0

    def set_schema_version(self, version: int) -> None:
        self.execute("CREATE TABLE IF NOT EXISTS dwh_schema (version INTEGER NOT NULL)")
        self.execute("DELETE FROM dwh_schema")
        self.execute(f"INSERT INTO dwh_schema (version) VALUES ({version})")  # noqa: S608 (our number)

    def localized(self, script: str) -> str:
        offset = f"(\\1 AT TIME ZONE 'UTC' + INTERVAL '{DOUALA_OFFSET_MINUTES} minutes')"
        script = re.sub(r"\bdouala_time\(([\w.]+)\)", offset, script)
        return re.sub(r"\butc_time\(([\w.]+)\)", r"(\1 AT TIME ZONE 'UTC')", script)

    def analyze(self, table: str) -> None:
        self.execute(f"ANALYZE {table}")

    def instants(self, moments: pa.Array) -> pa.Array:
        return moments

    @contextmanager
    def bulk_loading(self) -> Iterator[Ingest]:
        constraints = self.rows(
            "SELECT conname::TEXT, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'fact_transactions'::regclass AND contype IN ('p', 'f') "
            "ORDER BY contype DESC"
        )
        for name, _ in constraints:
            self.execute(f"ALTER TABLE fact_transactions DROP CONSTRAINT {name}")
        indexes = self.rows(
            "SELECT indexrelid::regclass::TEXT, pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indrelid = 'fact_transactions'::regclass AND indpred IS NULL"
        )
        for name, _ in indexes:
            self.execute(f"DROP INDEX {name}")
        yield partial(self.ingest, "fact_transactions")
        for _, definition in indexes:
            self.execute(definition)
        for name, definition in constraints:
            self.execute(f"ALTER TABLE fact_transactions ADD CONSTRAINT {name} {definition}")

    @classmethod
    def refusal(cls, told: str, sqlstate: str | None) -> WarehouseError:
        return refusal(told, sqlstate)

    def _expect_rows(self, cursor: dbapi.Cursor, count: int) -> None:
        pass  # the server names the types

    def _native(self, sql: str) -> str:
        places = count(1)
        # The driver wraps a query in COPY (…), where a semicolon is out of place.
        return re.sub(r"\?", lambda _: f"${next(places)}", sql.rstrip().removesuffix(";"))
