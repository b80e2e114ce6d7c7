"""The rules that a transaction row must obey, each with a code, a French sentence and a remedy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from dpa.cells import DOUALA_OFFSET_MINUTES

MAX_ID_LENGTH: Final = 64
MAX_VOLUME_TONNES: Final = 100_000.0
"""Our assumption: thirty times the heaviest freight trains; above it the unit is wrong."""
FIRST_YEAR: Final = 1950
LAST_YEAR: Final = 2100


@dataclass(frozen=True)
class Rule:
    """One reason to reject a row; `column` is empty when the whole row is at fault."""

    code: str
    column: str
    sentence: str
    remedy: str


_RULES: Final = (
    Rule(
        "LIGNE_IRREGULIERE",
        "",
        "La ligne n'a pas autant de champs que l'en-tête.",
        "Ajouter ou retirer des séparateurs, ou mettre entre guillemets le texte qui en contient.",
    ),
    Rule(
        "GUILLEMET_NON_FERME",
        "",
        "Un guillemet ouvert n'est pas refermé ou n'est pas à sa place.",
        "Refermer le guillemet, ou doubler celui qui fait partie du texte.",
    ),
    Rule(
        "ID_MANQUANT",
        "transaction_id",
        "L'identifiant de transaction est vide.",
        "Saisir l'identifiant donné par l'ERP.",
    ),
    Rule(
        "ID_INVALIDE",
        "transaction_id",
        f"L'identifiant dépasse {MAX_ID_LENGTH} caractères ou contient un caractère de contrôle.",
        "Ressaisir l'identifiant tel que l'ERP l'affiche.",
    ),
    Rule(
        "MACHINE_MANQUANTE",
        "machine_id",
        "La machine n'est pas indiquée.",
        "Saisir l'identifiant de la machine.",
    ),
    Rule(
        "MACHINE_INVALIDE",
        "machine_id",
        f"La machine dépasse {MAX_ID_LENGTH} caractères ou contient un caractère de contrôle.",
        "Ressaisir l'identifiant de la machine.",
    ),
    Rule("DATE_MANQUANTE", "date", "La date est vide.", "Saisir la date de la transaction."),
    Rule(
        "DATE_INVALIDE",
        "date",
        "La date n'existe pas ou n'a pas un format attendu.",
        "Écrire une date qui existe, en AAAA-MM-JJ ou JJ/MM/AAAA, ou dans l'un des formats que "
        "déclare le fichier de correspondance (date_formats).",
    ),
    Rule(
        "DATE_HORS_PLAGE",
        "date",
        f"L'année n'est pas entre {FIRST_YEAR} et {LAST_YEAR}.",
        "Corriger l'année.",
    ),
    Rule("VOLUME_MANQUANT", "volume_transferred", "Le volume est vide.", "Saisir le volume."),
    Rule(
        "VOLUME_NON_NUMERIQUE",
        "volume_transferred",
        "Le volume n'est pas un nombre.",
        "Saisir un nombre seul, sans unité, avec le séparateur décimal du fichier : le point, ou "
        "celui que déclare le fichier de correspondance (decimal).",
    ),
    Rule(
        "VOLUME_NEGATIF",
        "volume_transferred",
        "Le volume est négatif.",
        "Vérifier le signe ; un retour se saisit comme une transaction à part.",
    ),
    Rule(
        "VOLUME_HORS_PLAGE",
        "volume_transferred",
        f"Le volume dépasse {MAX_VOLUME_TONNES:.0f} tonnes.",
        "Vérifier l'unité (tonnes) et le nombre de zéros.",
    ),
    Rule("STATUT_MANQUANT", "status_code", "Le statut est vide.", "Saisir OK, WARN ou ERR."),
    Rule(
        "STATUT_INCONNU",
        "status_code",
        "Le statut n'est pas un des codes connus.",
        "Saisir OK, WARN ou ERR, ou déclarer la traduction dans le fichier de correspondance.",
    ),
    Rule(
        "ID_EN_CONFLIT",
        "transaction_id",
        "Le même identifiant porte d'autres valeurs ailleurs dans le fichier.",
        "Garder la bonne ligne et supprimer l'autre, ou corriger l'identifiant.",
    ),
)
RULES: Final = {rule.code: rule for rule in _RULES}


def _identifier_faults(name: str, texts: "pd.Series[str]", gender: str) -> dict[str, pd.Series]:
    control = texts.str.contains(r"[\x00-\x1f\x7f-\x9f]", regex=True)
    return {
        f"{name}_MANQUANT{gender}": texts.eq(""),
        f"{name}_INVALIDE": texts.str.len().gt(MAX_ID_LENGTH) | control,
    }


def _date_faults(texts: "pd.Series[str]", moments: pd.Series) -> dict[str, pd.Series]:
    year = (moments + pd.Timedelta(minutes=DOUALA_OFFSET_MINUTES)).dt.year
    return {
        "DATE_MANQUANTE": texts.eq(""),
        "DATE_INVALIDE": texts.ne("") & moments.isna(),
        "DATE_HORS_PLAGE": moments.notna() & ~year.between(FIRST_YEAR, LAST_YEAR),
    }


def _volume_faults(texts: "pd.Series[str]", tonnes: "pd.Series[float]") -> dict[str, pd.Series]:
    return {
        "VOLUME_MANQUANT": texts.eq(""),
        "VOLUME_NON_NUMERIQUE": texts.ne("") & tonnes.isna(),
        "VOLUME_NEGATIF": tonnes.lt(0),
        "VOLUME_HORS_PLAGE": tonnes.gt(MAX_VOLUME_TONNES),
    }


def broken_rules(texts: pd.DataFrame, typed: pd.DataFrame) -> dict[str, "np.ndarray"]:
    """Give, for each rule on a single row, the mask of the rows that break it.

    `texts` holds the trimmed cells and `typed` their conversions (NaN, NaT or missing where a
    cell could not be converted), on the same index.
    """
    faults = {
        **_identifier_faults("ID", texts["transaction_id"], ""),
        **_identifier_faults("MACHINE", texts["machine_id"], "E"),
        **_date_faults(texts["date"], typed["date"]),
        **_volume_faults(texts["volume_transferred"], typed["volume_transferred"]),
        "STATUT_MANQUANT": texts["status_code"].eq(""),
        "STATUT_INCONNU": texts["status_code"].ne("") & typed["status_code"].isna(),
    }
    return {code: mask.to_numpy(dtype=bool) for code, mask in faults.items()}
