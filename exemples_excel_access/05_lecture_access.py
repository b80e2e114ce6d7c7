"""Example 5: a table of an Access database is read without Access and without a driver."""

import atelier
import pandas as pd

from dpa.access_source import extract_from_access

SOURCE = atelier.SAMPLES / "transactions_erp.accdb"
TARGET = atelier.OUTPUT / "05_transactions_access.csv"


def main() -> None:
    """Read the table, sum it up by status and write it as CSV for French Excel."""
    atelier.OUTPUT.mkdir(exist_ok=True)
    texts = extract_from_access(SOURCE, table="Transactions")
    table = texts.assign(volume_transferred=pd.to_numeric(texts["volume_transferred"]))
    table.to_csv(TARGET, sep=";", decimal=",", encoding="utf-8-sig")
    atelier.say(f"{len(table)} lignes de « Transactions » ({atelier.shown(SOURCE)})")
    for status, count in table["status_code"].value_counts().items():
        atelier.say(f"  {status} : {count}")
    atelier.say(f"Copie : {atelier.shown(TARGET)}")
    atelier.say("La même base se charge dans l'entrepôt par : main_pipeline.py --erp CE_FICHIER")


if __name__ == "__main__":
    main()
