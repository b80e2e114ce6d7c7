"""The warehouse in a SQLite file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import Error, dbapi
from adbc_driver_sqlite import dbapi as sqlite

from dpa.database import Database, Ingest
from dpa.dates import DOUALA_OFFSET_MINUTES
from dpa.errors import WarehouseError, WarehouseForeign, WarehouseLocked

_FACTS: Final = "fact_transactions"
_CACHE_KIB: Final = 131_072
_SORTING_KIB: Final = 2_000

_DENIED: Final[tuple[type[WarehouseError], str]] = (
    WarehouseError,
    "ce fichier ne peut pas être ouvert et écrit ; vérifiez qu'il n'est pas un dossier, et vos "
    "droits sur lui et sur son dossier.",
)
_REFUSALS: Final[dict[str, tuple[type[WarehouseError], str]]] = {
    "database is locked": (
        WarehouseLocked,
        "l'entrepôt est verrouillé par un autre programme ; fermez-le (ou attendez la fin de "
        "l'autre chargement) et relancez.",
    ),
    "unable to open": _DENIED,
    "failed to open": _DENIED,
    "readonly database": _DENIED,
    "file is not a database": (
        WarehouseForeign,
        "ce fichier n'est pas une base SQLite ; choisissez un autre chemin (--dwh).",
    ),
    "malformed": (
        WarehouseError,
        "l'entrepôt est abîmé ; remettez sa dernière copie, puis rechargez les exports suivants.",
    ),
    "disk is full": (WarehouseError, "disque plein ; libérez de la place et relancez."),
    "disk I/O error": (
        WarehouseError,
        "erreur de lecture ou d'écriture du disque ; vérifiez le disque, ou la connexion au "
        "partage réseau, et relancez.",
    ),
}
"""SQLite's own sentences, the driver giving no code, and what they mean for the user."""


class SqliteDatabase(Database):
    """SQLite in its rollback journal: one file, which a killed load leaves as it was."""

    kind = "sqlite"

    @classmethod
    def connect(cls, path: Path, busy_timeout_s: float, *, create: bool) -> "SqliteDatabase":
        """Open the file; `create` lets SQLite make it when it is missing.

        Raises WarehouseError for a file that is missing otherwise.
        """
        if not create and not path.exists():
            raise WarehouseError(
                "pas d'entrepôt à ce chemin ; corrigez-le (--dwh), ou lancez un chargement, qui le "
                "crée."
            )
        connection = sqlite.connect(file_uri(path.absolute(), create=create), autocommit=True)
        database = cls(connection)
        try:
            for setting in (
                f"busy_timeout = {round(busy_timeout_s * 1000)}",
                f"cache_size = -{_CACHE_KIB}",
                "threads = 2",  # sorting for an index
            ):
                database.execute(f"PRAGMA {setting}")
        except Error:
            connection.close()
            raise
        return database

    def begin_writing(self) -> None:
        # Foreign keys can only be switched outside of a transaction, and cost a first load a third
        # more than checking all of them at its end.
        while True:
            first = self._has_no_facts()
            self.execute(f"PRAGMA foreign_keys = {'OFF' if first else 'ON'}")
            self.execute("BEGIN IMMEDIATE")
            if self._has_no_facts() == first:
                return
            self.execute("ROLLBACK")

    def begin_reading(self) -> None:
        self.execute("BEGIN")

    def _has_no_facts(self) -> bool:
        tables = self.value("SELECT COUNT(*) FROM sqlite_master WHERE name = ?", _FACTS)
        return tables == 0 or not self.rows("SELECT 1 FROM fact_transactions LIMIT 1")

    def schema_version(self) -> int:
        version = int(self.value("PRAGMA user_version"))
        tables = {name for (name,) in self.rows("SELECT name FROM sqlite_master")}
        if not tables:
            return 0
        if "dim_lot" not in tables or version == 0:
            raise WarehouseForeign(
                "cette base contient d'autres tables ; choisissez un autre chemin (--dwh)."
            )
        return version

    def set_schema_version(self, version: int) -> None:
        self.execute(f"PRAGMA user_version = {version}")

    def localized(self, script: str) -> str:
        offset = f"datetime(\\1, '+{DOUALA_OFFSET_MINUTES} minutes')"
        script = re.sub(r"\bdouala_time\(([\w.]+)\)", offset, script)
        return re.sub(r"\butc_time\(([\w.]+)\)", r"datetime(\1)", script)

    def analyze(self, table: str) -> None:
        pass  # temporary tables are joined by their keys whatever their size

    def instants(self, moments: pa.Array) -> pa.Array:
        return iso_texts(moments.cast(pa.int64()).to_numpy(zero_copy_only=False))

    @contextmanager
    def bulk_loading(self) -> Iterator[Ingest]:
        # A partial index takes few rows, and would be made by reading all of them.
        indexes = self.rows(
            "SELECT m.name, m.sql FROM pragma_index_list(?) AS l "
            "JOIN sqlite_master AS m ON m.name = l.name WHERE l.origin = 'c' AND l.partial = 0",
            _FACTS,
        )
        for name, _ in indexes:
            self.execute(f"DROP INDEX {name}")
        # Sorting in small runs fits the processor's caches, and the system's cache holds the file.
        self.execute(f"PRAGMA cache_size = -{_SORTING_KIB}")
        references = self.rows(
            'SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)', _FACTS
        )
        used: dict[str, set[int]] = {column: set() for column, _, _ in references}

        def ingest(facts: pa.Table) -> None:
            for column, keys in used.items():
                keys.update(pc.unique(facts[column]).to_pylist())
            # SQLite numbers the rows of an empty table as we do, 1 and on, and faster.
            self.ingest(_FACTS, facts.drop_columns(["transaction_key"]))

        yield ingest
        for _, definition in indexes:
            self.execute(definition)
        self.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        for column, parent, key in references:
            self._refuse_orphans(used[column], parent, key)
        self._refuse_other_orphans()

    def _refuse_orphans(self, used: set[int], parent: str, key: str) -> None:
        """Verify the distinct values of a column that refers to another table."""
        known = self.rows(f"SELECT {key} FROM {parent}")  # noqa: S608 (our names)
        if used - {value for (value,) in known}:
            raise WarehouseError(f"clé étrangère sans ligne dans {parent}.")

    def _refuse_other_orphans(self) -> None:
        """Verify the foreign keys of every table but the facts."""
        tables = self.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> ?", _FACTS
        )
        for (table,) in tables:
            if orphans := self.rows(f"PRAGMA foreign_key_check({table})"):
                raise WarehouseError(f"clé étrangère sans ligne dans {orphans[0][2]}.")

    @classmethod
    def refusal(cls, told: str, sqlstate: str | None) -> WarehouseError:
        for sentence, (kind, cause) in _REFUSALS.items():
            if sentence in told:
                return kind(cause)
        return WarehouseError(f"l'entrepôt a refusé ({told}).")

    def _expect_rows(self, cursor: dbapi.Cursor, count: int) -> None:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(count)})


def file_uri(path: PurePath, *, create: bool) -> str:
    """Name an absolute path as SQLite wants it, on a Windows share too."""
    place = path.as_posix()
    root = "" if place.startswith("/") else "/"
    return f"file://{root}{quote(place, safe='/:')}?mode={'rwc' if create else 'rw'}"


def iso_texts(seconds: "np.ndarray") -> pa.Array:
    """Write seconds since 1970 as "2026-01-31T07:30:00", ten times faster than strftime."""
    days, rest = np.divmod(seconds, 86_400)
    chars = np.empty((len(seconds), 19), np.uint8)
    chars[:, :10] = _day_chars(days)
    chars[:, 10] = ord("T")
    chars[:, [13, 16]] = ord(":")
    for place, unit, base in ((11, 3600, 24), (14, 60, 60), (17, 1, 60)):
        tens, ones = np.divmod(rest // unit % base, 10)
        chars[:, place] = tens + ord("0")
        chars[:, place + 1] = ones + ord("0")
    offsets = np.arange(0, chars.size + 1, 19, dtype=np.int32)
    return pa.StringArray.from_buffers(len(seconds), pa.py_buffer(offsets), pa.py_buffer(chars))


def _day_chars(days: "np.ndarray") -> "np.ndarray":
    """Write days since 1970 as rows of ten characters."""
    if not len(days):
        return np.empty((0, 10), np.uint8)
    first = days.min()
    span = np.arange(first, days.max() + 1).astype("datetime64[D]")
    names = np.datetime_as_string(span).astype("S10").view(np.uint8).reshape(-1, 10)
    return np.asarray(names[days - first])
