"""The warehouse of either kind: keyed upserts, corrections, aggregates, rejects, atomicity."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error
from postgres import own_schema
from postgres_server import PostgresServer
from store import MACHINES, Store, closing_connection, part

from dpa.database import Database
from dpa.dwh_url import DwhUrl
from dpa.errors import (
    RejectsClosed,
    SourceUnreadable,
    WarehouseError,
    WarehouseForeign,
    WarehouseLocked,
)
from dpa.parts import CheckedPart
from dpa.settings import SERVICE_ROOT
from dpa.sqlite_database import SqliteDatabase
from dpa.warehouse import known_sites, last_day, reading

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
    query = 'SELECT "Machine", "Année d\'installation" FROM v_transactions ORDER BY "Machine"'
    assert store.rows(query) == [("M8", None), ("M9", 2007)]


def test_a_machine_that_the_list_forgets_keeps_its_site(store: Store) -> None:
    store.load(part([C]))
    loaded = store.load(
        part([C, (5, "T9", "M2", "2026-01-06 03:00", 3.0, "OK")]), machines=MACHINES[:1]
    )
    assert (loaded.remembered_machines, loaded.unknown_machines) == (["M2"], [])
    assert [row[1:4] for row in store.rows(STATS)] == [("Yaoundé", 8.0, 1)]


def test_a_list_that_only_adds_changes_no_known_machine(store: Store) -> None:
    store.load(part([A]))
    other = [("M1", "Kribi", 1999), ("M3", "Bélabo", 2020)]
    loaded = store.load(part([]), machines=other, only_adds=True)
    assert loaded.moved_machines == []
    assert store.rows(
        "SELECT machine_id, site_location, installation_year FROM dim_machine "
        "WHERE machine_key > 0 ORDER BY 1"
    ) == [("M1", "Douala", 2010), ("M2", "Yaoundé", None), ("M3", "Bélabo", 2020)]
    assert ("Kribi",) not in store.rows("SELECT site_location FROM dim_site")


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
        store.load(parts=parts())
    if first:
        assert is_absent(store)
    else:
        assert store.dump() == before


def is_absent(store: Store) -> bool:
    if store.url.kind == "sqlite":
        return not store.url.path.exists()
    return store.rows("SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()") == [
        (0,)
    ]


def test_parts_are_checked_while_another_is_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first part is held up in the writer until the second one is being made."""
    asked_again = threading.Event()
    ingest = Database.ingest

    def held_up(self: Database, name: str, data: pa.Table, *, temporary: bool = False) -> None:
        if name == "fact_transactions":
            assert asked_again.wait(240)
        ingest(self, name, data, temporary=temporary)

    def parts() -> Iterator[CheckedPart]:
        yield part([A])
        asked_again.set()
        yield part([B])

    monkeypatch.setattr(Database, "ingest", held_up)
    assert store.load(parts=parts()).inserted == 2


def test_a_reject_met_again_moves_to_the_latest_run(store: Store) -> None:
    for _ in range(2):
        store.load(part([], [5]), sha256="e" * 64)
    assert store.rows(REJECTS) == [(1, 2, 1, "ouvert", None, None, 5)]


def test_a_line_that_is_read_at_last_closes_its_reject(store: Store) -> None:
    """The same content with the right mapping; lines that --since leaves out prove nothing."""
    store.load(part([], [2, 3]), sha256="e" * 64)
    store.load(part([], [], skipped=2), sha256="e" * 64)
    assert [row[3] for row in store.rows(REJECTS)] == ["ouvert", "ouvert"]
    store.load(part([A], [3]), sha256="e" * 64)
    assert store.rows(REJECTS) == [
        (1, 1, 1, "corrigé", 3, 2, 2),
        (2, 3, 1, "ouvert", None, None, 3),
    ]


def test_resubmitted_rows_close_their_rejects(store: Store) -> None:
    store.load(part([], [11, 12, 13, 14]))
    loaded = store.load(part([A], [3], duplicates=1), closing={2: 1, 3: 2, 4: 3})
    assert (loaded.inserted, loaded.rejected, loaded.duplicates) == (1, 1, 1)
    assert store.rows(REJECTS) == [
        (1, 1, 1, "corrigé", 2, 2, 11),
        (2, 1, 1, "remplacé", 2, 3, 12),
        (3, 1, 1, "corrigé", 2, 4, 13),
        (4, 1, 1, "ouvert", None, None, 14),
        (5, 2, 2, "ouvert", None, None, 3),
    ]
    assert store.rows("SELECT kind FROM dim_lot ORDER BY lot_key") == [
        ("chargement",),
        ("reprise",),
    ]
    assert store.rows('SELECT "Rejet", "État", "Clos par" FROM v_rejets WHERE "Rejet" = 1') == [
        (1, "corrigé", "R2")
    ]


def test_a_closed_or_missing_reject_is_refused_by_name(store: Store) -> None:
    store.load(part([], [11, 12]))
    store.load(part([A]), closing={2: 1})
    before = store.dump()
    with pytest.raises(
        RejectsClosed,
        match=r"lignes 4 inconnues de cet.*lignes 2 \(corrigé par le lot R2\).*Rien n'a été",
    ):
        store.load(part([B]), closing={2: 1, 3: 2, 4: 9})
    assert store.dump() == before


def test_foreign_keys_hold_after_a_first_load_and_after_another(store: Store) -> None:
    store.load(part([A, UNKNOWN], [9]))
    store.load(part([(2, "T1", "M2", "2025-01-05 08:00", 10.0, "OK"), B], [9]))
    if store.url.kind == "sqlite":
        assert store.rows("PRAGMA foreign_key_check") == []
        assert store.rows("PRAGMA integrity_check") == [("ok",)]
    with closing_connection(store.url) as database:
        database.begin_writing()
        with pytest.raises(Error, match=r"(?i)foreign key"):
            database.execute("UPDATE fact_transactions SET machine_key = 99")
    assert len(store.rows(INDEXES[store.url.kind])) == 3 + (store.url.kind == "postgresql")


INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = "
    "'fact_transactions'",
    "postgresql": "SELECT indexname::TEXT FROM pg_indexes WHERE tablename = 'fact_transactions' "
    "AND schemaname = current_schema()",
}


def test_a_row_whose_key_is_nowhere_is_refused_in_a_first_load(store: Store) -> None:
    """Whatever the loader did wrong, the database finds it."""
    lost = part([A])
    lost.accepted["date_key"] = lost.accepted["date_key"] + 88
    with pytest.raises(WarehouseError, match="Rien n'a été modifié"):
        store.load(lost)
    assert is_absent(store)


def test_an_identifier_twice_is_refused(store: Store) -> None:
    with pytest.raises(WarehouseError, match=r"(?i)unique"):
        store.load(part([A]), part([A]))
    assert is_absent(store)


HOLDER = """
import sys
from dpa.dwh_url import DwhUrl
from dpa.warehouse import connect
database = connect(DwhUrl.parse(sys.argv[1]), 1.0, create=True)
database.begin_writing()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another_program(store: Store) -> Iterator[None]:
    environ = {**os.environ, "PYTHONPATH": str(SERVICE_ROOT / "src")}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.url.target],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ,
    ) as other:  # fmt: skip
        assert other.stdout
        assert other.stdout.readline() == b"held" + os.linesep.encode()
        try:
            yield
        finally:
            other.kill()


def test_a_locked_warehouse_is_named_and_unchanged(store: Store) -> None:
    store.load(part([A]))
    before = store.dump()
    with (
        held_by_another_program(store),
        pytest.raises(WarehouseLocked, match=r"verrouillé.*Rien n'a été modifié"),
    ):
        store.load(part([B]))
    assert store.dump() == before


def test_a_first_load_that_waits_in_vain_leaves_the_file_of_the_other(tmp_path: Path) -> None:
    store = Store(DwhUrl.of_file(tmp_path / "dwh.sqlite"))
    with held_by_another_program(store), pytest.raises(WarehouseLocked):
        store.load(part([A]))
    assert store.url.path.exists()


def test_a_reader_sees_one_state_while_another_program_writes(store: Store) -> None:
    store.load(part([A]))
    with reading(store.url, 1.0) as database:
        assert len(database.rows(FACTS)) == 1
        if store.url.kind == "postgresql":
            store.load(part([B]))
        assert len(database.rows(FACTS)) == 1


def test_a_process_killed_midway_changes_nothing_and_the_next_run_completes(store: Store) -> None:
    store.load(part([A]))
    before = store.dump()
    dying = (
        "import os, sys\n"
        "from dpa.load_run import LoadRun\n"
        "from dpa.dwh_url import DwhUrl\n"
        "from store import Store, part\n"
        "LoadRun._close_lot = lambda self: os._exit(9)\n"
        "store = Store(DwhUrl.parse(sys.argv[1])); store.runs = 1\n"
        "store.load(part([(3, 'T2', 'M1', '2026-01-05 09:00', 30.0, 'OK')]))\n"
    )
    path = os.pathsep.join([str(SERVICE_ROOT / "src"), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", dying, store.url.target],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 9
    assert store.dump() == before
    assert store.load(part([B])).inserted == 1


def test_a_failure_midway_changes_nothing(store: Store) -> None:
    store.load(part([A]))
    before = store.dump()
    store.execute("ALTER TABLE audit_corrections RENAME TO ailleurs")
    with pytest.raises(WarehouseError, match=r"audit_corrections.*Rien n'a été modifié"):
        store.load(part([(2, "T1", "M1", "2026-01-05 08:00", 11.0, "OK"), B], [4]))
    store.execute("ALTER TABLE ailleurs RENAME TO audit_corrections")
    assert store.dump() == before
    assert store.rows("SELECT COUNT(*) FROM dim_lot") == [(1,)]


@pytest.mark.postgresql
def test_a_server_that_ends_the_session_midway_is_told(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    store = Store(DwhUrl.parse(own_schema(postgres_server, tmp_path.name)))
    store.load(part([A]))
    before = store.dump()

    def parts() -> Iterator[CheckedPart]:
        yield part([B])
        store.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        yield part([C])

    with pytest.raises(WarehouseError, match=r"(vient de s'arrêter|rompue).*Rien n'a été modifié"):
        store.load(parts=parts())
    assert store.dump() == before


def test_an_address_without_a_server_is_told_without_its_password(tmp_path: Path) -> None:
    store = Store(DwhUrl.parse("postgresql://dpa:s3cret@127.0.0.1:9/base?connect_timeout=2"))
    with pytest.raises(
        WarehouseError, match=r"dpa@127\.0\.0\.1:9/base.* : aucun serveur"
    ) as raised:
        store.load(part([A]))
    assert "s3cret" not in str(raised.value)


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("dpa@127.0.0.1", "dpa:s3cret@hote.invalid"), "hôte inconnu"),
        (("dpa@", "personne:s3cret@"), "compte inconnu"),
        (("/postgres", "/absente"), "base inconnue"),
    ],
)
def test_a_connection_that_fails_is_told_in_french_with_its_remedy(
    postgres_server: PostgresServer, change: tuple[str, str], told: str
) -> None:
    url = DwhUrl.parse(postgres_server.url("postgres").replace(*change))
    with pytest.raises(WarehouseError, match=rf"{told}.*--dwh") as raised:
        last_day(url, 0.1)
    for word in ("libpq", "FATAL", "could not", "s3cret"):
        assert word not in str(raised.value)


@pytest.mark.postgresql
def test_an_account_without_a_right_is_told_which_one_it_lacks(
    postgres_server: PostgresServer,
) -> None:
    postgres_server.fresh_database("fermee")
    postgres_server.execute("REVOKE CONNECT ON DATABASE fermee FROM PUBLIC")
    postgres_server.execute("DROP ROLE IF EXISTS visiteur")
    postgres_server.execute("CREATE ROLE visiteur LOGIN")
    shut, open_to_readers = (
        DwhUrl.parse(postgres_server.url(name).replace("dpa@", "visiteur@"))
        for name in ("fermee", "template1")
    )
    with pytest.raises(WarehouseError, match="pas le droit d'ouvrir cette base"):
        last_day(shut, 0.1)
    with pytest.raises(WarehouseError, match=r"droits insuffisants.*Rien n'a été modifié"):
        Store(open_to_readers).load(part([A]))


def test_sites_known_so_far_are_those_of_machines_and_transactions(store: Store) -> None:
    assert known_sites(store.url, 1.0) == set()
    store.load(part([A, UNKNOWN]))
    store.load(part([]), machines=[("M1", "Edéa", 2010)])
    assert known_sites(store.url, 1.0) == {"Douala", "Edéa", "Yaoundé", "Inconnu"}


def test_a_file_that_is_no_database_is_refused_and_unchanged(tmp_path: Path) -> None:
    store = Store(DwhUrl.of_file(tmp_path / "dwh.sqlite"))
    store.url.path.write_bytes(b"ceci n'est pas une base" * 100)
    with pytest.raises(WarehouseForeign, match="pas une base SQLite"):
        store.load(part([A]))
    assert store.url.path.read_bytes().startswith(b"ceci")


def test_a_damaged_warehouse_is_named(tmp_path: Path) -> None:
    store = Store(DwhUrl.of_file(tmp_path / "dwh.sqlite"))
    store.load(part([A]))
    content = store.url.path.read_bytes()
    store.url.path.write_bytes(content[:200] + b"\xff" * (len(content) - 200))
    with pytest.raises(WarehouseError, match=r"abîmé.*dernière copie.*Rien n'a été modifié"):
        store.load(part([A]))


def test_a_folder_is_no_warehouse(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="dossier"):
        Store(DwhUrl.of_file(tmp_path)).load(part([A]))


def test_an_unusable_path_is_named_and_an_empty_file_is_used(tmp_path: Path) -> None:
    blocker = tmp_path / "plein"
    blocker.write_bytes(b"")
    with pytest.raises(WarehouseError, match="chemin inutilisable"):
        Store(DwhUrl.of_file(blocker / "dwh.sqlite")).load(part([A]))
    assert Store(DwhUrl.of_file(blocker)).load(part([A])).inserted == 1


def test_a_path_with_marks_of_an_address_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "entrepôt ?mode=ro#1%20.sqlite"
    Store(DwhUrl.of_file(path)).load(part([A]))
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_full_disk_is_named_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(self: SqliteDatabase) -> None:
        self.execute("PRAGMA max_page_count = 60")
        begin(self)

    begin = SqliteDatabase.begin_writing
    monkeypatch.setattr(SqliteDatabase, "begin_writing", small)
    rows = [(n, f"{'T' * 50}{n}", "M1", "2026-01-05 08:00", 1.0, "OK") for n in range(2, 2000)]
    store = Store(DwhUrl.of_file(tmp_path / "dwh.sqlite"))
    with pytest.raises(WarehouseError, match="disque plein"):
        store.load(part(rows))
    assert is_absent(store)


def test_the_last_day_is_that_of_douala(store: Store) -> None:
    assert last_day(store.url, 1.0) is None
    store.load(part([], [2]))
    assert last_day(store.url, 1.0) is None
    store.load(part([A, C]))
    assert last_day(store.url, 1.0) == date(2026, 1, 6)


def test_reading_what_does_not_exist_is_refused_and_makes_no_file(store: Store) -> None:
    with pytest.raises(WarehouseError), reading(store.url, 1.0):
        pass
    assert is_absent(store)


def test_a_french_title_is_searched_with_its_accents(store: Store) -> None:
    store.load(part([C]))
    with reading(store.url, 1.0) as database:
        query = 'SELECT "Volume (t)" FROM v_sites WHERE "Site" = ?'
        assert database.rows(query, "Yaoundé") == [(5.0,)]
        assert [batch.num_rows for batch in database.batches(query, "Yaoundé")] == [1]
        assert [batch.num_rows for batch in database.batches(query, "Nulle part")] in ([], [0])


@pytest.mark.parametrize("status", [AdbcStatusCode.CANCELLED, AdbcStatusCode.NOT_IMPLEMENTED])
def test_a_statement_ended_by_ctrl_c_is_an_interruption(
    store: Store, status: AdbcStatusCode
) -> None:
    store.load(part([A]))
    with pytest.raises(KeyboardInterrupt), reading(store.url, 1.0):
        raise Error("arrêté", status_code=status)
