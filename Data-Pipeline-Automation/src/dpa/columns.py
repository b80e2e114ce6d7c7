"""Names, units and meanings of the columns that files, warehouse and report share."""

from dataclasses import dataclass
from typing import Final

TRANSACTION_COLUMNS: Final = (
    "transaction_id",
    "machine_id",
    "date",
    "volume_transferred",
    "status_code",
)
MACHINE_COLUMNS: Final = ("machine_id", "site_location", "installation_year")

STATUS_CODES: Final = ("OK", "WARN", "ERR")
ALERT_STATUSES: Final = ("WARN", "ERR")
ALERT_VOLUME_TONNES: Final = 20.0
GRAM_DECIMALS: Final = 6
"""Sums and converted volumes, in tonnes, are rounded to the gram: 0.1 + 0.2 stays 0.3."""

UNKNOWN: Final = "Inconnu"
"""Site of a machine that the machine list does not know; never a machine of the list."""
UNKNOWN_MACHINE_KEY: Final = -1


@dataclass(frozen=True)
class ColumnNote:
    """What one column of the report means; `name` is its technical name in the warehouse."""

    sheet: str
    label: str
    name: str
    unit: str
    meaning: str


NOTES: Final = (
    ColumnNote(
        "Transactions", "Transaction", "transaction_id", "", "Identifiant unique donné par l'ERP."
    ),
    ColumnNote("Transactions", "Machine", "machine_id", "", "Machine telle que l'ERP l'a écrite."),
    ColumnNote(
        "Transactions",
        "Site",
        "site_location",
        "",
        "Site de la machine au moment du chargement ; « Inconnu » si elle n'est pas référencée.",
    ),
    ColumnNote(
        "Transactions",
        "Année d'installation",
        "installation_year",
        "année",
        "Vide si elle n'est pas connue.",
    ),
    ColumnNote(
        "Transactions",
        "Date (Douala)",
        "date",
        "UTC+1",
        "L'entrepôt garde l'instant en UTC ; le rapport l'écrit à l'heure de Douala.",
    ),
    ColumnNote(
        "Transactions",
        "Volume (t)",
        "volume_transferred",
        "tonne",
        "Volume transféré, jamais négatif.",
    ),
    ColumnNote("Transactions", "Statut", "status_code", "", "OK, WARN ou ERR."),
    ColumnNote(
        "Transactions",
        "Alerte critique",
        "critical_alert",
        "oui / non",
        "Statut WARN ou ERR et volume inférieur à 20 t.",
    ),
    ColumnNote(
        "Transactions", "Fichier source", "transactions_file", "", "Fichier d'où vient la ligne."
    ),
    ColumnNote(
        "Transactions",
        "Feuille source",
        "transactions_sheet",
        "",
        "Feuille d'un classeur ou table d'une base Access ; vide pour un CSV.",
    ),
    ColumnNote(
        "Transactions",
        "Ligne source",
        "source_line",
        "ligne",
        "Numéro de la ligne dans ce fichier, en-tête compris.",
    ),
    ColumnNote("Transactions", "Lot", "run_id", "", "Passage du pipeline qui a écrit la ligne."),
    ColumnNote("Stats_Sites", "Jour", "day", "jour", "Jour civil de Douala."),
    ColumnNote("Stats_Sites", "Site", "site_location", "", "Site des transactions."),
    ColumnNote("Stats_Sites", "Volume (t)", "total_volume", "tonne", "Somme des volumes."),
    ColumnNote(
        "Stats_Sites", "Alertes critiques", "total_alerts", "nombre", "Nombre d'alertes critiques."
    ),
    ColumnNote(
        "Stats_Sites",
        "Machines actives",
        "active_machines",
        "nombre",
        "Machines distinctes ayant au moins une transaction ce jour-là.",
    ),
    ColumnNote(
        "Stats_Sites", "Transactions", "transaction_count", "nombre", "Nombre de transactions."
    ),
    ColumnNote("Top machines", "Machine", "machine_id", "", "Machine telle que l'ERP l'a écrite."),
    ColumnNote(
        "Top machines",
        "Site",
        "site_location",
        "",
        "Site des transactions ; une machine déplacée a une ligne par site.",
    ),
    ColumnNote(
        "Top machines",
        "Année d'installation",
        "installation_year",
        "année",
        "Vide si elle n'est pas connue.",
    ),
    ColumnNote("Top machines", "Transactions", "v_machines", "nombre", "Nombre de transactions."),
    ColumnNote("Top machines", "Volume (t)", "volume_transferred", "tonne", "Somme des volumes."),
    ColumnNote("Top machines", "Avertissements", "v_machines", "nombre", "Au statut WARN."),
    ColumnNote("Top machines", "Erreurs", "v_machines", "nombre", "Au statut ERR."),
    ColumnNote(
        "Top machines",
        "Taux d'erreur",
        "v_machines",
        "%",
        "Part des transactions de la machine au statut ERR.",
    ),
    ColumnNote(
        "Top machines",
        "Alertes critiques",
        "critical_alert",
        "nombre",
        "Statut WARN ou ERR et volume inférieur à 20 t.",
    ),
    ColumnNote("Rejets", "Fichier", "source_file", "", "Fichier d'où vient la ligne."),
    ColumnNote("Rejets", "Feuille", "source_sheet", "", "Feuille ou table ; vide pour un CSV."),
    ColumnNote("Rejets", "Ligne", "source_line", "ligne", "Numéro de la ligne dans ce fichier."),
    ColumnNote("Rejets", "Règle", "rule_code", "", "Code de la première règle enfreinte."),
    ColumnNote(
        "Rejets", "Colonne", "column_name", "", "Colonne fautive ; vide si c'est toute la ligne."
    ),
    ColumnNote("Rejets", "Valeur", "value", "", "Valeur refusée, telle qu'elle est écrite."),
    ColumnNote("Rejets", "Motif", "reason", "", "Pourquoi la ligne est refusée."),
    ColumnNote("Rejets", "Remède", "remedy", "", "Ce qu'il faut corriger à la source."),
    ColumnNote("Rejets", "Autres règles", "other_rules", "", "Codes des autres règles enfreintes."),
    ColumnNote("Rejets", "Ligne d'origine", "raw_row", "", "Toutes les cellules de la ligne."),
    ColumnNote(
        "Rejets",
        "État",
        "status",
        "",
        "Ouvert ; corrigé ou remplacé une fois rendu par --resubmit ; abandonné avec sa raison.",
    ),
)
