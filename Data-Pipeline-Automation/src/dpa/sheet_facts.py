"""What the XML of a sheet tells and its values do not: extent, hidden rows, errors, formulas."""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

MAX_CELLS: Final = 26 * 1_048_576
"""A full sheet from A to Z: the parser lays out every cell of the rectangle, 32 bytes each."""

_ROW: Final = re.compile(rb'<row r="(\d+)"')
_WIDE_CELL: Final = re.compile(rb' r="([A-Z]{2,3})\d')
_HIDDEN_ROW: Final = re.compile(rb"<row [^>]*hidden=\"(?:1|true)\"")
_UNSAVED_FORMULA: Final = re.compile(rb"</f>(?:<v></v>|<v ?/>)?</c>")
_MOST_CELL_BYTES: Final = 1_000_000
"""A cell holds 32,767 characters; what goes on longer without a tag is no sheet."""
_ONE_LETTER_COLUMNS: Final = 26

_ODS_ROW: Final = re.compile(
    rb"<table:table-row\b([^>]*)>(.*?)(?=<table:table-row\b|\Z)", re.DOTALL
)
_ODS_CELL: Final = re.compile(
    rb"<table:(?:covered-)?table-cell\b([^>]*?)(?:/>|>(.*?)</table:(?:covered-)?table-cell>)",
    re.DOTALL,
)
_ODS_NAME: Final = re.compile(rb'^[^>]*?table:name="([^"]*)"')
_ODS_ROWS: Final = re.compile(rb'table:number-rows-repeated="(\d+)"')
_ODS_COLUMNS: Final = re.compile(rb'table:number-columns-repeated="(\d+)"')


@dataclass(frozen=True)
class Extent:
    """The rectangle from A1 to the last row and the last column that hold something."""

    rows: int = 0
    columns: int = 0

    @property
    def cells(self) -> int:
        """Cells that the parser will lay out."""
        return self.rows * self.columns


@dataclass(frozen=True)
class SheetFacts:
    """What values alone do not tell; `unsaved_formulas` have no value in the file.

    `epoch` is day 0 of the dates that are written as numbers, where the file says it.
    """

    hidden_rows: int = 0
    has_errors: bool = False
    unsaved_formulas: int = 0
    epoch: date | None = None


def column_number(letters: str) -> int:
    """Turn A into 1, Z into 26, AA into 27."""
    number = 0
    for letter in letters:
        number = number * _ONE_LETTER_COLUMNS + ord(letter) - ord("A") + 1
    return number


def _whole_cells(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a document anew, so that no row's or cell's tag, nor its value, is split."""
    waiting = b""
    for piece in pieces:
        text = waiting + piece
        end = max(text.rfind(b"<c "), text.rfind(b"<row"))
        if end <= 0 and len(text) > _MOST_CELL_BYTES:
            end = len(text)
        if end > 0:
            yield text[:end]
        waiting = text[max(end, 0) :]
    yield waiting


def measured_worksheet(pieces: Iterable[bytes]) -> tuple[Extent, SheetFacts]:
    """Measure an Office Open XML worksheet, given by pieces, and read its facts, in one pass.

    Attributes are looked for as Excel and the usual writers write them: `r` first, in double
    quotes, rows ascending.
    """
    rows = columns = hidden = formulas = 0
    has_errors = False
    for text in _whole_cells(pieces):
        last_row = _ROW.search(text, max(text.rfind(b"<row"), 0))
        if last_row:
            rows, columns = int(last_row[1]), max(columns, _ONE_LETTER_COLUMNS)
        wide = set(_WIDE_CELL.findall(text))
        columns = max(columns, *(column_number(letters.decode()) for letters in wide), 0)
        hidden += len(_HIDDEN_ROW.findall(text)) if b'hidden="' in text else 0
        formulas += len(_UNSAVED_FORMULA.findall(text)) if b"</f>" in text else 0
        has_errors = has_errors or b't="e"' in text
    return Extent(rows, columns), SheetFacts(hidden, has_errors, formulas)


def opendocument_sheets(content: bytes) -> dict[str, tuple[Extent, SheetFacts]]:
    """Measure each table of an OpenDocument spreadsheet and read its facts."""
    tables = content.split(b"<table:table ")[1:]
    return {_table_name(table): _opendocument_table(table) for table in tables}


def _table_name(table: bytes) -> str:
    found = _ODS_NAME.search(table)
    return html.unescape(found[1].decode("utf-8", "replace")) if found else ""


def _opendocument_table(table: bytes) -> tuple[Extent, SheetFacts]:
    rows = extent = width = hidden = 0
    for match in _ODS_ROW.finditer(table):
        attributes, cells = match.groups()
        times = _repeated(_ODS_ROWS, attributes)
        filled = _filled_width(cells)
        rows += times
        if filled:
            extent, width = rows, max(width, filled)
            hidden += times * (b'table:visibility="' in attributes)
    has_errors = b'calcext:value-type="error"' in table
    return Extent(extent, width), SheetFacts(hidden, has_errors)


def _filled_width(cells: bytes) -> int:
    """Count the columns of a row up to its last cell that holds something."""
    column = width = 0
    for match in _ODS_CELL.finditer(cells):
        attributes, content = match.groups()
        column += _repeated(_ODS_COLUMNS, attributes)
        if content or b"office:value" in attributes:
            width = column
    return width


def _repeated(pattern: "re.Pattern[bytes]", attributes: bytes) -> int:
    found = pattern.search(attributes)
    return int(found[1]) if found else 1
