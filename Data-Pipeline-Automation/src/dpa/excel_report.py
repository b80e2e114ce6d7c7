"""The Excel report: the warehouse's content as a finished document, replaced atomically."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from xlsxwriter.exceptions import XlsxWriterException
from xlsxwriter.worksheet import Worksheet

from dpa.columns import NOTES
from dpa.errors import ReportNotWritten
from dpa.excel_table import MAX_ROWS, NAVY, NUMBER_FORMATS, Book, Column, Placed, write
from dpa.files import cause
from dpa.french import douala_time, number, plural
from dpa.report_data import ReportData

RED: Final = "#9C0006"
ORANGE: Final = "#C55A11"
CHARTED_BARS: Final = 20
FEW_BARS: Final = 10
ROW_HEIGHT_PX: Final = 20

TRANSACTIONS: Final = (
    Column("Transaction"),
    Column("Machine"),
    Column("Site"),
    Column("Année d'installation", "plain"),
    Column("Date (Douala)", "datetime"),
    Column("Volume (t)", "decimal"),
    Column("Statut"),
    Column("Alerte critique"),
    Column("Fichier source", max_width=40),
    Column("Ligne source", "plain"),
    Column("Lot"),
)
SITE_DAYS: Final = (
    Column("Jour", "date"),
    Column("Site"),
    Column("Volume (t)", "decimal"),
    Column("Alertes critiques", "integer"),
    Column("Machines actives", "integer"),
    Column("Transactions", "integer"),
)
MACHINES: Final = (
    Column("Machine"),
    Column("Site"),
    Column("Année d'installation", "plain"),
    Column("Transactions", "integer"),
    Column("Volume (t)", "decimal"),
    Column("Avertissements", "integer"),
    Column("Erreurs", "integer"),
    Column("Taux d'erreur", "percent"),
    Column("Alertes critiques", "integer"),
)
REJECTS: Final = (
    Column("Fichier", max_width=30),
    Column("Ligne", "plain"),
    Column("Règle", max_width=26),
    Column("Colonne", max_width=22),
    Column("Valeur", max_width=30),
    Column("Motif", max_width=40),
    Column("Remède", max_width=44),
    Column("Autres règles", max_width=26),
    Column("Ligne d'origine", max_width=60),
)
DICTIONARY: Final = (
    Column("Feuille"),
    Column("Colonne"),
    Column("Nom technique"),
    Column("Unité"),
    Column("Définition", max_width=90),
)
KPIS: Final = (Column("Indicateur"), Column("Valeur"), Column("Unité"), Column("Définition"))
SITES: Final = (
    Column("Site"),
    Column("Volume (t)", "decimal"),
    Column("Alertes critiques", "integer"),
    Column("Transactions", "integer"),
)
DAYS: Final = (Column("Jour", "date"), *SITES[1:])


def write_report(path: Path, data: ReportData, now: datetime, max_rows: int = MAX_ROWS) -> None:
    """Write the workbook beside `path`, then put it in its place.

    `now` (aware) is the time of writing shown in the document. Raises ReportNotWritten; the
    previous report is intact then.
    """
    draft = path.with_name(f".{path.stem}.{os.getpid()}.tmp.xlsx")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_book(draft, data, now, max_rows)
        with draft.open("rb+") as handle:
            os.fsync(handle.fileno())
        draft.replace(path)
    except (OSError, XlsxWriterException) as error:
        # XlsxWriter wraps the system error that stopped it.
        origin = error if isinstance(error, OSError) else error.__context__
        reason = cause(origin) if isinstance(origin, OSError) else str(error)
        raise ReportNotWritten(
            f"{path} : le rapport n'a pas pu être écrit ({reason}) ; fermez-le s'il est ouvert "
            "dans Excel, vérifiez le dossier, puis relancez. Les données sont chargées."
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _write_book(path: Path, data: ReportData, now: datetime, max_rows: int) -> None:
    book = Book(str(path))
    book.workbook.set_properties(
        {"title": "Rapport supply chain", "subject": "CAMRAIL", "created": now.replace(tzinfo=None)}
    )
    summary = book.sheet("Sommaire", "Rapport supply chain CAMRAIL", _period(data))
    sheets = ["KPI"]
    _kpi_sheet(book, data)
    for add in (_transactions_sheets, _site_day_sheets, _machine_sheets, _reject_sheets):
        sheets += [placed.sheet.get_name() for placed in add(book, data, max_rows)]
    notes = [(note.sheet, note.label, note.name, note.unit, note.meaning) for note in NOTES]
    list(
        book.table_sheets(
            "Dictionnaire", "Dictionnaire", "Ce que disent les colonnes.", DICTIONARY, notes
        )
    )
    _fill_summary(book, summary, data, now, [*sheets, "Dictionnaire"])
    summary.activate()
    book.workbook.close()


def _period(data: ReportData) -> str:
    if data.period is None:
        return "L'entrepôt ne contient aucune transaction."
    first, last = data.period
    return f"Période du {first:%d/%m/%Y} au {last:%d/%m/%Y} (jours de Douala, UTC+1)"


def _fill_summary(
    book: Book, sheet: Worksheet, data: ReportData, now: datetime, sheets: list[str]
) -> None:
    label = book.format("label", bold=True, color=NAVY)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 46)
    sheet.set_column(2, 2, 70)
    row = 3
    for name, value in _run_facts(data, now):
        sheet.write_string(row, 0, name, label)
        sheet.write_string(row, 1, value, book.cell_format("text"))
        row += 1
    row = _source_lines(book, sheet, data, row + 1)
    row = _balance(book, sheet, data, row + 1)
    sheet.write_string(row + 1, 0, "Feuilles", label)
    link = book.format("link", color="#0563C1", underline=1)
    for offset, name in enumerate(sheets):
        sheet.write_url(row + 1 + offset, 1, f"internal:'{name}'!A1", link, name)


def _run_facts(data: ReportData, now: datetime) -> list[tuple[str, str]]:
    return [
        ("Rapport écrit le", f"{douala_time(now):%d/%m/%Y à %H:%M} (heure de Douala)"),
        ("Lot", data.lot["run_id"]),
        ("Version du pipeline", data.lot["version"]),
        ("Durée du chargement", f"{number(data.lot['duration_s'], 1)} s"),
    ]


def _source_lines(book: Book, sheet: Worksheet, data: ReportData, row: int) -> int:
    """Write the run's input files with their digests; give the next free row."""
    header = book.header_format()
    for column, text in enumerate(("Source", "Fichier", "Empreinte SHA-256")):
        sheet.write_string(row, column, text, header)
    for role in ("transactions", "machines", "mapping"):
        path = data.lot[f"{role}_path"]
        if path is not None:
            row += 1
            title = {"mapping": "Correspondance"}.get(role, role.capitalize())
            for column, text in enumerate((title, Path(path).name, data.lot[f"{role}_sha256"])):
                sheet.write_string(row, column, text, book.cell_format("text"))
    return row + 1


def _balance(book: Book, sheet: Worksheet, data: ReportData, row: int) -> int:
    """Write read = loaded + rejected + duplicates; give the next free row."""
    lot = data.lot
    header = book.header_format()
    sheet.write_string(row, 0, "Contrôle du lot", header)
    sheet.write_string(row, 1, "Lignes", header)
    lines = (
        ("Lues", lot["rows_read"]),
        ("= chargées", lot["rows_loaded"]),
        ("+ rejetées", lot["rows_rejected"]),
        ("+ doublons", lot["rows_duplicate"]),
        ("Lignes vides ignorées", lot["blank_lines"]),
        ("Total dans l'entrepôt", len(data.transactions)),
    )
    left = book.format("count", num_format="[$-40C]#,##0", align="left")
    for offset, (name, value) in enumerate(lines, start=row + 1):
        sheet.write_string(offset, 0, name, book.cell_format("text"))
        sheet.write_number(offset, 1, value, left)
    return row + 1 + len(lines)


def _kpi_sheet(book: Book, data: ReportData) -> None:
    sheet = book.sheet("KPI", "Indicateurs", _period(data))
    for column, width in enumerate((24, 16, 21, 28, 3)):
        sheet.set_column(column, column, width)
    cells = [(kpi.label, kpi.value, kpi.unit, kpi.meaning) for kpi in data.kpis]
    kpis = book.table(sheet, 3, "T_KPI", KPIS, cells)
    for row, kpi in enumerate(data.kpis, start=kpis.first_row):
        write(sheet, row, 1, book.cell_format(kpi.kind), kpi.value)
    sites = book.table(sheet, kpis.last_row + 2, "T_Sites", SITES, data.sites)
    days = book.table(sheet, sites.last_row + 2, "T_Jours", DAYS, data.days)
    _bars(sheet, sites, 1)
    sheet.freeze_panes(3, 0)
    if data.sites:
        chart = _site_chart(book, sites)
        sheet.insert_chart(3, 5, chart, {"object_position": 3})
        below = 4 + -(-chart.height // ROW_HEIGHT_PX)
        sheet.insert_chart(below, 5, _day_chart(book, days), {"object_position": 3})


def _transactions_sheets(book: Book, data: ReportData, max_rows: int) -> list[Placed]:
    title = f"{plural(len(data.transactions), 'transaction', 'transactions')} dans l'entrepôt."
    placed = list(
        book.table_sheets(
            "Transactions", "Transactions", title, TRANSACTIONS, data.transactions, max_rows
        )
    )
    for part in placed:
        _mark(book, part, 6, "ERR")
        _mark(book, part, 7, "Oui")
    return placed


def _site_day_sheets(book: Book, data: ReportData, max_rows: int) -> list[Placed]:
    placed = list(
        book.table_sheets(
            "Stats_Sites",
            "Statistiques par jour et par site",
            "Un jour sans transaction n'a pas de ligne.",
            SITE_DAYS,
            data.site_days,
            max_rows,
        )
    )
    for part in placed:
        _bars(part.sheet, part, 2)
    return placed


def _machine_sheets(book: Book, data: ReportData, max_rows: int) -> list[Placed]:
    placed = list(
        book.table_sheets(
            "Top machines",
            "Machines par taux d'erreur décroissant",
            "Taux d'erreur : part des transactions au statut ERR.",
            MACHINES,
            data.machines,
            max_rows,
        )
    )
    for part in placed:
        _icons(part, 7)
    if data.machines:
        chart = _machine_chart(book, placed[0])
        placed[0].sheet.insert_chart(3, len(MACHINES) + 1, chart, {"object_position": 3})
    return placed


def _reject_sheets(book: Book, data: ReportData, max_rows: int) -> list[Placed]:
    title = f"{plural(len(data.rejects), 'ligne rejetée', 'lignes rejetées')} par ce lot."
    return list(
        book.table_sheets("Rejets", "Lignes rejetées", title, REJECTS, data.rejects, max_rows)
    )


def _mark(book: Book, placed: Placed, column: int, text: str) -> None:
    """Set the cells that say `text` in bold on a tint: the word itself carries the meaning."""
    alarm = book.format("alarm", bold=True, color=RED, bg_color="#FFC7CE")
    placed.sheet.conditional_format(
        placed.first_row,
        column,
        placed.last_row,
        column,
        {"type": "cell", "criteria": "==", "value": f'"{text}"', "format": alarm},
    )


def _bars(sheet: Worksheet, placed: Placed, column: int) -> None:
    sheet.conditional_format(
        placed.first_row,
        column,
        placed.last_row,
        column,
        {"type": "data_bar", "bar_solid": True, "bar_color": "#BDD7EE", "min_type": "num"},
    )


def _icons(placed: Placed, column: int) -> None:
    """Put a tick, an exclamation mark or a cross before error rates (under 5 %, 10 %, above)."""
    placed.sheet.conditional_format(
        placed.first_row,
        column,
        placed.last_row,
        column,
        {
            "type": "icon_set",
            "icon_style": "3_symbols_circled",
            "reverse_icons": True,
            "icons": [
                {"criteria": ">=", "type": "number", "value": 0.10},
                {"criteria": ">=", "type": "number", "value": 0.05},
            ],
        },
    )


def _cells(placed: Placed, column: int, limit: int | None = None) -> list[Any]:
    """Give a column of a table as XlsxWriter's list reference, for a chart."""
    last = placed.last_row if limit is None else min(placed.last_row, placed.first_row + limit - 1)
    return [placed.sheet.get_name(), placed.first_row, column, last, column]


def _first_ones(placed: Placed) -> str:
    """Say in a chart's title that it shows only the first rows of its table."""
    rows = placed.last_row - placed.first_row + 1
    return f" ({CHARTED_BARS} premiers rangs)" if rows > CHARTED_BARS else ""


def _chart(
    book: Book,
    kind: str,
    title: str,
    series: dict[str, Any],
    axis: str,
    num_format: str = NUMBER_FORMATS["integer"],
) -> Any:
    chart = book.workbook.add_chart({"type": kind})
    chart.add_series({"fill": {"color": NAVY}, "border": {"none": True}, "gap": 60, **series})
    chart.set_title({"name": title, "name_font": {"size": 13, "color": NAVY}})
    values = {
        "name": axis,
        "num_format": num_format,
        "min": 0,
        "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}},
    }
    if kind == "bar":
        # Reversing the categories moves the values to the top; "high" brings them back down.
        chart.set_x_axis({**values, "label_position": "high"})
        chart.set_y_axis({"reverse": True, "interval_unit": 1, "num_font": {"size": 8}})
    else:
        chart.set_y_axis(values)
    chart.set_size({"width": 720, "height": 360})
    return chart


def _site_chart(book: Book, sites: Placed) -> Any:
    series = {
        "name": "Volume (t)",
        "categories": _cells(sites, 0, CHARTED_BARS),
        "values": _cells(sites, 1, CHARTED_BARS),
    }
    chart = _chart(book, "bar", f"Volume par site{_first_ones(sites)}", series, "Tonnes")
    chart.set_legend({"none": True})
    if sites.last_row - sites.first_row > FEW_BARS:
        chart.set_size({"width": 720, "height": 500})
    return chart


def _day_chart(book: Book, days: Placed) -> Any:
    when = _cells(days, 0)
    series = {"name": "Volume (t)", "categories": when, "values": _cells(days, 1)}
    chart = _chart(book, "column", "Volume et alertes critiques par jour", series, "Tonnes")
    alerts = book.workbook.add_chart({"type": "line"})
    alerts.add_series(
        {
            "name": "Alertes critiques",
            "categories": when,
            "values": _cells(days, 2),
            "y2_axis": True,
            "line": {"color": ORANGE, "width": 2},
            "marker": {"type": "diamond", "size": 6, "fill": {"color": ORANGE}},
        }
    )
    alerts.set_y2_axis({"name": "Alertes", "min": 0, "num_format": "0"})
    chart.combine(alerts)
    chart.set_x_axis({"date_axis": True, "num_format": "dd/mm/yy", "num_font": {"rotation": -45}})
    chart.set_legend({"position": "bottom"})
    return chart


def _machine_chart(book: Book, machines: Placed) -> Any:
    series = {
        "name": "Taux d'erreur",
        "categories": _cells(machines, 0, CHARTED_BARS),
        "values": _cells(machines, 7, CHARTED_BARS),
        "fill": {"color": ORANGE},
    }
    chart = _chart(
        book,
        "bar",
        f"Taux d'erreur par machine{_first_ones(machines)}",
        series,
        "Part du statut ERR",
        "0 %",
    )
    chart.set_legend({"none": True})
    chart.set_size({"width": 620, "height": 480})
    return chart
