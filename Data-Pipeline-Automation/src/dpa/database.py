"""One connection to a warehouse: statements, bulk ingestion, and errors told in French."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa
from adbc_driver_manager import Error, dbapi

from dpa.errors import WarehouseError
from dpa.sql_files import statements

_WHOLE_ROWS: Final = 1_000_000
_BATCH_ROWS: Final = 65_536
_SENT_ROWS: Final = 4_096
"""The driver encodes a batch whole before it sends it: a server works on small ones meanwhile."""


Ingest = Callable[[pa.Table], None]
"""Appends rows to a table that was chosen before."""


class Database(ABC):
    """What SQLite and PostgreSQL have in common; each one's ways are in a module of its own.

    Statements are written once for both, values bound to `?` in order. Transactions are begun and
    ended by us alone.
    """

    kind: ClassVar[Literal["sqlite", "postgresql"]]

    def __init__(self, connection: dbapi.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, *values: object) -> None:
        """Run one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(self._native(sql), values or None)

    def run_script(self, script: str) -> None:
        """Run the statements of a script one by one."""
        for statement in statements(script):
            self.execute(statement)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one query and give its rows."""
        columns = self.table(sql, *values).columns
        return list(zip(*(column.to_pylist() for column in columns), strict=True))

    def value(self, sql: str, *values: object) -> Any:
        """Run one query and give the first value of its first row."""
        return self.rows(sql, *values)[0][0]

    def table(self, sql: str, *values: object) -> pa.Table:
        """Run one query and give its result whole.

        On SQLite the type of a column is that of its values: without a value, it is one of
        integers.
        """
        with self._connection.cursor() as cursor:
            self._expect_rows(cursor, _WHOLE_ROWS)
            cursor.execute(self._native(sql), values or None)
            return cursor.fetch_arrow_table()

    def batches(self, sql: str, *values: object) -> Iterator[pa.RecordBatch]:
        """Run one query and give its result batch by batch."""
        with self._connection.cursor() as cursor:
            self._expect_rows(cursor, _BATCH_ROWS)
            cursor.execute(self._native(sql), values or None)
            yield from cursor.fetch_record_batch()

    def ingest(self, name: str, data: pa.Table, *, temporary: bool = False) -> None:
        """Append rows in bulk; integers must have the width of their column (INTEGER: int32)."""
        if data.num_rows:
            with self._connection.cursor() as cursor:
                batches = data.to_reader(_SENT_ROWS)
                cursor.adbc_ingest(name, batches, mode="append", temporary=temporary)

    def commit(self) -> None:
        """Make the transaction lasting."""
        self.execute("COMMIT")

    def close(self) -> None:
        """Undo what is not committed, and disconnect; works on a broken connection too."""
        with suppress(Error):
            self.execute("ROLLBACK")
        self._connection.close()

    def _native(self, sql: str) -> str:
        """Write the places of bound values as the database does."""
        return sql

    @abstractmethod
    def analyze(self, table: str) -> None:
        """Let the planner know how large a table made in this transaction is."""

    @abstractmethod
    def _expect_rows(self, cursor: dbapi.Cursor, count: int) -> None:
        """Have the driver look at so many rows before it fixes the types of a result."""

    @abstractmethod
    def begin_writing(self) -> None:
        """Begin a transaction that no other load can run beside."""

    @abstractmethod
    def begin_reading(self) -> None:
        """Begin a transaction that sees one state and writes nothing."""

    @abstractmethod
    def schema_version(self) -> int:
        """Tell the version of our schema, 0 when there is none; raises WarehouseForeign."""

    @abstractmethod
    def set_schema_version(self, version: int) -> None:
        """Note the version of our schema."""

    @abstractmethod
    def localized(self, script: str) -> str:
        """Replace the pseudo-functions `douala_time(column)` and `utc_time(column)`."""

    @abstractmethod
    def instants(self, moments: pa.Array) -> pa.Array:
        """Give UTC instants (timestamp[s, UTC]) the form in which columns keep them."""

    @abstractmethod
    def bulk_loading(self) -> AbstractContextManager[Ingest]:
        """Fill the empty fact table inside, by what is given and by nothing else.

        Its indexes come at the end, and so does the verification of its foreign keys.
        """

    @classmethod
    @abstractmethod
    def refusal(cls, told: str, sqlstate: str | None) -> WarehouseError:
        """Say what a driver's message means for the user."""
