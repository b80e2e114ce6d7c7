"""What SQLite needs of its own: instants as text, and refusals read from its sentences."""

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpa.errors import WarehouseError, WarehouseLocked
from dpa.migrations import ensure_schema
from dpa.sqlite_database import SqliteDatabase, file_uri, iso_texts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-631_152_000, 4_133_980_799), max_size=20))
def test_instants_are_written_as_python_writes_them(seconds: list[int]) -> None:
    expected = [
        (datetime(1970, 1, 1) + timedelta(seconds=second)).isoformat() for second in seconds
    ]
    assert iso_texts(np.array(seconds, dtype=np.int64)).to_pylist() == expected


@pytest.mark.parametrize(
    ("told", "kind", "cause"),
    [
        ("IO: Failed to step query: database is locked", WarehouseLocked, "verrouillé"),
        ("IO: disk I/O error", WarehouseError, "erreur de lecture ou d'écriture"),
        ("database or disk is full", WarehouseError, "libérez de la place"),
        ("attempt to write a readonly database", WarehouseError, "vos droits"),
        ("no such table: a", WarehouseError, r"a refusé \(no such table: a\)"),
    ],
)
def test_a_refusal_is_told_in_french(told: str, kind: type[WarehouseError], cause: str) -> None:
    refusal = SqliteDatabase.refusal(told, None)
    assert type(refusal) is kind
    with pytest.raises(kind, match=cause):
        raise refusal


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/data/a b?.sqlite"), "file:///data/a%20b%3F.sqlite?mode=rw"),
        (PureWindowsPath(r"C:\data\a#b.sqlite"), "file:///C:/data/a%23b.sqlite?mode=rw"),
        (
            PureWindowsPath(r"\\serveur\partage\a.sqlite"),
            "file:////serveur/partage/a.sqlite?mode=rw",
        ),
    ],
)
def test_a_path_is_no_address(path: PurePosixPath | PureWindowsPath, uri: str) -> None:
    assert file_uri(path, create=False) == uri


FACT = {
    "transaction_id": "T1",
    "machine_id": "M1",
    "site_location": "Inconnu",
    "status_code": "OK",
    "date": "2026-01-01T08:00:00",
    "volume_transferred": 1.0,
    "date_key": 20260101,
    "machine_key": -1,
    "site_key": -1,
    "statut_key": 1,
    "lot_key": 1,
    "critical_alert": 0,
    "source_line": 2,
    "transaction_key": 1,
}


@pytest.mark.parametrize(
    ("column", "parent"),
    [
        ("date_key", "dim_date"),
        ("machine_key", "dim_machine"),
        ("site_key", "dim_site"),
        ("statut_key", "dim_statut"),
        ("lot_key", "dim_lot"),
    ],
)
def test_a_first_load_refuses_a_key_that_is_in_no_dimension(
    tmp_path: Path, column: str, parent: str
) -> None:
    with closing(empty_warehouse(tmp_path / "dwh.sqlite")) as database:
        with database.bulk_loading() as ingest:
            ingest(pa.Table.from_pylist([FACT]))
        database.execute("DELETE FROM fact_transactions")
        with (
            pytest.raises(WarehouseError, match=f"sans ligne dans {parent}"),
            database.bulk_loading() as ingest,
        ):
            ingest(pa.Table.from_pylist([FACT, FACT | {"transaction_id": "T2", column: 99}]))


def test_a_first_load_refuses_a_dimension_that_refers_to_nothing(tmp_path: Path) -> None:
    with (
        closing(empty_warehouse(tmp_path / "dwh.sqlite")) as database,
        pytest.raises(WarehouseError, match="sans ligne dans dim_site"),
        database.bulk_loading(),
    ):
        database.execute("UPDATE dim_machine SET site_key = 99")


def empty_warehouse(path: Path) -> SqliteDatabase:
    """Give a warehouse in the transaction of its first load, with one day and one lot."""
    database = SqliteDatabase.connect(path, 1.0, create=True)
    database.begin_writing()
    ensure_schema(database)
    database.execute(
        "INSERT INTO dim_date VALUES "
        "(20260101, '2026-01-01', 2026, 1, 1, 'janvier', '2026-01', 2026, 1, 1, 1, 4, 'jeudi', 0)"
    )
    database.execute(
        "INSERT INTO dim_lot (lot_key, run_id, started_at, version, kind, transactions_path, "
        "transactions_file, transactions_sha256, machines_path, machines_sha256) "
        "VALUES (1, 'R1', '2026-01-01T08:00:00', '1', 'chargement', 'a', 'a', 'a', 'm', 'm')"
    )
    return database
