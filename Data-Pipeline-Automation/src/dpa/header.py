"""Where our columns stand in an export, and how its cells are written."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dpa import french
from dpa.cells import Conventions
from dpa.columns import TRANSACTION_COLUMNS
from dpa.errors import MissingColumns
from dpa.mapping import Mapping
from dpa.volumes import detect_decimal

SHOWN_COLUMNS = 40


def resolve_columns(path: Path, header: Sequence[str], mapping: Mapping) -> dict[str, int | None]:
    """Find each of our columns in a trimmed header; None where a default stands for it.

    Raises MissingColumns when a column is absent, or stands twice.
    """
    names = mapping.columns.model_dump()
    wanted = {column: names[column] for column in TRANSACTION_COLUMNS}
    missing = [
        name
        for column, name in wanted.items()
        if name not in header and column not in defaults_of(mapping)
    ]
    if missing:
        raise MissingColumns(
            f"{path} : colonnes absentes : {', '.join(missing)} ; trouvées : "
            f"{french.some([name or '(sans nom)' for name in header], SHOWN_COLUMNS)}. Corrigez "
            "l'en-tête, ou passez un fichier de correspondance (--mapping) qui nomme ces colonnes, "
            "ou dit la ligne de l'en-tête s'il est sous un titre (header_row)."
        )
    twice = sorted({name for name in wanted.values() if list(header).count(name) > 1})
    if twice:
        raise MissingColumns(
            f"{path} : colonnes en double : {', '.join(twice)} ; gardez-en une seule."
        )
    return {
        column: list(header).index(name) if name in header else None
        for column, name in wanted.items()
    }


def defaults_of(mapping: Mapping) -> dict[str, str]:
    """Give what an empty cell stands for, by column, where the mapping says so."""
    defaults: dict[str, str] = mapping.defaults.model_dump(exclude_none=True)
    return defaults


def resolve_conventions(
    mapping: Mapping, volumes: Iterable[str]
) -> tuple[Conventions, tuple[str, ...]]:
    """Give the mapping's conventions with the decimal mark decided, and what deserves to be said.

    `volumes` are the texts of the first rows; they count only when the mapping leaves the mark to
    be detected.
    """
    conventions = mapping.conventions()
    if conventions.decimal != "auto":
        return conventions, ()
    mark, is_shown = detect_decimal(volumes)
    said = ("Séparateur décimal détecté : la virgule.",) if mark == "," else ()
    found = replace(conventions, decimal=mark, decimal_from="shown" if is_shown else "guessed")
    return found, said
