"""Example 1: an own query of the warehouse becomes a formatted workbook."""

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import atelier
import xlsxwriter

QUERY = """
SELECT "Jour", "Site", "Volume (t)", "Transactions", "Alertes critiques",
       CAST("Alertes critiques" AS REAL) / "Transactions" AS "Part d'alertes"
FROM v_stats_sites
WHERE "Site" <> 'Inconnu'
ORDER BY "Jour", "Site"
"""
FORMATS = {
    "Jour": "dd/mm/yyyy",
    "Volume (t)": "#,##0.00",
    "Transactions": "#,##0",
    "Alertes critiques": "#,##0",
    "Part d'alertes": "0.0%",
}
TARGET = atelier.OUTPUT / "01_volumes_par_jour_et_site.xlsx"


def read(warehouse: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run the query, read only; give the headings and the rows."""
    with closing(sqlite3.connect(f"{warehouse.as_uri()}?mode=ro", uri=True)) as connection:
        cursor = connection.execute(QUERY)
        return [column[0] for column in cursor.description], cursor.fetchall()


def write(target: Path, headings: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Write one named table, dates as dates, ready to filter, chart and print."""
    typed = [[date.fromisoformat(row[0]), *row[1:]] for row in rows]
    with xlsxwriter.Workbook(target) as book:
        sheet = book.add_worksheet("Volumes")
        formats = {name: book.add_format({"num_format": code}) for name, code in FORMATS.items()}
        columns = [{"header": name, "format": formats.get(name)} for name in headings]
        sheet.add_table(
            0,
            0,
            len(rows),
            len(headings) - 1,
            {"name": "Volumes", "columns": columns, "data": typed, "style": "Table Style Medium 2"},
        )
        sheet.set_column(0, len(headings) - 1, 16)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer("&Cpage &P/&N")


def main() -> None:
    """Read the warehouse of the examples and write the workbook."""
    headings, rows = read(atelier.example_warehouse())
    write(TARGET, headings, rows)
    atelier.say(f"{len(rows)} lignes de v_stats_sites dans {atelier.shown(TARGET)}")


if __name__ == "__main__":
    main()
