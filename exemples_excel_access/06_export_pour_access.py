"""Example 6: the warehouse becomes text files that Access imports with the right types."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import atelier

TARGET = atelier.OUTPUT / "06_import_access"
QUERIES = {
    "transactions.csv": """
        SELECT "Transaction" AS transaction_id, "Machine" AS machine_id, "Site" AS site,
               "Date (Douala)" AS date_douala, "Volume (t)" AS volume_t, "Statut" AS statut,
               "Alerte critique" AS alerte_critique
        FROM v_transactions ORDER BY 1
    """,
    "sites_par_jour.csv": """
        SELECT "Jour" AS jour, "Site" AS site, "Volume (t)" AS volume_t,
               "Transactions" AS transactions, "Alertes critiques" AS alertes_critiques
        FROM v_stats_sites ORDER BY 1, 2
    """,
}
TYPES = {
    "date_douala": "DateTime",
    "jour": "DateTime",
    "volume_t": "Double",
    "alerte_critique": "Short",
    "transactions": "Long",
    "alertes_critiques": "Long",
}
FORMATS = {"transactions.csv": "yyyy-mm-dd hh:nn:ss", "sites_par_jour.csv": "yyyy-mm-dd"}


def export(warehouse: Path, name: str) -> tuple[list[str], int]:
    """Write one query as UTF-8 text; give its columns and its number of rows."""
    with closing(sqlite3.connect(f"{warehouse.as_uri()}?mode=ro", uri=True)) as connection:
        cursor = connection.execute(QUERIES[name])
        columns = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    with (TARGET / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(columns)
        writer.writerows(rows)
    return columns, len(rows)


def schema(columns: dict[str, list[str]]) -> str:
    """Describe the files to Access' text driver, which looks for schema.ini beside them."""
    lines = []
    for name, names in columns.items():
        lines += [
            f"[{name}]",
            "Format=Delimited(;)",
            "ColNameHeader=True",
            "CharacterSet=65001",
            "DecimalSymbol=.",
            f"DateTimeFormat={FORMATS[name]}",
            *(
                f"Col{at}={column} {TYPES.get(column, 'Text Width 64')}"
                for at, column in enumerate(names, start=1)
            ),
            "",
        ]
    return "\r\n".join(lines)


def main() -> None:
    """Write the files, their description, and say how to import them."""
    warehouse = atelier.example_warehouse()
    TARGET.mkdir(parents=True, exist_ok=True)
    columns = {}
    for name in QUERIES:
        columns[name], count = export(warehouse, name)
        atelier.say(f"{count} lignes dans {atelier.shown(TARGET / name)}")
    (TARGET / "schema.ini").write_text(schema(columns), encoding="ascii", newline="")
    atelier.say(f"Types pour Access : {atelier.shown(TARGET / 'schema.ini')} (voir README.md)")


if __name__ == "__main__":
    main()
