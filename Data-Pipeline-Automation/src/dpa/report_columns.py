"""The columns of the report's tables, in their order, and what kind of value each holds."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Column:
    """One column of a table; text wider than `max_width` characters wraps.

    `kind`: text, integer, plain (a number that is a name, as a year is), decimal, percent, date,
    datetime or month.
    """

    label: str
    kind: str = "text"
    max_width: int = 60


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
    Column("Feuille source", max_width=30),
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
    Column("Feuille", max_width=20),
    Column("Ligne", "plain"),
    Column("Règle", max_width=26),
    Column("Colonne", max_width=22),
    Column("Valeur", max_width=30),
    Column("Motif", max_width=40),
    Column("Remède", max_width=44),
    Column("Autres règles", max_width=26),
    Column("Ligne d'origine", max_width=60),
    Column("État"),
)
DICTIONARY: Final = (
    Column("Feuille"),
    Column("Colonne"),
    Column("Nom technique"),
    Column("Unité"),
    Column("Définition", max_width=90),
)
SITES: Final = (
    Column("Site"),
    Column("Volume (t)", "decimal"),
    Column("Alertes critiques", "integer"),
    Column("Transactions", "integer"),
)
DAYS: Final = (Column("Jour", "date"), *SITES[1:])
WEEKS: Final = (Column("Semaine du", "date"), *SITES[1:], Column("Jours actifs", "integer"))
MONTHS: Final = (Column("Mois", "month"), *WEEKS[1:])
