"""The layout that the rejects workbook is written in and read back from."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from dpa.columns import TRANSACTION_COLUMNS
from dpa.mapping import ColumnNames, Defaults, Mapping
from dpa.parts import TransactionSource

SHEET: Final = "À corriger"
GUIDE: Final = "Consigne"
HEADER_AT: Final = 3
"""Row of the headings of SHEET, counted from zero."""
NOTES: Final = "_dpa"
"""Hidden sheet with what the reader must know; a JSON text cut over its first column."""
NOTES_TOP: Final = "classeur de rejets CAMRAIL"
NOTES_PIECE: Final = 16_000
"""Characters of that text in one cell, which holds 32,767 UTF-16 units."""
VERSION: Final = 1
OUR_COLUMNS: Final = (
    "À corriger",
    "Règle",
    "Motif",
    "Remède",
    "Fichier",
    "Feuille",
    "Ligne",
    "Ligne d'origine",
    "Clé (ne pas modifier)",
)
_MAX_LABEL: Final = 240
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


class Reading(BaseModel):
    """How rows are read: their header, and a mapping that leaves nothing to detect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    header: tuple[str, ...]
    mapping: Mapping

    @classmethod
    def of(cls, source: TransactionSource) -> Self:
        """Keep how a source is read."""
        return cls(header=source.header, mapping=mapping_of(source))

    @property
    def columns(self) -> dict[str, int | None]:
        """The position of each of our columns, None for one that the rows lack."""
        names = self.mapping.columns.model_dump()
        places = {name: at for at, name in enumerate(self.header)}
        return {column: places.get(name) for column, name in names.items()}

    def text(self) -> str:
        """Write it as JSON."""
        return self.model_dump_json(exclude_unset=True)


class Notes(Reading):
    """What the workbook says about itself: whose rows it holds and how their cells are written."""

    version: Annotated[int, Field(ge=1)]
    run_id: str
    mapping_path: str | None
    mapping_sha256: str | None


def labels(header: Sequence[str]) -> list[str]:
    """Give each column of the sheet a heading of its own, as a table demands.

    The analyst's headings come first, as they are but for line ends and control characters; an
    empty one is named by its position, a repeated one is numbered.
    """
    found: list[str] = []
    for position, heading in enumerate([*header, *OUR_COLUMNS], start=1):
        plain = " ".join(_CONTROL.sub(" ", heading).split())[:_MAX_LABEL] or f"Colonne {position}"
        taken = {label.casefold() for label in found}
        label, number = plain, 1
        while label.casefold() in taken:
            number += 1
            label = f"{plain} ({number})"
        found.append(label)
    return found


def mapping_of(source: TransactionSource) -> Mapping:
    """Give the mapping that reads corrected rows as the source was read, nothing left to detect."""
    conventions = source.conventions
    names = {
        column: _absent(column, source.header) if at is None else source.header[at]
        for column, at in source.columns.items()
    }
    return Mapping(
        decimal="," if conventions.decimal == "," else ".",
        columns=ColumnNames(**{column: names[column] for column in TRANSACTION_COLUMNS}),
        date_formats=conventions.date_formats,
        volume_factor=conventions.volume_factor,
        status_codes=dict(conventions.status_codes),
        defaults=Defaults(**source.defaults),
    )


def _absent(column: str, header: Sequence[str]) -> str:
    """Name a column that the file lacks, and whose default stands for it."""
    return column if column not in header else f"{column} (valeur par défaut)"
