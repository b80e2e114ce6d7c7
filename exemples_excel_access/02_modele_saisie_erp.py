"""Example 2: a template to enter transactions by hand, which the pipeline reads as it is."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import atelier
import xlsxwriter

ROWS = 1_000
STATUSES = ("OK", "WARN", "ERR")
COLUMNS = (
    ("transaction_id", 22, "Identifiant unique, 64 caractères au plus."),
    ("machine_id", 16, "À choisir dans la liste des machines."),
    ("date", 20, "Jour et heure de Douala : JJ/MM/AAAA HH:MM."),
    ("volume_transferred", 20, "Tonnes, de 0 à 100 000."),
    ("status_code", 14, "OK, WARN ou ERR."),
)
HOW_TO = (
    "Saisie des transactions",
    "1. Remplir une ligne par transaction dans la feuille « Saisie », sans changer les en-têtes.",
    "2. Machine et statut se choisissent dans leur liste ; une valeur hors liste est refusée.",
    "3. La date s'écrit JJ/MM/AAAA HH:MM, à l'heure de Douala ; le volume en tonnes.",
    "4. Les lignes laissées vides sont ignorées ; au-delà de 1 000, prendre un autre modèle.",
    "5. Enregistrer, puis charger le classeur :",
    "    python Data-Pipeline-Automation/src/main_pipeline.py --erp LE_CLASSEUR.xlsx",
    "Les en-têtes sont verrouillés sans mot de passe : Révision, Ôter la protection de la feuille.",
)


def machines() -> list[str]:
    """List the machines of the service's sample."""
    text = (atelier.SERVICE / "data_raw" / "api_reference_machines.json").read_text("utf-8")
    return [machine["machine_id"] for machine in json.loads(text)]


def rules(machine_count: int) -> list[dict[str, Any]]:
    """Give what each column admits, with the sentence shown when a cell breaks it."""
    refused = {"error_title": "Valeur refusée", "error_type": "stop"}
    return [
        {
            "validate": "custom",
            "value": f"=AND(LEN(A2)<=64,COUNTIF($A$2:$A${ROWS + 1},A2)=1)",
            "error_message": "Identifiant déjà saisi plus haut, ou plus long que 64 caractères.",
            **refused,
        },
        {
            "validate": "list",
            "source": f"=Listes!$A$2:$A${machine_count + 1}",
            "error_message": "Choisissez une machine de la liste.",
            **refused,
        },
        {
            "validate": "date",
            "criteria": "between",
            "minimum": date(2000, 1, 1),
            "maximum": date(2100, 12, 31),
            "error_message": "Écrivez une date JJ/MM/AAAA HH:MM, entre 2000 et 2100.",
            **refused,
        },
        {
            "validate": "decimal",
            "criteria": "between",
            "minimum": 0,
            "maximum": 100_000,
            "error_message": "Écrivez un nombre de tonnes, de 0 à 100 000.",
            **refused,
        },
        {
            "validate": "list",
            "source": f"=Listes!$B$2:$B${len(STATUSES) + 1}",
            "error_message": "Choisissez OK, WARN ou ERR.",
            **refused,
        },
    ]


def write(target: Path) -> None:
    """Write the template: entry sheet, lists, instructions."""
    known = machines()
    with xlsxwriter.Workbook(target) as book:
        entry = book.add_worksheet("Saisie")
        lists = book.add_worksheet("Listes")
        instructions = book.add_worksheet("Mode d'emploi")
        _fill_entry(book, entry, rules(len(known)))
        lists.write_column(0, 0, ["Machines", *known])
        lists.write_column(0, 1, ["Statuts", *STATUSES])
        lists.protect()
        instructions.set_column(0, 0, 100)
        instructions.write_column(0, 0, HOW_TO)
        instructions.protect()


def _fill_entry(book: Any, sheet: Any, checks: list[dict[str, Any]]) -> None:
    heading = book.add_format(
        {"bold": True, "font_color": "#FFFFFF", "bg_color": "#1F3864", "border": 1}
    )
    free = {"locked": False, "border": 1, "border_color": "#D9D9D9"}
    formats = {
        "date": {"num_format": "dd/mm/yyyy hh:mm"},
        "volume_transferred": {"num_format": "0.00"},
    }
    for at, ((name, width, hint), check) in enumerate(zip(COLUMNS, checks, strict=True)):
        sheet.write_string(0, at, name, heading)
        sheet.write_comment(0, at, hint)
        sheet.set_column(at, at, width)
        cell = book.add_format(free | formats.get(name, {}))
        for row in range(1, ROWS + 1):
            sheet.write_blank(row, at, None, cell)
        sheet.data_validation(1, at, ROWS, at, check)
        letter = chr(ord("A") + at)
        book.define_name(f"saisie_{name}", f"=Saisie!${letter}$2:${letter}${ROWS + 1}")
    sheet.freeze_panes(1, 0)
    sheet.protect("", {"format_columns": True, "sort": True, "autofilter": True})


def main() -> None:
    """Write the template into the output folder."""
    atelier.OUTPUT.mkdir(exist_ok=True)
    write(atelier.TEMPLATE)
    atelier.say(
        f"Modèle de saisie ({ROWS} lignes, listes déroulantes) : {atelier.shown(atelier.TEMPLATE)}"
    )


if __name__ == "__main__":
    main()
