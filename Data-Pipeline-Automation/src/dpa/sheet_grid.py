"""The cells of one sheet, as text by column, with the number of each row."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import fastexcel
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from python_calamine import CalamineError, WorksheetNotFound

from dpa.sheet_facts import SheetFacts
from dpa.typed_cells import cell_texts
from dpa.workbook_file import WorkbookFile, unreadable

BATCH_ROWS: Final = 50_000
"""Rows that are Python objects at one time; the rest of the sheet is Arrow text."""

TOP_ROWS: Final = 50

_ERROR: Final = re.compile(r"Error\((\w+)\)")
_ERROR_TEXTS: Final = {
    "Div0": "#DIV/0!",
    "NA": "#N/A",
    "Name": "#NAME?",
    "Null": "#NULL!",
    "Num": "#NUM!",
    "Ref": "#REF!",
    "Value": "#VALUE!",
}


Chunks = tuple[list[pa.Array], list[np.ndarray]]


@dataclass(frozen=True)
class Grid:
    """A sheet from its row 1 to its last filled row.

    `cells` has one text column per column from the first filled one, "" for an empty cell;
    `is_number[c][r]` tells where that text was typed as a number. `merged` are the (first, last)
    rows of merged areas, the first row of the sheet being 1.
    """

    cells: pa.Table
    is_number: tuple[np.ndarray, ...]
    merged: tuple[tuple[int, int], ...]
    facts: SheetFacts

    def row(self, position: int) -> list[str]:
        """Give the trimmed texts of one row, the first being 0."""
        return [column[position].as_py().strip() for column in self.cells.columns]


def read_grid(workbook: WorkbookFile, sheet: str) -> Grid:
    """Read one sheet; raise SourceUnreadable when the parser cannot follow it."""
    columns, merged = _parsed(workbook, sheet)
    known = workbook.facts.get(sheet, SheetFacts(has_errors=workbook.kind == "xls"))
    texts = [pa.chunked_array(chunks, pa.string()) for chunks, _ in columns]
    for row, column, text in _errors(workbook, sheet) if known.has_errors else ():
        texts[column] = _with_cell(texts[column], row, text)
    cells = pa.table(texts, [str(position) for position in range(len(texts))])
    return Grid(cells, tuple(_joined(masks) for _, masks in columns), merged, known)


def _parsed(workbook: WorkbookFile, sheet: str) -> tuple[list[Chunks], tuple[tuple[int, int], ...]]:
    try:
        found = workbook.reader.get_sheet_by_name(sheet)
        columns = _columns(found.iter_rows(), found.width if found.start else 0)
        # OpenDocument sheets tell no merged areas.
        merged = found.merged_cell_ranges or []
    except (CalamineError, WorksheetNotFound) as error:
        raise unreadable(workbook.path) from error
    return columns, tuple((top + 1, end + 1) for (top, _), (end, _) in merged)


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[Chunks]:
    """Turn rows into columns, some rows at a time."""
    columns: list[Chunks] = [([], []) for _ in range(width)]
    for batch in _batches(iter(rows)):
        for (chunks, masks), cells in zip(columns, zip(*batch, strict=True), strict=True):
            texts, is_number = cell_texts(cells)
            chunks.append(texts)
            masks.append(is_number)
    return columns


def _batches(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Give the rows by batches; the header comes alone with its neighbours, whose types differ."""
    size = TOP_ROWS
    while batch := list(islice(rows, size)):
        yield batch
        size = BATCH_ROWS


def _joined(masks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(masks) if masks else np.zeros(0, dtype=bool)


def _errors(workbook: WorkbookFile, sheet: str) -> Iterator[tuple[int, int, str]]:
    """Give (row, column, text) of the cells in error, which the fast parser leaves empty.

    OpenDocument keeps no error, only the empty text that stands for it.
    """
    loaded = fastexcel.read_excel(workbook.data).load_sheet(
        sheet, header_row=None, skip_rows=0, dtypes="string"
    )
    if loaded.total_height == 0:
        return
    _, errors = loaded.to_arrow_with_errors()
    for error in errors.errors if errors else ():
        if found := _ERROR.search(error.detail):
            row, column = error.position
            yield row, column, _ERROR_TEXTS.get(found[1], f"#{found[1].upper()}")


def _with_cell(column: pa.ChunkedArray, row: int, text: str) -> pa.ChunkedArray:
    mask = np.zeros(len(column), dtype=bool)
    mask[row] = True
    return pc.replace_with_mask(column, mask, pa.scalar(text, pa.string()))
