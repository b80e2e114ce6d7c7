"""Excel and OpenDocument workbooks become rows of text that know their sheet and row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dpa.columns import TRANSACTION_COLUMNS
from dpa.errors import SourceEmpty, SourceUnreadable
from dpa.header import defaults_of
from dpa.mapping import Mapping
from dpa.parts import TransactionSource
from dpa.sheet_grid import Grid, read_grid
from dpa.typed_source import TypedRows, text_frame, transaction_source
from dpa.workbook_file import WorkbookFile, open_workbook

HEADER_SEARCH_ROWS: Final = 100
"""A logo, a title and a legend take a few rows; a header below that is not looked for."""


@dataclass(frozen=True)
class _Sheet:
    """One sheet and the position of its header, the first row being 0."""

    name: str
    grid: Grid
    header_at: int


def read_excel_source(path: Path, mapping: Mapping, sheet: str | None) -> TransactionSource:
    """Read the transactions of a workbook: .xlsx, .xlsm, .xls or .ods.

    `sheet` is a name or a number, the first being 1. Without it: the only sheet, or the first one
    that holds the expected header. Formulas count for the value that was saved with them. Raises
    SourceUnreadable, SourceEmpty or MissingColumns.
    """
    workbook = open_workbook(path)
    chosen = _chosen_sheet(workbook, mapping, sheet or mapping.sheet)
    header, rows = _below_header(chosen)
    source = transaction_source(
        path,
        workbook.sha256,
        chosen.name,
        header,
        rows,
        mapping,
        _notes(workbook, chosen),
        chosen.grid.facts.epoch,
    )
    _refuse_no_row(path, chosen, rows)  # last: a sheet of one cell lacks columns, not rows
    return source


def extract_from_excel(path: str | Path, sheet: str | int | None = None) -> pd.DataFrame:
    """Read one sheet of a workbook as a table of text, for an analyst's own work.

    Columns are those of the header row, which is found below titles and blank lines; the index,
    "ligne", is the row number of the sheet. Cells are text exactly as the pipeline reads them:
    dates in ISO, numbers with a point, "" for an empty cell; `pd.to_numeric` and `pd.to_datetime`
    type them. `sheet` is a name or a number, the first being 1; without it, the sheet is chosen as
    for the pipeline. Raises SourceUnreadable or SourceEmpty.
    """
    workbook = open_workbook(Path(path))
    chosen = _chosen_sheet(workbook, Mapping(), None if sheet is None else str(sheet))
    header, rows = _below_header(chosen)
    _refuse_no_row(workbook.path, chosen, rows)
    return text_frame(header, rows)


def _chosen_sheet(workbook: WorkbookFile, mapping: Mapping, asked: str | None) -> _Sheet:
    names = workbook.sheets if asked is None else [_sheet_name(workbook, asked)]
    fallback: _Sheet | None = None
    for name in names:
        grid = read_grid(workbook, name)
        found = _header_position(grid, mapping)
        if found is not None:
            return _Sheet(name, grid, found)
        if fallback is None and grid.cells.num_rows >= (mapping.header_row or 1):
            fallback = _Sheet(name, grid, _likely_header(grid, mapping))
    if fallback is None:
        place = f" à partir de la ligne {mapping.header_row} (header_row)"
        raise SourceEmpty(
            f"{workbook.path} : aucune cellule remplie dans {_listed(names)}"
            f"{place if mapping.header_row else ''}."
        )
    return fallback


def _sheet_name(workbook: WorkbookFile, asked: str) -> str:
    names = workbook.sheets
    if asked in names:
        return asked
    if asked.isdecimal() and 1 <= int(asked) <= len(names):
        return names[int(asked) - 1]
    raise SourceUnreadable(
        f"{workbook.path} : pas de feuille « {asked} » ; ce classeur a {_listed(names)}. Indiquez "
        "un de ces noms, ou son rang à partir de 1."
    )


def _listed(names: Sequence[str]) -> str:
    quoted = ", ".join(f"« {name} »" for name in names)
    return f"la feuille {quoted}" if len(names) == 1 else f"les feuilles {quoted}"


def _header_position(grid: Grid, mapping: Mapping) -> int | None:
    """Find the row that holds every column: where the mapping says, or the first one."""
    last = mapping.header_row or HEADER_SEARCH_ROWS
    first = last - 1 if mapping.header_row else 0
    wanted = _wanted(mapping)
    for position in range(first, min(last, grid.cells.num_rows)):
        if wanted <= set(grid.row(position)):
            return position
    return None


def _wanted(mapping: Mapping) -> set[str]:
    names = mapping.columns.model_dump()
    return {names[column] for column in TRANSACTION_COLUMNS if column not in defaults_of(mapping)}


def _likely_header(grid: Grid, mapping: Mapping) -> int:
    """Give the mapping's row, or the one with most of our columns, then most filled cells."""
    if mapping.header_row is not None:
        return mapping.header_row - 1

    def likeness(position: int) -> tuple[int, int]:
        row = grid.row(position)
        return len(_wanted(mapping) & set(row)), sum(map(bool, row))

    return max(range(min(HEADER_SEARCH_ROWS, grid.cells.num_rows)), key=likeness)


def _below_header(sheet: _Sheet) -> tuple[tuple[str, ...], TypedRows]:
    """Give the header and the rows below it, without blank rows and nameless empty columns."""
    grid, first = sheet.grid, sheet.header_at + 1
    below = grid.cells.slice(first)
    names = grid.row(sheet.header_at)
    kept = [at for at, name in enumerate(names) if name or _filled(below.column(at)).any()]
    is_row = _any_filled(below)
    cells = below.select(kept).rename_columns([str(at) for at in range(len(kept))])
    last = int(np.flatnonzero(is_row)[-1]) + 1 if is_row.any() else 0
    rows = TypedRows(
        cells=cells if is_row.all() else cells.filter(pa.array(is_row)),
        lines=np.flatnonzero(is_row) + first + 1,
        is_number=[grid.is_number[at][first:][is_row] for at in kept],
        blank_lines=int(np.count_nonzero(~is_row[:last])),
    )
    return tuple(names[at] for at in kept), rows


def _any_filled(cells: pa.Table) -> np.ndarray:
    """Mask the rows that hold something; most are known from their first columns alone."""
    is_row = np.zeros(cells.num_rows, dtype=bool)
    for column in cells.columns:
        if is_row.all():
            break
        is_row |= _filled(column)
    return is_row


def _filled(column: pa.ChunkedArray) -> np.ndarray:
    filled: np.ndarray = pc.not_equal(pc.utf8_trim_whitespace(column), "").to_numpy()
    return filled


def _refuse_no_row(path: Path, sheet: _Sheet, rows: TypedRows) -> None:
    if not rows.cells.num_rows:
        raise SourceEmpty(
            f"{path}, feuille « {sheet.name} » : l'en-tête (ligne {sheet.header_at + 1}) n'est "
            "suivi d'aucune ligne."
        )


def _notes(workbook: WorkbookFile, sheet: _Sheet) -> list[str]:
    """Say what was chosen, and what the cells alone do not show."""
    facts = sheet.grid.facts
    merged = sum(1 for _, last in sheet.grid.merged if last > sheet.header_at + 1)
    said = {
        f"Feuille lue : « {sheet.name} » (le classeur en a {len(workbook.sheets)}).": len(
            workbook.sheets
        )
        > 1,
        f"En-tête trouvé à la ligne {sheet.header_at + 1}.": sheet.header_at > 0,
        f"Lignes masquées, lues comme les autres : {facts.hidden_rows}.": facts.hidden_rows,
        f"Zones fusionnées, dont seule la première cellule a une valeur : {merged}.": merged,
        "Formules sans valeur enregistrée, lues vides : "
        f"{facts.unsaved_formulas} ; ouvrez le classeur dans Excel et enregistrez-le.": (
            facts.unsaved_formulas
        ),
        "Cellules en erreur, qu'un .ods ne permet pas de nommer, lues vides.": (
            workbook.kind == "ods" and facts.has_errors
        ),
    }
    return [sentence for sentence, is_so in said.items() if is_so]
