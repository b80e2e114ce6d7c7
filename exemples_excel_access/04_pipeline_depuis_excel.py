"""Example 4: the entry template, filled, goes through the whole pipeline."""

import importlib
from datetime import datetime, timedelta
from pathlib import Path

import atelier
from openpyxl import load_workbook

FILLED = atelier.OUTPUT / "04_saisie_remplie.xlsx"
WAREHOUSE = atelier.OUTPUT / "04_entrepot.sqlite"
REPORT = atelier.OUTPUT / "04_rapport_supply_chain.xlsx"
ROWS = 24


def fill(template: Path, target: Path) -> None:
    """Enter sample rows as a person would; the last one forgets its volume."""
    book = load_workbook(template)
    sheet = book["Saisie"]
    known = [cell.value for cell in book["Listes"]["A"][1:]]
    start = datetime(2026, 2, 2, 6, 30)
    for number in range(ROWS):
        row = number + 2
        sheet.cell(row, 1, f"SAISIE-{number + 1:04d}")
        sheet.cell(row, 2, known[number % len(known)])
        sheet.cell(row, 3, start + timedelta(hours=5 * number))
        sheet.cell(row, 4, 12.5 + 3.25 * (number % 9) if number < ROWS - 1 else None)
        sheet.cell(row, 5, ("OK", "OK", "WARN", "OK", "ERR")[number % 5])
    book.save(target)


def main() -> None:
    """Fill the template and run main_pipeline.py on it, into a warehouse of its own."""
    if not atelier.TEMPLATE.exists():
        importlib.import_module("02_modele_saisie_erp").main()
    fill(atelier.TEMPLATE, FILLED)
    atelier.say(f"{ROWS} transactions saisies dans {atelier.shown(FILLED)}, dont une sans volume")
    atelier.say(atelier.run_pipeline(FILLED, WAREHOUSE, REPORT).rstrip())


if __name__ == "__main__":
    main()
