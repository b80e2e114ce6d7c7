"""A whole run: its balance, its warnings, its ends."""

import json
from datetime import date
from pathlib import Path

import pytest
from loguru import logger
from openpyxl import load_workbook

from dpa.cli import main
from dpa.dwh_url import DwhUrl
from dpa.errors import InvalidMachines, SourceUnreadable, WarehouseLocked
from dpa.filters import Filters
from dpa.settings import RejectLimit

from .conftest import HEADER, Desk

GOOD = "T1,M1,2026-01-05,10,OK"


@pytest.fixture
def desk(tmp_path: Path, dwh_url: DwhUrl) -> Desk:
    return Desk(tmp_path, dwh_url)


def test_the_summary_balances_and_counts_rejects_by_rule(desk: Desk) -> None:
    desk.erp(GOOD, GOOD, "", "T2,M1,hier,1,OK", "T3,M1,2026-01-05,-1,OK", "T4,M1", 'T5,"M1')
    summary = desk.run(max_rejects=RejectLimit(4, is_percent=False)).summary
    assert (summary.read, summary.loaded, summary.rejected, summary.duplicates) == (6, 1, 4, 1)
    assert summary.rejects_by_rule == {
        "LIGNE_IRREGULIERE": 1,
        "GUILLEMET_NON_FERME": 1,
        "DATE_INVALIDE": 1,
        "VOLUME_NEGATIF": 1,
    }
    assert [(source.role, source.rows) for source in summary.sources] == [
        ("transactions", 6),
        ("machines", 2),
    ]
    assert summary.total_volume == 10


def test_a_rejected_row_keeps_every_cell_of_its_line(desk: Desk) -> None:
    desk.erp("T1,M1,hier,1,OK,x,y", header=HEADER + ",note,note")
    desk.run()
    [(raw,)] = desk.query("SELECT raw_row FROM rejets")
    row = json.loads(raw)
    assert (row["note"], row["note (2)"], row["date"]) == ("x", "y", "hier")


def test_a_malformed_line_is_kept_whole(desk: Desk) -> None:
    desk.erp(GOOD, 'T2,"M1,hier')
    desk.run()
    [(line, value, raw)] = desk.query("SELECT source_line, value, raw_row FROM rejets")
    assert (line, value, json.loads(raw)) == (3, 'T2,"M1,hier', {"ligne": 'T2,"M1,hier'})


def test_a_foreign_export_goes_through_its_mapping(desk: Desk) -> None:
    """Same layout and same dirt as a public shipment history: kilograms, English months, N/A."""
    header = "ID,Project Code,Fulfill Via,Mode,Delivered,Item,Weight (Kilograms)"
    desk.erp(
        '1,M1,Direct Drop,N/A,02-Jun-06,"HIV, test",13',
        "2,M2,From RDC,Air,28-Feb-15,Kit,504",
        "3,M1,From RDC,Air,30-Feb-15,Kit,504",
        "4,M1,Direct Drop,N/A,07-Dec-06,Kit,See DN-304 (ID#:10589)",
        "5,M1,N/A,Air,07-Dec-06,Kit,Weight Captured Separately",
        header="\ufeff" + header,
        newline="\r\n",
    )
    mapping = desk.folder / "m.yaml"
    mapping.write_text(
        "columns: {transaction_id: ID, machine_id: Project Code, date: Delivered,\n"
        "  volume_transferred: Weight (Kilograms), status_code: Fulfill Via}\n"
        'date_formats: ["%d-%b-%y"]\nvolume_factor: 0.001\n'
        "status_codes: {Direct Drop: OK, From RDC: WARN}\n",
        encoding="utf-8",
    )
    desk.run(mapping=mapping, max_rejects=RejectLimit(100, is_percent=True))
    assert desk.query(
        "SELECT transaction_id, date_key, volume_transferred, status_code, critical_alert, "
        "source_line FROM fact_transactions ORDER BY transaction_id"
    ) == [("1", 20060602, 0.013, "OK", 0, 2), ("2", 20150228, 0.504, "WARN", 1, 3)]
    rejects = desk.query(
        "SELECT source_line, rule_code, value, raw_row FROM rejets ORDER BY source_line"
    )
    assert [(*row[:3], json.loads(row[3])["Mode"]) for row in rejects] == [
        (4, "DATE_INVALIDE", "30-Feb-15", "Air"),
        (5, "VOLUME_NON_NUMERIQUE", "See DN-304 (ID#:10589)", "N/A"),
        (6, "VOLUME_NON_NUMERIQUE", "Weight Captured Separately", "Air"),
    ]
    assert desk.query("SELECT mapping_path FROM dim_lot") == [(str(mapping),)]


def test_defaults_of_a_mapping_are_announced(desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-05,10,")
    mapping = desk.folder / "m.yaml"
    mapping.write_text("defaults: {status_code: OK}", encoding="utf-8")
    assert "status_code : 1 cellule vide" in desk.run(mapping=mapping).summary.warnings[0]


def test_future_dates_and_unknown_machines_are_loaded_with_a_warning(desk: Desk) -> None:
    desk.erp(*[f"T{n},X{n},2026-02-02,1,OK" for n in range(7)])
    summary = desk.run().summary
    assert summary.loaded == 7
    assert summary.warnings[0].endswith(": X0, X1, X2, X3, X4 et 2 de plus.")
    assert summary.warnings[1] == "7 transactions datées du futur."


def test_volumes_that_can_be_read_in_two_ways_are_counted_aloud(desk: Desk) -> None:
    desk.erp(*(f'T{n},M1,2026-01-05,"{v}",OK' for n, v in enumerate(["1.5", "1,234", "31,415"])))
    (warning,) = desk.run().summary.warnings
    assert warning.startswith("2 volumes écrits comme « 1,234 », lus 1\u00a0234 : le point étant")
    assert desk.query("SELECT SUM(volume_transferred) FROM fact_transactions") == [(32_650.5,)]


@pytest.mark.parametrize(
    ("cells", "decimal", "told", "total"),
    [
        (
            ["1,234", "12,500", "850"],
            "auto",
            ["2 volumes écrits comme « 1,234 », lus 1,234 "],
            863.734,
        ),
        (
            ["1.234"],
            "auto",
            ["1 volume écrit comme « 1.234 », lu 1,234 : rien dans ce fichier"],
            1.234,
        ),
        (["1,234", "0,5"], "auto", [], 1.734),
        (["1,234", "12,500"], ",", [], 13.734),
        (["1.234"], ",", [], 1234.0),
    ],
)
def test_volumes_whose_mark_nothing_proves_are_counted_aloud(
    desk: Desk, cells: list[str], decimal: str, told: list[str], total: float
) -> None:
    desk.erp(*(f'T{n},M1,2026-01-05,"{v}",OK' for n, v in enumerate(cells)))
    mapping = desk.folder / "m.yaml"
    mapping.write_text(f'decimal: "{decimal}"', encoding="utf-8")
    warnings = desk.run(mapping=mapping).summary.warnings
    assert [found.startswith(wanted) for found, wanted in zip(warnings, told, strict=True)] == [
        True
    ] * len(told)
    assert desk.query("SELECT SUM(volume_transferred) FROM fact_transactions") == [(total,)]


def test_volumes_whose_groups_are_proven_elsewhere_need_no_warning(desk: Desk) -> None:
    desk.erp(
        'T1,M1,2026-01-05,"1,234",OK', 'T2,M1,2026-01-05,"1,234.5",OK', "T3,M1,2026-01-05,1.5,OK"
    )
    assert desk.run().summary.warnings == []


def test_a_report_that_shows_nothing_is_said(desk: Desk) -> None:
    desk.erp(GOOD)
    (warning,) = desk.run(filters=Filters(first_day=date(2030, 1, 1))).summary.warnings
    assert warning.startswith("Le rapport ne montre aucune transaction")


def test_too_many_rejects_commit_and_say_so(desk: Desk) -> None:
    desk.erp(GOOD, "T2,M1,hier,1,OK")
    outcome = desk.run(max_rejects=RejectLimit(0, is_percent=False))
    assert outcome.incomplete
    assert "1 ligne rejetée sur 2" in outcome.summary.warnings[-1]
    assert desk.query("SELECT COUNT(*) FROM fact_transactions") == [(1,)]


def test_a_report_that_cannot_be_written_leaves_the_data_committed(desk: Desk) -> None:
    desk.erp(GOOD)
    (desk.settings.report / "plein").mkdir(parents=True)
    outcome = desk.run()
    assert outcome.incomplete
    assert outcome.summary.report is None
    assert "fermez-le" in outcome.summary.warnings[-1]
    assert desk.query("SELECT COUNT(*) FROM fact_transactions") == [(1,)]


def test_a_warehouse_that_cannot_be_read_back_costs_the_report_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise WarehouseLocked("verrouillé")

    monkeypatch.setattr("dpa.report_data.read_report", locked)
    desk.erp(GOOD)
    outcome = desk.run()
    assert outcome.incomplete
    assert outcome.summary.warnings == ["Rapport non écrit, données chargées : verrouillé"]
    assert desk.query("SELECT COUNT(*) FROM fact_transactions") == [(1,)]


def test_an_unusable_input_creates_nothing(desk: Desk) -> None:
    with pytest.raises(SourceUnreadable):
        desk.run()
    desk.erp(GOOD)
    Path(desk.settings.machines).write_text("[{}]", encoding="utf-8")
    with pytest.raises(InvalidMachines):
        desk.run()
    assert sorted(path.name for path in desk.folder.iterdir()) == ["erp.csv", "machines.json"]


def test_a_run_leaves_its_inputs_alone(desk: Desk) -> None:
    path, machines = desk.erp(GOOD), Path(desk.settings.machines)
    before = path.read_bytes(), machines.read_bytes()
    desk.run()
    assert (path.read_bytes(), machines.read_bytes()) == before


def test_the_rejected_rows_are_written_beside_the_report(desk: Desk) -> None:
    desk.erp(GOOD)
    assert desk.run().summary.rejects_workbook is None
    desk.erp(GOOD, "T2,M1,hier,1,OK")
    summary = desk.run().summary
    assert summary.rejects_workbook == str(desk.folder / "rejets_a_corriger.xlsx")
    assert Path(summary.rejects_workbook).is_file()


def test_a_rejects_workbook_is_never_replaced(desk: Desk) -> None:
    desk.erp(GOOD, "T2,M1,hier,1,OK")
    first = Path(str(desk.run().summary.rejects_workbook))
    first.write_bytes(b"corrections en cours")
    second = desk.run().summary.rejects_workbook
    assert second == str(desk.folder / "rejets_a_corriger_2.xlsx")
    assert first.read_bytes() == b"corrections en cours"


def test_an_interruption_after_the_load_says_that_the_data_are_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dpa.excel_report.write_report", interrupted)
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    desk.erp(GOOD)
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    logger.remove(sink)
    assert "les données sont chargées" in said[-1]
    assert desk.query("SELECT COUNT(*) FROM fact_transactions") == [(1,)]


def test_earlier_days_are_left_and_counted_apart(desk: Desk) -> None:
    desk.erp(GOOD, "T2,M1,2026-01-06,1,OK", "T3,M1,hier,1,OK")
    summary = desk.run(since=date(2026, 1, 6)).summary
    assert (summary.read, summary.skipped, summary.loaded, summary.rejected) == (2, 1, 1, 1)


def test_an_incremental_run_begins_with_the_last_known_day(desk: Desk) -> None:
    desk.erp(GOOD, "T2,M1,2026-01-06,1,OK")
    assert desk.run(since="auto").summary.skipped == 0
    desk.erp(GOOD, "T2,M1,2026-01-06,1,OK", "T3,M1,2026-01-07,1,OK")
    summary = desk.run(since="auto").summary
    assert (summary.skipped, summary.duplicates, summary.inserted) == (1, 1, 1)


def test_corrected_rejects_are_loaded_under_the_mapping_of_their_file(desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-05,beaucoup,OK", "T2,M1,2026-01-05,trop,OK")
    mapping = desk.folder / "m.yaml"
    mapping.write_text("volume_factor: 0.001", encoding="utf-8")
    rejects = desk.run(mapping=mapping).summary.rejects_workbook
    book = load_workbook(rejects)
    [sheet] = [sheet for sheet in book if sheet["A4"].value == "transaction_id"]
    sheet["D5"] = 2000
    book.save(rejects)
    summary = desk.run(resubmit=Path(str(rejects)), rejects=desk.folder / "suite.xlsx").summary
    assert (summary.loaded, summary.rejected, summary.total_volume) == (1, 1, 2.0)
    assert desk.query("SELECT status, COUNT(*) FROM rejets GROUP BY status ORDER BY status") == [
        ("corrigé", 1),
        ("ouvert", 1),
        ("remplacé", 1),
    ]
    assert desk.query("SELECT mapping_path FROM dim_lot ORDER BY lot_key") == [(str(mapping),)] * 2


def test_the_committed_samples_load(desk: Desk) -> None:
    samples = Path(__file__).parents[2] / "Data-Pipeline-Automation" / "data_raw"
    summary = desk.run(
        erp=samples / "erp_daily_transactions.csv",
        machines=str(samples / "api_reference_machines.json"),
    ).summary
    assert (summary.read, summary.duplicates) == (3019, 15)
    assert 0 < summary.rejected < 0.05 * summary.read
    assert len(summary.rejects_by_rule) == 9
    assert desk.query("SELECT DISTINCT site_location FROM aggr_daily_site_stats ORDER BY 1") == [
        ("Bélabo",), ("Douala",), ("Edéa",), ("Inconnu",), ("Ngaoundéré",), ("Yaoundé",),
    ]  # fmt: skip
    assert desk.query("SELECT COUNT(DISTINCT day) FROM aggr_daily_site_stats") == [(30,)]


def test_the_report_is_written_again_without_a_load(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.erp(GOOD, "T2,M1,2026-01-09,1,OK", "T3,M1,hier,1,OK")
    desk.run()
    again = desk.folder / "encore.xlsx"
    words = ["rapport", "--dwh", str(desk.settings.dwh), "--report", str(again)]
    environ = {"DPA_LOG_DIR": str(desk.folder)}
    assert main([*words, "--from", "06/01/2026"], environ) == 0
    assert capsys.readouterr().out == f"Rapport écrit : {again}\n"
    workbook = load_workbook(again, read_only=True)
    assert [row[0] for row in workbook["Transactions"].iter_rows(min_row=5, values_only=True)] == [
        "T2"
    ]
    assert workbook["Rejets"]["D5"].value == "DATE_INVALIDE"
    workbook.close()
    assert desk.query("SELECT COUNT(*) FROM dim_lot") == [(1,)]
    assert main([*words, "--sites", "Paris"], environ) == 2
    assert main([*words, "--from", "01/01/2030"], environ) == 0
    assert "ne montre aucune transaction" in capsys.readouterr().err


def test_there_is_no_report_of_a_warehouse_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "rapport",
        "--dwh",
        str(tmp_path / "absent.sqlite"),
        "--report",
        str(tmp_path / "r.xlsx"),
    ]
    assert main(words, {"DPA_LOG_DIR": str(tmp_path)}) == 1
    assert "pas d'entrepôt à ce chemin" in capsys.readouterr().err
    assert not (tmp_path / "r.xlsx").exists()
