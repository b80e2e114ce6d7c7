"""The rules that a transaction row must obey, each with a code, a French sentence and a remedy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpa.dates import douala_days
from dpa.text_buffers import byte_lengths, has_byte, trimmed

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
        "Écrire une date qui existe, en AAAA-MM-JJ, JJ/MM/AAAA, JJ.MM.AAAA ou AAAAMMJJ, ou dans "
        "un format déclaré à --mapping (mois en premier : date_formats: ['%m/%d/%Y']).",
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
        "Saisir un nombre seul, sans unité, avec le séparateur décimal des autres lignes, ou celui "
        "que déclare le fichier de correspondance (decimal).",
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
        f"Le volume dépasse {MAX_VOLUME_TONNES:_.0f} tonnes.".replace("_", "\u00a0"),
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
    Rule(
        "ID_DEJA_CHARGE",
        "transaction_id",
        "L'identifiant saisi à la correction est celui d'une transaction déjà chargée, qui a "
        "d'autres valeurs.",
        "Saisir l'identifiant que l'ERP donne à cette ligne. Si la ligne est de trop, abandonner "
        "le rejet ; pour corriger la transaction déjà chargée, la rendre dans un export.",
    ),
)
RULES: Final = {rule.code: rule for rule in _RULES}


_MAYBE_CONTROL: Final = np.isin(np.arange(256), [*range(32), 0x7F, 0xC2])
"""Bytes of control characters in UTF-8; U+0080 to U+009F begin with C2."""

Faults = dict[str, np.ndarray]
"""For each rule that a row may break, by its code, the mask of the rows that break it."""


def identifier_faults(name: str, values: pa.Array, gender: str = "") -> Faults:
    """Check trimmed identifiers; `name` and `gender` make the codes of the rules."""
    lengths = byte_lengths(values)
    long = lengths > MAX_ID_LENGTH
    if long.any():
        long &= pc.utf8_length(values).to_numpy() > MAX_ID_LENGTH
    if has_byte(values, _MAYBE_CONTROL):
        long |= pc.match_substring_regex(values, r"\p{Cc}").to_numpy(zero_copy_only=False)
    return {f"{name}_MANQUANT{gender}": lengths == 0, f"{name}_INVALIDE": long}


def _unread_faults(missing: str, invalid: str, texts: pa.Array, unread: np.ndarray) -> Faults:
    """Tell the cells that could not be converted because they are empty from the others."""
    empty = np.zeros(len(unread), dtype=bool)
    waiting = np.flatnonzero(unread)
    empty[waiting] = byte_lengths(trimmed(texts.take(pa.array(waiting)))) == 0
    return {missing: empty, invalid: unread & ~empty}


def date_faults(texts: pa.Array, moments: np.ndarray) -> Faults:
    """Check dates and what they were converted to (NaT where they could not be)."""
    days = douala_days(moments)
    first, end = np.datetime64(f"{FIRST_YEAR}-01-01"), np.datetime64(f"{LAST_YEAR + 1}-01-01")
    return {
        **_unread_faults("DATE_MANQUANTE", "DATE_INVALIDE", texts, np.isnat(moments)),
        "DATE_HORS_PLAGE": (days < first) | (days >= end),
    }


def volume_faults(texts: pa.Array, tonnes: np.ndarray) -> Faults:
    """Check volumes and what they were converted to (NaN where they could not be)."""
    return {
        **_unread_faults("VOLUME_MANQUANT", "VOLUME_NON_NUMERIQUE", texts, np.isnan(tonnes)),
        "VOLUME_NEGATIF": tonnes < 0,
        "VOLUME_HORS_PLAGE": tonnes > MAX_VOLUME_TONNES,
    }


def status_faults(values: pa.Array, known: np.ndarray) -> Faults:
    """Check trimmed statuses; `known` is -1 where a status is none of ours."""
    empty = (byte_lengths(values) == 0) & (known < 0)
    return {"STATUT_MANQUANT": empty, "STATUT_INCONNU": (known < 0) & ~empty}
