"""The workbook says what the warehouse says, as a finished document."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from openpyxl import load_workbook

from dpa.dwh_url import DwhUrl
from dpa.errors import ReportNotWritten
from dpa.excel_report import write_report
from dpa.filters import Filters
from dpa.report_columns import REJECTS, TRANSACTIONS
from dpa.report_data import ReportData, read_report

from .conftest import NOON, Desk

pytestmark = pytest.mark.filterwarnings("ignore:.*(xtension|ormatting).*:UserWarning:openpyxl")
TOP = 4
"""Row of the headings in the sheets that hold one table."""


def load(desk: Desk) -> Desk:
    desk.erp(
        "T1,M1,2026-01-05 00:30,10.25,ERR",
        "T2,M2,2026-01-05 09:00,30.5,OK",
        "=1+1,M1,2026-01-06 09:00,7,WARN",
        "T4,M9,2026-01-06,1,OK",
        "T5,M1,hier,@SUM(A1),OK",
        "T6,M1",
        "T2,M2,2026-01-05 09:00,30.5,OK",
    )
    desk.run()
    return desk


@pytest.fixture
def loaded(desk: Desk) -> Desk:
    return load(desk)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One run whose report many tests look at."""
    return load(Desk(tmp_path_factory.mktemp("desk")))


@pytest.fixture(scope="module")
def book(printed: Desk) -> Iterator[Any]:
    workbook = load_workbook(printed.settings.report)
    yield workbook
    workbook.close()


def rows(sheet: Any) -> list[dict[str, Any]]:
    values = list(sheet.iter_rows(min_row=TOP, values_only=True))
    return [dict(zip(map(str, values[0]), row, strict=True)) for row in values[1:]]


def rows_of_two(sheet: Any) -> list[tuple[Any, Any]]:
    return [(row[1], row[2]) for row in sheet.iter_rows(values_only=True)]


def kpis(book: Any) -> dict[str, tuple[Any, ...]]:
    values = book["KPI"].iter_rows(min_row=5, max_row=14, max_col=6, values_only=True)
    return {row[0]: row[1:] for row in values}


def data(desk: Desk) -> ReportData:
    run_id = desk.query("SELECT run_id FROM dim_lot")[0][0]
    return read_report(desk.settings.dwh, run_id, Filters(), 1)


def test_sheets_stand_in_reading_order(book: Any) -> None:
    assert book.sheetnames == [
        "Sommaire", "KPI", "Transactions", "Stats_Sites", "Top machines", "Rejets", "Dictionnaire",
    ]  # fmt: skip


def test_totals_equal_those_of_sql(printed: Desk, book: Any) -> None:
    volume, count, alerts = printed.query(
        "SELECT SUM(volume_transferred), COUNT(*), SUM(critical_alert) FROM fact_transactions"
    )[0]
    transactions, sites = rows(book["Transactions"]), rows(book["Stats_Sites"])
    machines = rows(book["Top machines"])
    figures = {label: found[0] for label, found in kpis(book).items()}
    for table in (transactions, sites, machines):
        assert sum(row["Volume (t)"] for row in table) == pytest.approx(volume)
    assert figures["Volume transféré"] == pytest.approx(volume)
    assert figures["Transactions"] == len(transactions) == count
    assert figures["Alertes critiques"] == sum(row["Alertes critiques"] for row in sites) == alerts
    assert sum(row["Alerte critique"] == "Oui" for row in transactions) == alerts


def test_dates_are_those_of_douala(book: Any) -> None:
    first = rows(book["Transactions"])[0]
    assert first["Date (Douala)"] == datetime(2026, 1, 5, 0, 30)
    assert rows(book["Stats_Sites"])[0]["Jour"] == datetime(2026, 1, 5)


def test_the_summary_balances_and_names_its_sources(printed: Desk, book: Any) -> None:
    cells = {str(row[0]): row[1:3] for row in book["Sommaire"].iter_rows(values_only=True)}
    counted = [cells[name][0] for name in ("Lues", "= chargées", "+ rejetées", "+ doublons")]
    assert counted == [7, 4, 2, 1]
    assert (cells["Total dans l'entrepôt"][0], cells["dont dans ce rapport"][0]) == (4, 4)
    lot = printed.query("SELECT run_id, transactions_sha256, machines_sha256 FROM dim_lot")[0]
    assert cells["Lot"][0] == lot[0]
    assert cells["Filtres"][0] == "tous les sites ; tous les jours"
    assert ("erp.csv", lot[1]) in rows_of_two(book["Sommaire"])
    assert cells["Machines"] == ("machines.json", lot[2])
    assert cells["Rapport écrit le"][0] == "01/02/2026 à 13:00 (heure de Douala)"
    assert book["Sommaire"]["A2"].value == (
        "Période du 05/01/2026 au 06/01/2026 (jours de Douala, UTC+1)"
    )


def test_the_summary_links_to_every_sheet(book: Any) -> None:
    links = [cell.hyperlink for row in book["Sommaire"].iter_rows() for cell in row]
    targets = {link.location for link in links if link}
    assert targets == {f"'{name}'!A1" for name in book.sheetnames[1:]}


def test_rejects_keep_line_rule_value_reason_remedy_and_row(book: Any) -> None:
    first, second = rows(book["Rejets"])
    assert (first["Fichier"], first["Ligne"], first["Règle"]) == ("erp.csv", 6, "DATE_INVALIDE")
    assert (first["Valeur"], first["Autres règles"]) == ("hier", "VOLUME_NON_NUMERIQUE")
    assert first["Ligne d'origine"] == "T5 | M1 | hier | @SUM(A1) | OK"
    assert (second["Ligne"], second["Règle"]) == (7, "LIGNE_IRREGULIERE")


def test_text_never_becomes_a_formula(book: Any) -> None:
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    assert "=1+1" in [row["Transaction"] for row in rows(book["Transactions"])]


@pytest.mark.parametrize(
    ("sheet", "table"),
    [
        ("Transactions", "T_Transactions"),
        ("Stats_Sites", "T_Stats_Sites"),
        ("Top machines", "T_Top_machines"),
        ("Rejets", "T_Rejets"),
        ("Dictionnaire", "T_Dictionnaire"),
    ],
)
def test_a_table_sheet_is_named_filtered_frozen_and_repeats_its_headings(
    book: Any, sheet: str, table: str
) -> None:
    found = book[sheet]
    assert found.tables[table].autoFilter is not None
    assert found.freeze_panes == "B5"
    assert found.print_title_rows == "$4:$4"


def test_every_sheet_prints_on_a4_landscape_with_page_numbers(book: Any) -> None:
    for sheet in book:
        assert (sheet.page_setup.orientation, int(sheet.page_setup.paperSize)) == ("landscape", 9)
        assert sheet.page_setup.fitToHeight == 0
        assert sheet.oddFooter.right.text == "Page &P / &N"


def widths(sheet: Any) -> dict[int, float]:
    dimensions = sheet.column_dimensions.values()
    return {at: found.width for found in dimensions for at in range(found.min, found.max + 1)}


def test_columns_are_wide_enough_for_what_they_show(book: Any) -> None:
    for name in ("Transactions", "Stats_Sites", "Top machines"):
        for at, cells in enumerate(book[name].iter_cols(min_row=TOP), start=1):
            texts = [str(cell.value) for cell in cells if cell.value and not cell.is_date]
            assert widths(book[name])[at] > max(map(len, texts), default=0)


def test_charts_and_conditional_formats_are_native(book: Any) -> None:
    assert [len(book[name]._charts) for name in ("KPI", "Top machines")] == [2, 1]
    conditions = book["Transactions"].conditional_formatting
    marks = [rule.formula for found in conditions for rule in found.rules]
    assert ['"ERR"'] in marks
    assert ['"Oui"'] in marks


def test_numbers_and_dates_carry_french_formats(book: Any) -> None:
    row = {cell.column_letter: cell.number_format for cell in book["Transactions"][5]}
    assert row["E"] == "[$-40C]dd/mm/yyyy hh:mm:ss"
    assert row["F"] == "[$-40C]#,##0.00"


def test_more_rows_than_a_sheet_holds_go_on_numbered_sheets(loaded: Desk, tmp_path: Path) -> None:
    path = tmp_path / "split.xlsx"
    write_report(path, data(loaded), NOON, max_rows=3)
    book: Any = load_workbook(path)
    ids = [
        [row["Transaction"] for row in rows(book[name])]
        for name in ("Transactions", "Transactions 2")
    ]
    assert [len(part) for part in ids] == [3, 1]
    assert sorted(ids[0] + ids[1]) == ["=1+1", "T1", "T2", "T4"]
    assert book["Transactions 2"]["A1"].value == "Transactions (feuille 2 sur 2)"
    assert set(book["Transactions 2"].tables) == {"T_Transactions_2"}
    contents = {row[0]: row[2] for row in book["Sommaire"].iter_rows(values_only=True)}
    assert contents["Transactions"].startswith("3 lignes, les premières")
    assert "Transactions 2" in contents["Transactions"]
    assert contents["Transactions 2"] == "1 ligne"
    book.close()


def test_a_warehouse_without_transactions_gives_a_report_that_says_so(desk: Desk) -> None:
    desk.erp("T1,M1,hier,1,OK")
    desk.run()
    book: Any = load_workbook(desk.settings.report)
    assert book["Sommaire"]["A2"].value == "L'entrepôt ne contient aucune transaction."
    assert len(rows(book["Rejets"])) == 1
    assert book["KPI"]._charts == []
    book.close()


def test_a_long_cell_is_shortened_visibly_and_wraps(desk: Desk) -> None:
    desk.erp(f"T1,M1,{'x' * 5000},1,OK")
    desk.run()
    book: Any = load_workbook(desk.settings.report)
    shown = rows(book["Rejets"])[0]["Valeur"]
    assert shown == "x" * 300 + " […]"
    assert book["Rejets"].row_dimensions[5].height > 30
    assert desk.query("SELECT length(value) FROM rejets") == [(5000,)]
    book.close()


def test_a_writer_that_fails_midway_leaves_the_old_one_and_no_draft(loaded: Desk) -> None:
    content = data(loaded)
    old = loaded.settings.report.read_bytes()
    broken = replace(content, machines=content.machines.drop_columns(["Site"]))
    with pytest.raises(KeyError, match="Site"):
        write_report(loaded.settings.report, broken, NOON)
    assert loaded.settings.report.read_bytes() == old
    assert list(loaded.folder.glob(".*")) == []


def test_a_target_that_refuses_replacement_is_reported(loaded: Desk, tmp_path: Path) -> None:
    taken = tmp_path / "dossier.xlsx"
    (taken / "plein").mkdir(parents=True)
    with pytest.raises(ReportNotWritten, match=r"fermez-le.*Les données sont chargées"):
        write_report(taken, data(loaded), NOON)
    assert list(tmp_path.glob(f".*{os.getpid()}*")) == []


def test_a_chart_of_many_sites_says_that_it_shows_the_first_ones(desk: Desk) -> None:
    fleet = [(f"M{n}", f"Site {n:02d}") for n in range(25)]
    desk.machines(
        [{"machine_id": m, "site_location": s, "installation_year": None} for m, s in fleet]
    )
    desk.erp(*[f"T{m},{m},2026-01-05,1,OK" for m, _ in fleet])
    desk.run()
    with zipfile.ZipFile(desk.settings.report) as package:
        charts = [
            package.read(name).decode()
            for name in package.namelist()
            if name.startswith("xl/charts/chart")
        ]
    assert sum("(20 premiers rangs)" in chart for chart in charts) == 2


def test_both_kinds_of_warehouse_give_the_same_report(desk: Desk, dwh_url: DwhUrl) -> None:
    desk.erp(
        "T1,M1,2026-01-05 00:30,10.25,ERR", "T2,M2,2026-01-06 09:00,30.5,OK", "T3,M9,hier,1,OK"
    )
    desk.run(dwh=dwh_url, filters=Filters(first_day=date(2026, 1, 6)))
    book: Any = load_workbook(desk.settings.report)
    first = rows(book["Transactions"])
    assert [tuple(row.values())[:11] for row in first] == [
        (
            "T2",
            "M2",
            "Yaoundé",
            None,
            datetime(2026, 1, 6, 9),
            30.5,
            "OK",
            "Non",
            "erp.csv",
            None,
            3,
        )
    ]
    assert rows(book["Stats_Sites"]) == [
        {
            "Jour": datetime(2026, 1, 6),
            "Site": "Yaoundé",
            "Volume (t)": 30.5,
            "Alertes critiques": 0,
            "Machines actives": 1,
            "Transactions": 1,
        }
    ]
    assert [row["Taux d'erreur"] for row in rows(book["Top machines"])] == [0]
    assert [(row["Ligne"], row["État"]) for row in rows(book["Rejets"])] == [(4, "ouvert")]
    assert kpis(book)["Volume transféré"] == (
        30.5,
        "t",
        10.25,
        pytest.approx(20.25 / 10.25),
        "▲ hausse",
    )
    assert kpis(book)["Taux d'erreur"] == (0, "des transactions", 1, -100, "▼ baisse")
    assert kpis(book)["Sites actifs"] == (1, "nombre", 1, 0, "= stable")
    book.close()


def test_filters_are_written_in_the_report_and_keep_its_figures(desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-05,10,OK", "T2,M2,2026-01-05,30,OK", "T3,M2,2026-01-07,5,OK")
    desk.run(filters=Filters(("Yaoundé",), None, date(2026, 1, 6)))
    book: Any = load_workbook(desk.settings.report)
    facts = {str(row[0]): row[1] for row in book["Sommaire"].iter_rows(values_only=True)}
    assert facts["Filtres"] == "Yaoundé ; jusqu'au 06/01/2026"
    assert (facts["Total dans l'entrepôt"], facts["dont dans ce rapport"]) == (3, 1)
    assert [row["Transaction"] for row in rows(book["Transactions"])] == ["T2"]
    assert kpis(book)["Volume transféré"][:3] == (30, "t", None)
    assert kpis(book)["Volume transféré"][4] == "sans précédent"
    book.close()


def test_filters_that_keep_nothing_give_a_report_that_says_so(desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-05,10,OK")
    desk.run(filters=Filters((), date(2027, 1, 1), date(2027, 1, 31)))
    book: Any = load_workbook(desk.settings.report)
    assert book["Sommaire"]["A2"].value == (
        "Aucune transaction ne répond aux filtres : tous les sites ; du 01/01/2027 au 31/01/2027."
    )
    assert book["Transactions"].tables["T_Transactions"].ref == "A4:L5"
    assert [row["Transaction"] for row in rows(book["Transactions"])] == [None]
    assert book["Transactions"].max_column == len(TRANSACTIONS)
    book.close()


def test_a_partial_previous_period_is_said(desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-05,10,OK", "T2,M1,2026-01-07,30,OK")
    desk.run(filters=Filters((), date(2026, 1, 6), date(2026, 1, 9)))
    book: Any = load_workbook(desk.settings.report)
    assert book["KPI"]["A3"].value == (
        "Période précédente : du 02/01/2026 au 05/01/2026, incomplète : l'entrepôt commence le "
        "05/01/2026."
    )
    book.close()


def test_shares_change_by_points_and_counts_by_per_cent(book: Any) -> None:
    formats = {row[0].value: row[4].number_format for row in book["KPI"].iter_rows(min_row=5)}
    assert formats["Taux d'erreur"].startswith('[$-40C]+0.0" pt"')
    assert formats["Transactions"].startswith("[$-40C]+0.0 %")


def test_indicators_stand_clear_of_their_notes_and_tell_a_unit_once(book: Any) -> None:
    sheet = book["KPI"]
    assert [cell.value for cell in sheet[4]] == [None] * 7
    rows = {row[0]: row for row in sheet.iter_rows(min_row=6, max_row=15, values_only=True)}
    assert rows["Taux d'alerte"][2] == "des transactions"
    assert rows["Part de rejets"][2] == "des lignes"
    assert "%" not in {row[2] for row in rows.values()}


def test_years_are_drawn_by_months(desk: Desk) -> None:
    days = ("2023-12-31", "2024-01-02", "2024-01-20", "2026-01-30")
    desk.erp(*(f"T{n},M1,{day},10,OK" for n, day in enumerate(days)))
    desk.run()
    workbook = load_workbook(desk.settings.report)
    sheet = workbook["KPI"]
    assert sheet._charts[1].title.tx.rich.p[0].r[0].t.endswith("par mois")
    assert "T_Semaines" not in sheet.tables
    first = int(sheet.tables["T_Mois"].ref.split(":")[0][1:]) + 1
    months = [[sheet.cell(first + n, column).value for column in (1, 2, 5)] for n in range(3)]
    assert months == [
        [datetime(2023, 12, 1), 10, 1],
        [datetime(2024, 1, 1), 20, 2],
        [datetime(2026, 1, 1), 10, 1],
    ]
    assert sheet.cell(first, 1).number_format.endswith("mm/yyyy")
    workbook.close()


@pytest.mark.parametrize(("last", "weeks"), [("2026-03-07", 0), ("2026-03-08", 9)])
def test_a_long_period_is_drawn_by_weeks(desk: Desk, last: str, weeks: int) -> None:
    days = pd.date_range("2026-01-05", last)
    desk.erp(*(f"T{day:%m%d},M1,{day:%Y-%m-%d},10,OK" for day in days))
    desk.run()
    workbook = load_workbook(desk.settings.report)
    sheet = workbook["KPI"]
    title = sheet._charts[1].title.tx.rich.p[0].r[0].t
    tables = {name: sheet.tables[name].ref for name in sheet.tables}
    assert title.endswith("par semaine" if weeks else "par jour")
    assert ("T_Semaines" in tables) == bool(weeks)
    if weeks:
        first, final = (int(ref[1:]) for ref in tables["T_Semaines"].split(":"))
        assert final - first == weeks
        assert sheet.cell(first + 1, 1).value == datetime(2026, 1, 5)
        assert sheet.cell(first + 1, 5).value == 7
    workbook.close()


def test_a_table_ends_with_its_last_row(book: Any) -> None:
    assert book["Transactions"].tables["T_Transactions"].ref == "A4:L8"
    assert book["Transactions"].tables["T_Transactions"].autoFilter.ref == "A4:L8"
    assert book["Rejets"].tables["T_Rejets"].ref == "A4:K6"
    assert book["Rejets"].max_column == len(REJECTS)


def test_the_chart_of_machines_keeps_its_figures_for_viewers_that_do_not_compute(
    printed: Desk,
) -> None:
    with zipfile.ZipFile(printed.settings.report) as package:
        charts = [
            package.read(name).decode()
            for name in package.namelist()
            if name.startswith("xl/charts/chart")
        ]
    (machines,) = [chart for chart in charts if "Taux d'erreur par machine" in chart]
    assert "<c:v>0.5</c:v>" in machines
    assert "<c:v>M1</c:v>" in machines
