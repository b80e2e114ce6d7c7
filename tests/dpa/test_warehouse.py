"""The warehouse of either kind: keyed upserts, corrections, aggregates, rejects, atomicity."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from store import MACHINES, Store, machine_list, part

from dpa.dwh_url import DwhUrl
from dpa.errors import RejectsClosed, SourceUnreadable, WarehouseError, WarehouseForeign
from dpa.errors import WarehouseLocked
from dpa.parts import CheckedPart
from dpa.settings import SERVICE_ROOT
from dpa.warehouse import connect, last_day, load, reading

A = (2, "T1", "M1", "2026-01-05 08:00", 10.0, "ERR")
B = (3, "T2", "M1", "2026-01-05 09:00", 30.0, "OK")
C = (4, "T3", "M2", "2026-01-06 00:30", 5.0, "WARN")
"""Half past midnight in Douala is still the day before in UTC."""
UNKNOWN = (5, "T4", "M9", "2026-01-05 10:00", 3.0, "OK")

FACTS = (
    "SELECT transaction_id, site_location, date_key, volume_transferred FROM fact_transactions "
    "ORDER BY 1"
)
STATS = (
    "SELECT day, site_location, total_volume, total_alerts, active_machines, transaction_count "
    "FROM aggr_daily_site_stats ORDER BY day, site_location"
)
RECOMPUTED = (
    "SELECT d.day, f.site_location, SUM(f.volume_transferred), SUM(f.critical_alert), "
    "COUNT(DISTINCT f.machine_id), COUNT(*) FROM fact_transactions AS f "
    "JOIN dim_date AS d ON d.date_key = f.date_key "
    "GROUP BY d.day, f.site_location ORDER BY d.day, f.site_location"
)
REJECTS = (
    "SELECT reject_key, lot_key, first_lot_key, status, closed_lot_key, closed_line, source_line "
    "FROM rejets ORDER BY reject_key"
)


def test_facts_hold_keys_machine_transaction_alert_and_line(store: Store) -> None:
    store.load(part([A, C]))
    assert store.rows(
        "SELECT transaction_key, transaction_id, date_key, machine_key, site_key, statut_key, "
        "lot_key, date, machine_id, site_location, status_code, volume_transferred, "
        "critical_alert, source_line FROM fact_transactions ORDER BY 1"
    ) == [
        (1, "T1", 20260105, 1, 1, 3, 1, "2026-01-05T07:00:00", "M1", "Douala", "ERR", 10.0, 1, 2),
        (2, "T3", 20260106, 2, 2, 2, 1, "2026-01-05T23:30:00", "M2", "Yaoundé", "WARN", 5.0, 1, 4),
    ]


def test_a_transaction_is_shown_with_the_names_of_its_keys(store: Store) -> None:
    store.load(part([C]), transactions_sheet="Janvier")
    assert store.rows(
        'SELECT "Machine", "Site", "Année d\'installation", "Date (Douala)", "Jour", '
        '"Fichier source", "Feuille source", "Ligne source", "Lot" FROM v_transactions'
    ) in (
        [("M2", "Yaoundé", None, moment, "2026-01-06", "erp.csv", "Janvier", 4, "R1")]
        for moment in ("2026-01-06 00:30:00", "2026-01-06T00:30:00")
    )


@pytest.mark.parametrize("runs", [[[A, B, C]], [[A, B], [C]], [[C], [B], [A]]])
def test_aggregates_count_by_douala_day_and_distinct_machines(
    store: Store, runs: list[list[tuple[int, str, str, str, float, str]]]
) -> None:
    for rows in runs:
        store.load(part(rows))
    assert store.rows(STATS) == [
        ("2026-01-05", "Douala", 40.0, 1, 1, 2),
        ("2026-01-06", "Yaoundé", 5.0, 1, 1, 1),
    ]


def test_parts_of_one_file_are_one_run(store: Store) -> None:
    loaded = store.load(part([A, UNKNOWN]), part(), part([B], duplicates=1), part([C], [9]))
    assert (loaded.read, loaded.inserted, loaded.duplicates, loaded.rejected) == (6, 4, 1, 1)
    assert store.rows(STATS) == store.rows(RECOMPUTED)
    assert store.rows("SELECT transaction_key FROM fact_transactions ORDER BY 1") == [
        (1,), (2,), (3,), (4,)
    ]  # fmt: skip


def test_a_second_run_in_any_order_adds_no_row(store: Store) -> None:
    first = store.load(part([A, B, UNKNOWN], [8], duplicates=1), sha256="f" * 64)
    before = store.dump()
    second = store.load(part([UNKNOWN, B, A], [8], duplicates=1), sha256="f" * 64)
    after = store.dump()
    assert before.pop("rejets") != after.pop("rejets"), "the latest run that met it moves"
    assert after == before
    assert (first.inserted, first.rejected, first.duplicates) == (3, 1, 1)
    assert (second.inserted, second.corrected, second.duplicates) == (0, 0, 4)


def test_a_correction_keeps_the_old_values_and_moves_both_days(store: Store) -> None:
    store.load(part([A, B]))
    second = store.load(part([(7, "T1", "M2", "2026-01-07 08:00", 12.0, "OK"), B]))
    assert (second.inserted, second.corrected, second.duplicates) == (0, 1, 1)
    assert second.total_volume == 12
    assert store.rows(STATS) == [
        ("2026-01-05", "Douala", 30.0, 0, 1, 1),
        ("2026-01-07", "Yaoundé", 12.0, 0, 1, 1),
    ]
    assert store.rows(
        "SELECT audit_key, lot_key, transaction_id, old_machine_id, old_site_location, old_date, "
        "old_volume_transferred, old_status_code, old_critical_alert, old_source_line, old_lot_key "
        "FROM audit_corrections"
    ) == [(1, 2, "T1", "M1", "Douala", "2026-01-05T07:00:00", 10.0, "ERR", 1, 2, 1)]


def test_a_correction_in_place_moves_the_sums_to_the_gram(store: Store) -> None:
    store.load(part([A, (3, "T2", "M1", "2026-01-05 09:00", 0.1, "OK")]))
    loaded = store.load(part([(2, "T1", "M1", "2026-01-05 11:00", 0.2, "OK")]))
    assert loaded.corrected == 1
    assert store.rows(STATS) == [("2026-01-05", "Douala", 0.3, 0, 1, 2)]
    assert store.rows("SELECT lot_key, source_line FROM fact_transactions ORDER BY 1") == [
        (1, 3),
        (2, 2),
    ]


def test_corrections_of_all_kinds_leave_what_a_fresh_aggregation_gives(store: Store) -> None:
    store.load(part([A, B, C, UNKNOWN]))
    corrections = [
        (2, "T1", "M1", "2026-01-05 08:00", 11.0, "OK"),  # in place
        (3, "T2", "M1", "2026-01-06 09:00", 30.0, "OK"),  # another day
        (4, "T3", "M1", "2026-01-06 00:30", 5.0, "WARN"),  # another machine, another site
        (5, "T4", "M1", "2026-01-05 10:00", 3.0, "OK"),  # from an unknown machine
        (6, "T5", "M2", "2026-01-05 10:00", 4.0, "ERR"),  # new
    ]
    loaded = store.load(part(corrections))
    assert (loaded.corrected, loaded.inserted) == (4, 1)
    assert store.rows(STATS) == store.rows(RECOMPUTED)


def test_only_touched_days_are_aggregated_again(store: Store) -> None:
    store.load(part([A]))
    store.execute("UPDATE aggr_daily_site_stats SET total_volume = -1")
    store.load(part([C]))
    assert [row[2] for row in store.rows(STATS)] == [-1.0, 5.0]


def test_an_unknown_machine_is_loaded_under_the_unknown_member(store: Store) -> None:
    assert store.load(part([UNKNOWN])).unknown_machines == ["M9"]
    assert store.rows("SELECT machine_key, site_key, site_location FROM fact_transactions") == [
        (-1, -1, "Inconnu")
    ]


def test_a_machine_known_later_takes_its_rows_to_its_site(store: Store) -> None:
    store.load(part([UNKNOWN, (6, "T5", "M8", "2026-01-05 10:00", 4.0, "OK")]))
    loaded = store.load(part([UNKNOWN]), machines=[*MACHINES, ("M9", "Edéa", 2007)])
    assert (loaded.newly_attached, loaded.duplicates, loaded.unknown_machines) == (1, 1, [])
    assert [row[1:3] for row in store.rows(STATS)] == [("Edéa", 3.0), ("Inconnu", 4.0)]
    assert (
        store.rows('SELECT "Machine", "Année d\'installation" FROM v_transactions')
        == [
            ("M9", 2007),
            ("M8", None),
        ]
        or store.url.kind == "postgresql"
    )


def test_a_machine_that_the_list_forgets_keeps_its_site(store: Store) -> None:
    store.load(part([C]))
    loaded = store.load(
        part([C, (5, "T9", "M2", "2026-01-06 03:00", 3.0, "OK")]), machines=MACHINES[:1]
    )
    assert (loaded.remembered_machines, loaded.unknown_machines) == (["M2"], [])
    assert [row[1:4] for row in store.rows(STATS)] == [("Yaoundé", 8.0, 1)]


def test_a_machine_that_moves_is_told_and_keeps_its_history(store: Store) -> None:
    store.load(part([A]))
    loaded = store.load(part([A, B]), machines=[("M1", "Bélabo", 2011), MACHINES[1]])
    assert loaded.moved_machines == ["M1"]
    assert [row[:2] for row in store.rows(FACTS)] == [("T1", "Douala"), ("T2", "Bélabo")]
    assert store.rows("SELECT * FROM dim_machine WHERE machine_key = 1") == [
        (1, "M1", 3, "Bélabo", 2011)
    ]


def test_keys_go_on_where_earlier_runs_ended(store: Store) -> None:
    store.load(part([A]))
    store.load(part([B]), machines=[("M3", "Edéa", 1), ("M1", "Douala", 2010)])
    assert store.rows("SELECT machine_key, machine_id FROM dim_machine ORDER BY 1") == [
        (-1, "Inconnu"), (1, "M1"), (2, "M2"), (3, "M3")
    ]  # fmt: skip
    assert store.rows("SELECT transaction_key, lot_key FROM fact_transactions ORDER BY 1") == [
        (1, 1),
        (2, 2),
    ]


def test_the_calendar_has_whole_years_and_no_gap(store: Store) -> None:
    years = "SELECT annee, COUNT(*) FROM dim_date GROUP BY annee ORDER BY annee"
    store.load(part([A]))
    assert store.rows(years) == [(2026, 365)]
    store.load(part([(2, "T8", "M1", "2023-12-31 23:00", 1.0, "OK")]))
    assert store.rows(years) == [(2023, 365), (2024, 366), (2025, 365), (2026, 365)]


def test_a_run_leaves_one_lot_with_its_sources_and_counts(store: Store) -> None:
    store.load(part([A], [4], duplicates=1, skipped=2, blank_lines=1), sha256="c" * 64)
    assert store.rows(
        "SELECT run_id, started_at, kind, transactions_file, transactions_sha256, rows_read, "
        "rows_loaded, rows_rejected, rows_duplicate, rows_skipped, blank_lines, volume_loaded, "
        "mapping_path FROM dim_lot"
    ) == [
        ("R1", "2026-02-01T12:00:00", "chargement", "erp.csv", "c" * 64, 3, 1, 1, 1, 2, 1, 10.0,
         None)
    ]  # fmt: skip


def test_counts_of_all_parts_are_added_up(store: Store) -> None:
    future = (9, "T9", "M1", "2026-02-01 14:00", 1.0, "OK")
    loaded = store.load(
        part([A], [5, 6], defaulted={"status_code": 2}),
        part([future], defaulted={"status_code": 1, "date": 1}),
    )
    assert loaded.defaulted == {"status_code": 3, "date": 1}
    assert loaded.rejects_by_rule == {"DATE_INVALIDE": 2}
    assert (loaded.future_rows, loaded.total_volume) == (1, 11.0)


def test_a_run_without_a_sound_row_is_a_run(store: Store) -> None:
    assert store.load(part([], [2])).read == 1
    assert store.load(part([A])).inserted == 1
    assert store.load(part([], [2])).rejected == 1
    assert store.rows("SELECT COUNT(*) FROM dim_lot") == [(3,)]


def test_a_part_that_loses_a_row_is_refused_by_the_lot(store: Store) -> None:
    store.load(part([A]))
    before = store.dump()
    lossy = CheckedPart(5, part([B]).accepted, part([B]).rejects)
    with pytest.raises(WarehouseError, match=r"(?i)check.*Rien n'a été modifié"):
        store.load(lossy)
    assert store.dump() == before


@pytest.mark.parametrize("first", [True, False])
def test_what_a_part_raises_is_raised_unchanged_and_changes_nothing(
    store: Store, first: bool
) -> None:
    if not first:
        store.load(part([C]))
    before = None if first else store.dump()

    def parts() -> Iterator[CheckedPart]:
        yield part([A])
        raise SourceUnreadable("disque parti")

    with pytest.raises(SourceUnreadable, match=r"^disque parti$"):
        store.load(*[], **{"sha256": "d" * 64}) if False else load(
            store.url, _lot("X"), machine_list(MACHINES), parts(), 0.05
        )
    if first:
        assert last_day(store.url, 0.05) is None
    else:
        assert store.dump() == before


def _lot(run_id: str) -> dict[str, str | int | None]:
    return {
        "run_id": run_id,
        "started_at": "2026-02-01T12:00:00Z",
        "version": "3",
        "kind": "chargement",
        "transactions_path": "erp.csv",
        "transactions_sha256": "a" * 64,
        "transactions_sheet": "",
        "machines_path": "m.json",
        "machines_sha256": "b" * 64,
        "mapping_path": None,
        "mapping_sha256": None,
    }
