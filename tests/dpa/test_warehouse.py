"""The warehouse: keyed upserts, corrections, aggregates, refusals, atomicity."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dpa.errors import WarehouseError, WarehouseForeign, WarehouseLocked
from dpa.settings import SERVICE_ROOT
from dpa.warehouse import connect

from .conftest import MACHINES, Desk

A = "T1,M1,2026-01-05 08:00,10,ERR"
B = "T2,M1,2026-01-05 09:00,30,OK"
C = "T3,M2,2026-01-06 00:30,5,WARN"
"""Half past midnight in Douala is still the day before in UTC."""

FACT = "SELECT transaction_id, site_location, day, volume_transferred FROM fact_transactions"
STATS = "SELECT * FROM aggr_daily_site_stats ORDER BY day, site_location"


def test_facts_hold_machine_transaction_alert_and_provenance(desk: Desk) -> None:
    desk.erp(A, "", C)
    summary = desk.run().summary
    assert desk.query(
        "SELECT machine_id, site_location, installation_year, transaction_id, date, "
        "volume_transferred, status_code, critical_alert, source_file, source_sheet, source_line, "
        "run_id FROM fact_transactions ORDER BY transaction_id"
    ) == [
        ("M1", "Douala", 2010, "T1", "2026-01-05T07:00:00Z", 10.0, "ERR", 1,
         "erp.csv", None, 2, summary.run_id),
        ("M2", "Yaoundé", None, "T3", "2026-01-05T23:30:00Z", 5.0, "WARN", 1,
         "erp.csv", None, 4, summary.run_id),
    ]  # fmt: skip


def test_aggregates_count_by_douala_day_and_distinct_machines(desk: Desk) -> None:
    desk.erp(A, B, C)
    desk.run()
    assert desk.query(STATS) == [
        ("2026-01-05", "Douala", 40.0, 1, 1, 2),
        ("2026-01-06", "Yaoundé", 5.0, 1, 1, 1),
    ]


def test_a_second_run_in_any_order_adds_no_row(desk: Desk) -> None:
    lines = [A, B, C, "T4,M1,hier,1,OK", "T5,M9,2026-01-05,1,OK", A]
    desk.erp(*lines)
    first = desk.run().summary
    before = desk.query(f"{FACT} ORDER BY 1"), desk.query(STATS)
    desk.erp(*reversed(lines))
    second = desk.run().summary
    assert (desk.query(f"{FACT} ORDER BY 1"), desk.query(STATS)) == before
    assert (first.loaded, first.rejected, first.duplicates) == (4, 1, 1)
    assert (second.loaded, second.rejected, second.duplicates) == (0, 1, 5)
    assert desk.query("SELECT COUNT(*) FROM audit_corrections") == [(0,)]


def test_the_same_file_again_repeats_no_reject(desk: Desk) -> None:
    desk.erp("T4,M1,hier,1,OK")
    first, second = desk.run().summary, desk.run().summary
    assert desk.query("SELECT first_run_id, run_id, source_line FROM rejets") == [
        (first.run_id, second.run_id, 2)
    ]


def test_a_correction_keeps_the_old_values_and_moves_both_days(desk: Desk) -> None:
    desk.erp(A, B)
    first = desk.run().summary
    desk.erp("T1,M2,2026-01-07,12,OK", B)
    second = desk.run().summary
    assert (second.inserted, second.corrected, second.duplicates) == (0, 1, 1)
    assert second.total_volume == 12
    assert desk.query(STATS) == [
        ("2026-01-05", "Douala", 30.0, 0, 1, 1),
        ("2026-01-07", "Yaoundé", 12.0, 0, 1, 1),
    ]
    assert desk.query(
        "SELECT run_id, transaction_id, old_machine_id, old_site_location, old_date, "
        "old_volume_transferred, old_status_code, old_critical_alert, old_source_line, old_run_id "
        "FROM audit_corrections"
    ) == [
        (second.run_id, "T1", "M1", "Douala", "2026-01-05T07:00:00Z", 10.0, "ERR", 1, 2,
         first.run_id)
    ]  # fmt: skip


def test_only_touched_days_are_aggregated_again(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    desk.execute("UPDATE aggr_daily_site_stats SET total_volume = -1")
    desk.erp(C)
    desk.run()
    assert [row[2] for row in desk.query(STATS)] == [-1.0, 5.0]


def test_an_unknown_machine_is_loaded_under_the_unknown_member(desk: Desk) -> None:
    desk.erp("T1,M9,2026-01-05,3,OK")
    assert "M9" in desk.run().summary.warnings[0]
    assert desk.query("SELECT machine_key, machine_id, site_location FROM fact_transactions") == [
        (-1, "M9", "Inconnu")
    ]


def test_a_known_machine_is_joined_by_its_key(desk: Desk) -> None:
    desk.erp(A, C, "T4,M9,2026-01-05,3,OK", "T5,Inconnu,2026-01-05,3,OK")
    desk.run()
    assert desk.query(
        "SELECT f.machine_id, m.machine_id FROM fact_transactions AS f "
        "JOIN dim_machine AS m USING (machine_key) ORDER BY transaction_id"
    ) == [("M1", "M1"), ("M2", "M2"), ("M9", "Inconnu"), ("Inconnu", "Inconnu")]


def test_a_machine_known_later_takes_its_rows_to_its_site(desk: Desk) -> None:
    desk.erp("T1,M9,2026-01-05,3,OK", "T2,M8,2026-01-05,4,OK")
    desk.run()
    desk.machines(
        [*MACHINES, {"machine_id": "M9", "site_location": "Edéa", "installation_year": 7 + 2000}]
    )
    summary = desk.run().summary
    assert (summary.loaded, summary.duplicates) == (0, 2)
    assert any("désormais connue" in warning for warning in summary.warnings)
    assert [(row[1], row[2]) for row in desk.query(STATS)] == [("Edéa", 3.0), ("Inconnu", 4.0)]
    assert desk.query("SELECT installation_year FROM fact_transactions ORDER BY 1") == [
        (None,),
        (2007,),
    ]


def test_a_machine_that_the_list_forgets_keeps_its_site(desk: Desk) -> None:
    desk.erp(C)
    desk.run()
    desk.machines(MACHINES[:1])
    desk.erp(C, "T4,M2,2026-01-06,3,OK")
    assert desk.run().summary.warnings == [
        "Machines absentes de la liste, laissées au site que donnait une liste antérieure : M2."
    ]
    assert [row[1:4] for row in desk.query(STATS)] == [("Yaoundé", 8.0, 1)]


def test_a_machine_that_moves_is_told_and_keeps_its_history(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    desk.machines([{**MACHINES[0], "site_location": "Bélabo"}])
    desk.erp(A, B)
    summary = desk.run().summary
    assert "M1" in summary.warnings[0]
    assert [row[:2] for row in desk.query(f"{FACT} ORDER BY 1")] == [
        ("T1", "Douala"),
        ("T2", "Bélabo"),
    ]


def test_a_run_leaves_one_lot_with_its_sources_and_counts(desk: Desk) -> None:
    desk.erp(A, "", "T4,M1,hier,1,OK", A)
    summary = desk.run().summary
    assert desk.query(
        "SELECT run_id, started_at, rows_read, rows_loaded, rows_rejected, rows_duplicate, "
        "blank_lines, volume_loaded, transactions_sha256, machines_sha256, mapping_sha256 "
        "FROM dim_lot"
    ) == [
        (summary.run_id, "2026-02-01T12:00:00Z", 3, 1, 1, 1, 1, 10.0,
         summary.sources[0].sha256, summary.sources[1].sha256, None)
    ]  # fmt: skip


def test_a_lot_that_loses_a_row_is_refused_by_the_table(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        desk.execute("UPDATE dim_lot SET rows_read = 2")


def test_a_locked_warehouse_is_named_and_unchanged(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    before = desk.dump()
    desk.erp(B)
    with closing(sqlite3.connect(desk.settings.dwh, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WarehouseLocked, match="verrouillé"):
            desk.run()
    assert desk.dump() == before


def test_a_failure_midway_changes_nothing(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    desk.execute(
        "CREATE TRIGGER panne BEFORE INSERT ON aggr_daily_site_stats "
        "BEGIN SELECT RAISE(ABORT, 'panne'); END"
    )
    before = desk.dump()
    desk.erp("T1,M1,2026-01-05,11,OK", B, "T4,M1,hier,1,OK")
    with pytest.raises(WarehouseError, match=r"panne.*Rien n'a été modifié"):
        desk.run()
    assert desk.dump() == before
    assert desk.query("SELECT COUNT(*) FROM dim_lot") == [(1,)]


def test_a_process_killed_midway_changes_nothing_and_the_next_run_completes(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    before, report = desk.dump(), desk.settings.report.read_bytes()
    desk.erp(B)
    dying = (
        "import os, sys, dpa.warehouse as w\n"
        "from dpa.cli import main\n"
        "w._close_lot = lambda *a: os._exit(9)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environ = os.environ | desk.environ | {"PYTHONPATH": str(SERVICE_ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", dying, *desk.flags], env=environ, check=False)
    assert done.returncode == 9
    assert (desk.dump(), desk.settings.report.read_bytes()) == (before, report)
    assert desk.run().summary.inserted == 1


def test_a_newer_warehouse_is_refused(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    desk.execute("PRAGMA user_version = 99")
    with pytest.raises(WarehouseForeign, match="99"):
        desk.run()


@pytest.mark.parametrize("version", [0, 1])
def test_a_foreign_database_is_refused_and_unchanged(desk: Desk, version: int) -> None:
    desk.erp(A)
    desk.execute("CREATE TABLE clients (nom TEXT)")
    desk.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(WarehouseForeign, match="d'autres tables"):
        desk.run()
    assert desk.query("SELECT name FROM sqlite_master") == [("clients",)]


def test_a_file_that_is_no_database_is_refused_and_unchanged(desk: Desk) -> None:
    desk.erp(A)
    desk.settings.dwh.write_bytes(b"ceci n'est pas une base" * 100)
    with pytest.raises(WarehouseForeign, match="pas une base SQLite"):
        desk.run()
    assert desk.settings.dwh.read_bytes().startswith(b"ceci")


def test_a_damaged_warehouse_is_named(desk: Desk) -> None:
    desk.erp(A)
    desk.run()
    content = desk.settings.dwh.read_bytes()
    desk.settings.dwh.write_bytes(content[:200] + b"\xff" * (len(content) - 200))
    with pytest.raises(WarehouseError, match=r"abîmé.*dernière copie.*Rien n'a été modifié"):
        desk.run()


def test_a_folder_is_no_warehouse(desk: Desk) -> None:
    desk.erp(A)
    with pytest.raises(WarehouseError, match="dossier"):
        desk.run(dwh=desk.folder)


def test_a_first_load_that_waits_in_vain_leaves_the_file_of_the_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other program made the file after this load looked, and has not committed yet."""
    opened = []

    def late(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
        opened.append(sqlite3.connect(path, isolation_level=None))
        opened[0].execute("BEGIN IMMEDIATE")
        return connect(path, busy_timeout_s)

    monkeypatch.setattr("dpa.warehouse.connect", late)
    desk.erp(A)
    with pytest.raises(WarehouseLocked):
        desk.run()
    opened[0].close()
    assert desk.settings.dwh.exists()


def test_a_failed_first_run_leaves_no_empty_database(desk: Desk, tmp_path: Path) -> None:
    desk.erp(A)
    folder = tmp_path / "plein"
    folder.write_bytes(b"")
    with pytest.raises(WarehouseError, match="chemin inutilisable"):
        desk.run(dwh=folder / "dwh.sqlite")
    desk.settings.dwh.write_bytes(b"")
    assert desk.run().summary.loaded == 1


def test_a_first_run_that_fails_midway_leaves_no_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("panne")

    monkeypatch.setattr("dpa.warehouse._close_lot", broken)
    desk.erp(A)
    with pytest.raises(WarehouseError, match="panne"):
        desk.run()
    assert not desk.settings.dwh.exists()


def test_a_full_disk_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
        connection = connect(path, busy_timeout_s)
        connection.execute("PRAGMA max_page_count = 30")
        return connection

    monkeypatch.setattr("dpa.warehouse.connect", small)
    desk.erp(*[f"{'T' * 50}{number},M1,2026-01-05,1,OK" for number in range(2000)])
    with pytest.raises(WarehouseError, match="disque plein"):
        desk.run()
    assert not desk.settings.dwh.exists()


def test_foreign_keys_hold(desk: Desk) -> None:
    desk.erp(A, "T4,M1,hier,1,OK")
    desk.run()
    desk.run()
    assert desk.query("PRAGMA foreign_key_check") == []
    assert desk.query("PRAGMA integrity_check") == [("ok",)]


def test_a_french_title_is_searched_with_its_accents(desk: Desk) -> None:
    desk.erp(C)
    desk.run()
    assert desk.query('SELECT "Volume (t)" FROM v_sites WHERE "Site" = \'Yaoundé\'') == [(5.0,)]
