"""Example 3: any sheet of a workbook becomes a table, read as the pipeline reads it."""

from datetime import datetime

import atelier
import pandas as pd
import xlsxwriter

from dpa.excel_source import extract_from_excel

SOURCE = atelier.OUTPUT / "03_releve_mensuel.xlsx"
TARGET = atelier.OUTPUT / "03_releve_mensuel.csv"


def write_source() -> None:
    """Write a workbook as people make them: a title, a blank line, then the header."""
    with xlsxwriter.Workbook(SOURCE) as book:
        sheet = book.add_worksheet("Relevé")
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.write(0, 0, "Relevé mensuel des dépôts")
        sheet.write_row(2, 0, ["Dépôt", "Jour", "Tonnes"])
        for row, (place, tonnes) in enumerate([("Douala", 120.5), ("Edéa", 48), ("Bélabo", 0.25)]):
            sheet.write(3 + row, 0, place)
            sheet.write_datetime(3 + row, 1, datetime(2026, 1, 31), day)
            sheet.write_number(3 + row, 2, tonnes)


def main() -> None:
    """Read the sheet, type its columns and write them as CSV for French Excel."""
    atelier.OUTPUT.mkdir(exist_ok=True)
    write_source()
    texts = extract_from_excel(SOURCE, sheet="Relevé")
    table = texts.assign(
        Jour=pd.to_datetime(texts["Jour"], format="%Y-%m-%d"), Tonnes=pd.to_numeric(texts["Tonnes"])
    )
    table.to_csv(TARGET, sep=";", decimal=",", date_format="%d/%m/%Y", encoding="utf-8-sig")
    total = f"{table['Tonnes'].sum():.2f}".replace(".", ",")
    atelier.say(
        f"{len(table)} lignes lues dans {atelier.shown(SOURCE)} (lignes {texts.index[0]} à "
        f"{texts.index[-1]} de la feuille), {total} t, écrites dans {atelier.shown(TARGET)}"
    )


if __name__ == "__main__":
    main()
