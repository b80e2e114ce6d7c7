"""The Excel report: the warehouse's content as a finished document, replaced atomically."""

import textwrap
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dpa.columns import NOTES
from dpa.drafts import replacing
from dpa.errors import ReportNotWritten
from dpa.excel_table import LINE_HEIGHT_PT, MAX_ROWS, NAVY, RED, Book, Placed, write
from dpa.files import cause
from dpa.french import douala_time, number, plural
from dpa.report_charts import DAY, MONTH, WEEK, insert_overview, machine_chart, overview_rows
from dpa.report_columns import (
    DAYS,
    DICTIONARY,
    MACHINES,
    MONTHS,
    REJECTS,
    SITE_DAYS,
    SITES,
    TRANSACTIONS,
    WEEKS,
    Column,
)
from dpa.report_data import ReportData
from dpa.report_figures import Kpi

KPIS: Final = (
    Column("Indicateur"),
    Column("Valeur"),
    Column("Unité"),
    Column("Période précédente"),
    Column("Variation"),
    Column("Tendance"),
    Column("Définition"),
)
_KPI_WIDTHS: Final = (24, 18, 24, 24, 18, 20, 32)
_SUMMARY_WIDTHS: Final = (28, 50, 70)
_FACT_CHARACTERS: Final = 110
"""What fits in one line of the two columns of a fact."""
_NATURES: Final = {"chargement": "Chargement", "reprise": "Reprise de lignes corrigées"}


def write_report(path: Path, data: ReportData, now: datetime, max_rows: int = MAX_ROWS) -> None:
    """Write the workbook beside `path`, then put it in its place.

    `now` (aware) is the time of writing shown in the document. Raises ReportNotWritten; the
    previous report is intact then.
    """
    try:
        with replacing(path) as draft:
            _book(data, now, max_rows).save(draft)
    except OSError as error:
        raise ReportNotWritten(
            f"{path} : le rapport n'a pas pu être écrit ({cause(error)}) ; fermez-le s'il est "
            "ouvert dans Excel, vérifiez le dossier, puis relancez. Les données sont chargées."
        ) from error


def _book(data: ReportData, now: datetime, max_rows: int) -> Book:
    book = Book()
    book.workbook.set_properties(
        {"title": "Rapport supply chain", "subject": "CAMRAIL", "created": now.replace(tzinfo=None)}
    )
    summary = book.sheet("Sommaire", "Rapport supply chain CAMRAIL", period_sentence(data))
    placed = [_kpi_sheet(book, data)]
    for add in (_transactions_sheets, _site_day_sheets, _machine_sheets, _reject_sheets):
        placed += add(book, data, max_rows)
    placed.append(_dictionary_sheet(book))
    _fill_summary(book, summary, data, now, placed)
    summary.activate()
    return book


def period_sentence(data: ReportData) -> str:
    """Say which days the report shows, or why it shows none."""
    if data.in_warehouse == 0:
        return "L'entrepôt ne contient aucune transaction."
    if data.transactions.num_rows == 0:
        return f"Aucune transaction ne répond aux filtres : {filters_text(data)}."
    return f"Période {data.period} (jours de Douala, UTC+1)"


def filters_text(data: ReportData) -> str:
    """Say what the filters keep."""
    chosen = data.filters
    sites = ", ".join(chosen.sites) or "tous les sites"
    if chosen.first_day and chosen.last_day:
        days = f"du {chosen.first_day:%d/%m/%Y} au {chosen.last_day:%d/%m/%Y}"
    elif chosen.first_day:
        days = f"à partir du {chosen.first_day:%d/%m/%Y}"
    elif chosen.last_day:
        days = f"jusqu'au {chosen.last_day:%d/%m/%Y}"
    else:
        days = "tous les jours"
    return f"{sites} ; {days}"


def previous_sentence(data: ReportData) -> str:
    """Say what the figures are compared with."""
    if data.period is None or data.span is None:
        return "aucune"
    before = data.period.previous()
    if before.last < data.span.first:
        return f"{before} : aucune transaction, pas de comparaison (choisissez --from et --to)"
    if before.first < data.span.first:
        return f"{before}, incomplète : l'entrepôt commence le {data.span.first:%d/%m/%Y}"
    return str(before)


def _fill_summary(
    book: Book, sheet: Worksheet, data: ReportData, now: datetime, placed: list[Placed]
) -> None:
    for column, width in enumerate(_SUMMARY_WIDTHS):
        sheet.set_column(column, column, width)
    row = 3
    for name, value in _run_facts(data, now):
        sheet.write_string(row, 0, name, _label(book))
        sheet.merge_range(row, 1, row, 2, value, book.cell_format("text"))
        # A merged cell does not make its row higher by itself.
        sheet.set_row(row, LINE_HEIGHT_PT * len(textwrap.wrap(value, _FACT_CHARACTERS)))
        row += 1
    row = _source_lines(book, sheet, data, row + 1)
    row = _balance(book, sheet, data, row + 1)
    _links(book, sheet, placed, row + 1)


def _label(book: Book) -> Format:
    return book.format("label", bold=True, color=NAVY, valign="top")


def _run_facts(data: ReportData, now: datetime) -> list[tuple[str, str]]:
    return [
        ("Rapport écrit le", f"{douala_time(now):%d/%m/%Y à %H:%M} (heure de Douala)"),
        ("Filtres", filters_text(data)),
        ("Période précédente", previous_sentence(data)),
        ("Lot", data.lot["run_id"]),
        ("Nature du lot", _NATURES[data.lot["kind"]]),
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
            leaf = data.lot["transactions_sheet"] if role == "transactions" else ""
            name = f"{Path(path).name} (feuille {leaf})" if leaf else Path(path).name
            for column, text in enumerate((title, name, data.lot[f"{role}_sha256"])):
                sheet.write_string(row, column, text, book.cell_format("text"))
    return row + 1


def _balance(book: Book, sheet: Worksheet, data: ReportData, row: int) -> int:
    """Write read = loaded + rejected + duplicates; give the next free row."""
    lot = data.lot
    header = book.header_format()
    for column, text in enumerate(("Contrôle du lot", "Lignes", "Ce que c'est")):
        sheet.write_string(row, column, text, header)
    lines = (
        ("Lues", lot["rows_read"], "Lignes du fichier, hors en-tête et lignes vides."),
        ("= chargées", lot["rows_loaded"], "Nouvelles ou corrigées dans l'entrepôt."),
        ("+ rejetées", lot["rows_rejected"], _left_to_correct(data.rejects.num_rows)),
        ("+ doublons", lot["rows_duplicate"], "Répétitions à l'identique, comptées une fois."),
        ("Lignes antérieures laissées", lot["rows_skipped"], "Avant la date de --since."),
        ("Lignes vides ignorées", lot["blank_lines"], "Sans aucune cellule remplie."),
        ("Total dans l'entrepôt", data.in_warehouse, "Transactions de tous les lots."),
        ("dont dans ce rapport", data.transactions.num_rows, "Celles que gardent les filtres."),
    )
    left = book.left_count_format()
    for offset, (name, value, meaning) in enumerate(lines, start=row + 1):
        sheet.write_string(offset, 0, name, book.cell_format("text"))
        sheet.write_number(offset, 1, value, left)
        sheet.write_string(offset, 2, meaning, book.cell_format("text"))
    return row + 1 + len(lines)


def _left_to_correct(count: int) -> str:
    lines = plural(count, "ligne reste", "lignes restent")
    return f"Voir la feuille Rejets : {lines} à corriger, tous lots confondus."


def _links(book: Book, sheet: Worksheet, placed: list[Placed], row: int) -> None:
    """List the sheets with their links and their rows."""
    header = book.header_format()
    for column, text in enumerate(("Feuilles", "Lien", "Contenu")):
        sheet.write_string(row, column, text, header)
    link = book.link_format()
    names = [found.sheet.get_name() for found in placed]
    for offset, found in enumerate(placed, start=row + 1):
        name = found.sheet.get_name()
        sheet.write_string(offset, 0, name, book.cell_format("text"))
        sheet.write_url(offset, 1, f"internal:'{name}'!A1", link, f"Ouvrir {name}")
        content = plural(found.count, "ligne", "lignes")
        if f"{name} 2" in names:
            content += (
                f", les premières : une feuille n'en tient pas plus, la suite est sur {name} 2"
            )
        sheet.write_string(offset, 2, content, book.cell_format("text"))


def _kpi_sheet(book: Book, data: ReportData) -> Placed:
    sheet = book.sheet("KPI", "Indicateurs", period_sentence(data))
    sheet.write_string(2, 0, f"Période précédente : {previous_sentence(data)}.", _note(book))
    for column, width in enumerate(_KPI_WIDTHS):
        sheet.set_column(column, column, width)
    kpis = _kpi_table(book, sheet, data.kpis)
    charts = kpis.last_row + 2
    below = charts + overview_rows(data.sites.num_rows) + 1 if data.sites.num_rows else charts
    sites = book.table(sheet, below, "T_Sites", SITES, data.sites)
    _bars(sites, 1)
    times, by = _times(book, sheet, data, sites.last_row + 2)
    sheet.freeze_panes(3, 0)
    if data.sites.num_rows:
        insert_overview(book, sites, times, by, charts)
    return kpis


def _times(book: Book, sheet: Worksheet, data: ReportData, row: int) -> tuple[Placed, str]:
    """Write the tables by week or month, for a long period, and by day; give the one to draw."""
    drawn = None
    for by, name, columns, table in (
        (WEEK, "T_Semaines", WEEKS, data.weeks),
        (MONTH, "T_Mois", MONTHS, data.months),
    ):
        if table is not None:
            drawn = book.table(sheet, row, name, columns, table), by
            row = drawn[0].last_row + 2
    return drawn or (book.table(sheet, row, "T_Jours", DAYS, data.days), DAY)


def _note(book: Book) -> Format:
    return book.format("note", italic=True, color="#595959")


def _kpi_table(book: Book, sheet: Worksheet, kpis: list[Kpi]) -> Placed:
    none = pa.nulls(len(kpis), pa.string())
    blank = pa.table({column.label: none for column in KPIS})
    placed = book.table(sheet, 4, "T_KPI", KPIS, blank)
    text = book.cell_format("text")
    for row, kpi in enumerate(kpis, start=placed.first_row):
        for column, value in ((0, kpi.label), (2, kpi.unit), (5, kpi.trend), (6, kpi.meaning)):
            write(sheet, row, column, text, value)
        form = book.cell_format(kpi.kind)
        write(sheet, row, 1, form, kpi.value)
        write(sheet, row, 3, form, kpi.previous)
        change = "points" if kpi.kind == "percent" else "change"
        write(sheet, row, 4, book.cell_format(change), kpi.change)
    return placed


def _transactions_sheets(book: Book, data: ReportData, max_rows: int) -> list[Placed]:
    count = plural(data.transactions.num_rows, "transaction", "transactions")
    placed = list(
        book.table_sheets(
            "Transactions",
            "Transactions",
            f"{count} : {filters_text(data)}.",
            TRANSACTIONS,
            data.transactions,
            max_rows,
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
            f"Filtres : {filters_text(data)}. Un jour sans transaction n'a pas de ligne.",
            SITE_DAYS,
            data.site_days,
            max_rows,
        )
    )
    for part in placed:
        _bars(part, 2)
    return placed


def _machine_sheets(book: Book, data: ReportData, max_rows: int) -> list[Placed]:
    placed = list(
        book.table_sheets(
            "Top machines",
            "Machines par taux d'erreur décroissant",
            "Taux d'erreur : part des transactions au statut ERR. "
            "✓ sous 5 %, ! de 5 à 10 %, ✗ à partir de 10 %.",
            MACHINES,
            data.machines,
            max_rows,
        )
    )
    for part in placed:
        _icons(part, 7)
    if data.machines.num_rows:
        first = data.machines.slice(0, 20)
        names, rates = first["Machine"].to_pylist(), first["Taux d'erreur"].to_pylist()
        chart = machine_chart(book, placed[0], names, rates)
        placed[0].sheet.insert_chart(3, len(MACHINES) + 1, chart, {"object_position": 3})
    return placed


def _reject_sheets(book: Book, data: ReportData, max_rows: int) -> list[Placed]:
    count = plural(data.rejects.num_rows, "ligne rejetée", "lignes rejetées")
    title = f"{count} et encore à corriger, de tous les lots ; les filtres ne s'y appliquent pas."
    return list(
        book.table_sheets("Rejets", "Lignes rejetées", title, REJECTS, data.rejects, max_rows)
    )


def _dictionary_sheet(book: Book) -> Placed:
    notes = [(note.sheet, note.label, note.name, note.unit, note.meaning) for note in NOTES]
    cells = zip(*notes, strict=True)
    table = pa.table({column.label: texts for column, texts in zip(DICTIONARY, cells, strict=True)})
    return next(
        book.table_sheets(
            "Dictionnaire", "Dictionnaire", "Ce que disent les colonnes.", DICTIONARY, table
        )
    )


def _mark(book: Book, placed: Placed, column: int, text: str) -> None:
    """Set the cells that say `text` in bold on a tint: the word itself carries the meaning."""
    alarm = book.format("alarm", bold=True, color=RED, bg_color="#FFC7CE")
    rule = {"type": "cell", "criteria": "==", "value": f'"{text}"', "format": alarm}
    _conditional(placed, column, rule)


def _bars(placed: Placed, column: int) -> None:
    """Draw a bar behind each number, which stays readable."""
    bar = {"type": "data_bar", "bar_solid": True, "bar_color": "#BDD7EE", "min_type": "num"}
    _conditional(placed, column, bar)


def _icons(placed: Placed, column: int) -> None:
    """Put a tick, an exclamation mark or a cross before error rates (under 5 %, 10 %, above)."""
    icons = [
        {"criteria": ">=", "type": "number", "value": 0.10},
        {"criteria": ">=", "type": "number", "value": 0.05},
    ]
    rule = {
        "type": "icon_set",
        "icon_style": "3_symbols_circled",
        "reverse_icons": True,
        "icons": icons,
    }
    _conditional(placed, column, rule)


def _conditional(placed: Placed, column: int, rule: dict[str, object]) -> None:
    placed.sheet.conditional_format(placed.first_row, column, placed.last_row, column, rule)
