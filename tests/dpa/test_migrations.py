"""Warehouses of earlier versions are brought to the present schema, and lose nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from postgres import own_schema
from postgres_server import PostgresServer
from store import Store, closing_connection, part

from dpa.calendar_days import calendar_days
from dpa.dwh_url import DwhUrl
from dpa.errors import WarehouseError, WarehouseForeign
from dpa.migrations import SCHEMA_VERSION
from dpa.warehouse import last_day, reading

V1 = (Path(__file__).parent / "fixtures" / "warehouse_v1.sql").read_text(encoding="utf-8")
V2 = (Path(__file__).parent / "fixtures" / "warehouse_v2.sql").read_text(encoding="utf-8")
SHAPES = (
    'SELECT m.type, m.name, m.tbl_name, c.name, c.type, c."notnull", c.dflt_value, c.pk '
    "FROM sqlite_master AS m LEFT JOIN pragma_table_info(m.name) AS c ORDER BY 1, 2, c.cid"
)
NEW = (2, "T9", "M1", "2026-01-08 08:00", 1.0, "OK")


def laid_out(store: Store, script: str, version: int) -> Store:
    """Make a warehouse of an earlier version by its own script."""
    if store.url.kind == "sqlite":
        store.url.path.touch()
    with closing_connection(store.url) as database:
        database.run_script(script)
        database.set_schema_version(version)
    return store


@pytest.fixture
def old(tmp_path: Path) -> Store:
    """A warehouse that the program of version 1 left."""
    path = tmp_path / "dwh.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(V1)
    return Store(DwhUrl.of_file(path))


def test_a_load_into_a_version_1_warehouse_keeps_every_row(old: Store) -> None:
    old.runs = 2
    assert old.load(part([NEW])).inserted == 1
    assert old.rows(
        "SELECT transaction_key, transaction_id, date_key, machine_key, f.site_key, "
        "s.site_location, statut_key, lot_key, date, machine_id, volume_transferred, "
        "critical_alert, source_line "
        "FROM fact_transactions AS f JOIN dim_site AS s ON s.site_key = f.site_key ORDER BY 1"
    ) == [
        (1, "T1", 20260107, 2, 2, "Yaoundé", 1, 2, "2026-01-07T07:00:00", "M2", 12.0, 0, 2),
        (2, "T2", 20241230, 1, 3, "Douala", 1, 1, "2024-12-30T08:00:00", "M1", 30.0, 0, 3),
        (3, "T3", 20260106, -1, -1, "Inconnu", 2, 1, "2026-01-05T23:30:00", "M9", 5.0, 1, 4),
        (4, "T9", 20260108, 1, 3, "Douala", 1, 3, "2026-01-08T07:00:00", "M1", 1.0, 0, 2),
    ]
    assert old.rows(
        "SELECT reject_key, lot_key, first_lot_key, status, source_line FROM rejets"
    ) == [(1, 2, 1, "ouvert", 5)]
    assert old.rows(
        "SELECT lot_key, transaction_id, old_date, old_lot_key FROM audit_corrections"
    ) == [(2, "T1", "2026-01-05T07:00:00", 1)]
    assert old.rows(
        "SELECT lot_key, run_id, started_at, transactions_file, mapping_path, rows_read "
        "FROM dim_lot"
    ) == [
        (1, "R1", "2026-02-01T12:00:00", "erp.csv", None, 4),
        (2, "R2", "2026-02-02T12:00:00", "erp 2.csv", "carte.yaml", 2),
        (3, "R3", "2026-02-01T12:00:00", "erp.csv", None, 1),
    ]
    assert [row[2:5] for row in old.rows("SELECT * FROM aggr_daily_site_stats ORDER BY 1")] == [
        ("2024-12-30", "Douala", 30.0),
        ("2026-01-06", "Inconnu", 5.0),
        ("2026-01-07", "Yaoundé", 12.0),
        ("2026-01-08", "Douala", 1.0),
    ]
    assert old.rows("PRAGMA foreign_key_check") == []


def test_a_migrated_warehouse_has_the_schema_and_the_calendar_of_a_new_one(
    old: Store, tmp_path: Path
) -> None:
    old.load(part([NEW]), run_id="R9")
    new = Store(DwhUrl.of_file(tmp_path / "neuf.sqlite"))
    new.load(part([NEW]))
    assert old.rows(SHAPES) == new.rows(SHAPES)
    checks = "SELECT name, (LENGTH(sql) - LENGTH(REPLACE(sql, 'CHECK', ''))) / 5 FROM sqlite_master"
    assert sorted(old.rows(checks), key=repr) == sorted(new.rows(checks), key=repr)
    keys = "SELECT m.name, k.* FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS k"
    assert sorted(old.rows(keys), key=repr) == sorted(new.rows(keys), key=repr)
    days = calendar_days(2024, 2026)
    query = f"SELECT {', '.join(days.column_names)} FROM dim_date ORDER BY date_key"  # noqa: S608
    expected = zip(*(column.to_pylist() for column in days.columns), strict=True)
    assert old.rows(query) == [(row[0], row[1].isoformat(), *row[2:]) for row in expected]


def test_a_version_1_warehouse_tells_its_last_day_but_waits_for_a_load_to_be_read(
    old: Store,
) -> None:
    assert str(last_day(old.url, 1.0)) == "2026-01-07"
    with pytest.raises(WarehouseForeign, match="lancez un chargement"), reading(old.url, 1.0):
        pass


def test_a_migration_that_fails_leaves_version_1(old: Store) -> None:
    old.execute("DROP TABLE audit_corrections")
    before = old.url.path.read_bytes()
    with pytest.raises(WarehouseError, match="Rien n'a été modifié"):
        old.load(part([NEW]))
    assert old.url.path.read_bytes() == before


def test_a_load_into_a_version_2_warehouse_keeps_its_rejects_and_their_states(
    store: Store,
) -> None:
    laid_out(store, V2, 2).runs = 2
    assert store.load(part([NEW])).open_rejects == 1
    assert store.rows(
        "SELECT reject_key, status, closed_lot_key, closed_line, abandoned_at FROM rejets"
    ) == [(1, "ouvert", None, None, None), (2, "corrigé", 2, 5, None), (3, "remplacé", 2, 6, None)]
    assert store.rows("SELECT run_id, reading FROM dim_lot ORDER BY lot_key") == [
        ("R1", None), ("R2", None), ("R3", None),
    ]  # fmt: skip
    with pytest.raises(Exception, match=r"(?i)check"):
        store.execute("UPDATE rejets SET status = 'abandonné' WHERE reject_key = 1")


def test_a_version_2_warehouse_becomes_what_a_new_one_is(tmp_path: Path) -> None:
    old = laid_out(Store(DwhUrl.of_file(tmp_path / "dwh.sqlite")), V2, 2)
    new = Store(DwhUrl.of_file(tmp_path / "neuf.sqlite"))
    for store in (old, new):
        store.load(part([NEW]), run_id="R9")
    assert old.rows(SHAPES) == new.rows(SHAPES)


@pytest.mark.postgresql
def test_a_version_2_database_becomes_what_a_new_one_is(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    def shapes(name: str, script: str = "") -> list[tuple[object, ...]]:
        store = Store(DwhUrl.parse(own_schema(postgres_server, name)))
        if script:
            laid_out(store, script, 2)
        store.load(part([NEW]), run_id="R9")
        return store.rows(
            "SELECT table_name::TEXT, column_name::TEXT, data_type::TEXT, is_nullable::TEXT "
            "FROM information_schema.columns WHERE table_schema = current_schema() "
            "UNION ALL SELECT conrelid::regclass::TEXT, conname::TEXT, "
            "pg_get_constraintdef(oid), '' FROM pg_constraint "
            "WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2, 3"
        )

    assert shapes(f"{tmp_path.name}_old", V2) == shapes(f"{tmp_path.name}_new")


def test_a_newer_warehouse_is_refused_untouched(store: Store) -> None:
    store.load(part([NEW]))
    with closing_connection(store.url) as database:
        database.set_schema_version(99)
    before = store.dump()
    with pytest.raises(WarehouseForeign, match=r"version 99.*mettez le programme à jour"):
        store.load(part([NEW]))
    with pytest.raises(WarehouseForeign, match="99"), reading(store.url, 1.0):
        pass
    assert store.dump() == before


def test_a_present_schema_is_left_alone(store: Store) -> None:
    store.load(part([NEW]))
    with closing_connection(store.url) as database:
        assert database.schema_version() == SCHEMA_VERSION
    store.execute("DROP VIEW v_jours")
    store.load(part([NEW]))
    with closing_connection(store.url) as database, pytest.raises(Exception, match="v_jours"):
        database.rows("SELECT * FROM v_jours")


@pytest.mark.parametrize(("table", "version"), [("clients", 0), ("clients", 2), ("dim_lot", 0)])
def test_a_foreign_sqlite_database_is_refused_untouched(
    tmp_path: Path, table: str, version: int
) -> None:
    store = Store(DwhUrl.of_file(tmp_path / "dwh.sqlite"))
    with closing(sqlite3.connect(store.url.path)) as connection:
        connection.execute(f"CREATE TABLE {table} (nom TEXT)")
        connection.execute(f"PRAGMA user_version = {version}")
    before = store.url.path.read_bytes()
    with pytest.raises(WarehouseForeign, match="d'autres tables"):
        store.load(part([NEW]))
    assert store.url.path.read_bytes() == before


@pytest.mark.postgresql
def test_a_foreign_table_of_one_of_our_names_is_refused_untouched(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    store = Store(DwhUrl.parse(own_schema(postgres_server, tmp_path.name)))
    store.execute("CREATE TABLE rejets (nom TEXT)")
    with pytest.raises(WarehouseForeign, match=r"une table rejets.*Rien n'a été modifié"):
        store.load(part([NEW]))
    assert store.rows("SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()") == [
        (1,)
    ]


@pytest.mark.postgresql
def test_a_postgresql_database_may_hold_other_tables(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    store = Store(DwhUrl.parse(own_schema(postgres_server, tmp_path.name)))
    store.execute("CREATE TABLE telemetrie (nom TEXT)")
    assert store.load(part([NEW])).inserted == 1
