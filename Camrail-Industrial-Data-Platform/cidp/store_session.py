"""One transaction on an event store, in SQL that both databases are given."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cidp.event_batch import Batch, Integers

Row = tuple[Any, ...]


class Session(ABC):
    """Runs statements of one text on either database.

    Parameters are `:name`. `IN :names` takes a list; `greatest`, `least`, `json_array`,
    `json_group_array` and `FOR UPDATE` mean on SQLite what they do, or do not need to, on
    PostgreSQL. Instants go in as aware datetimes and are read with `instant`.
    """

    @abstractmethod
    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        """Run a statement and return its rows."""

    @abstractmethod
    def run(self, sql: str, **parameters: Any) -> int:
        """Run a statement and return how many rows it changed."""

    @abstractmethod
    def insert(self, table: str, columns: Mapping[str, Sequence[Any]], conflict: str = "") -> None:
        """Insert the rows that `columns` hold, all in one statement; `conflict` ends it."""

    @abstractmethod
    def insert_readings(
        self, batch: Batch, chosen: Integers, received_at: datetime
    ) -> dict[int, Row]:
        """Insert the `chosen` events; return by index what is on record for those known before.

        A record has the four readings, the probability and whether it is critical.
        """

    @abstractmethod
    def instant(self, value: Any) -> datetime:
        """Read an instant of a row."""

    @abstractmethod
    def items(self, value: Any) -> list[Any]:
        """Read the list that `json_group_array` made."""
