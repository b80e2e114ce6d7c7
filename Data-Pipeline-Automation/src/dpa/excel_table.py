"""Named tables on the sheets of a workbook: formats, widths, print set-up, overflow."""

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dpa.report_columns import Column
from dpa.sheet_rows import SheetRows, fill

MAX_ROWS: Final = 1_000_000
"""Rows of one sheet; Excel holds 1,048,576 with the headings."""
MAX_TEXT: Final = 300
"""Longest text shown in a cell (Excel holds 32,767); the warehouse keeps it whole."""
FRENCH: Final = "[$-40C]"
NUMBER_FORMATS: Final = {
    "integer": f"{FRENCH}#,##0",
    "plain": "0",
    "decimal": f"{FRENCH}#,##0.00",
    "percent": f"{FRENCH}0.0 %",
    "change": f"{FRENCH}+0.0 %;{FRENCH}-0.0 %;{FRENCH}0.0 %",
    "points": f'{FRENCH}+0.0" pt";{FRENCH}-0.0" pt";{FRENCH}0.0" pt"',
    "date": f"{FRENCH}dd/mm/yyyy",
    "datetime": f"{FRENCH}dd/mm/yyyy hh:mm:ss",
    "month": f"{FRENCH}mm/yyyy",
}
_FIXED_WIDTHS: Final = {"date": 12, "datetime": 20, "month": 12, "percent": 10}
_WRITTEN: Final = {"integer": "{:,}", "plain": "{}", "decimal": "{:,.2f}"}
ARROW_WIDTH: Final = 5
"""Room for the filter's arrow beside a heading."""
_MARGIN: Final = 3
_WRAPPED_EXACTLY: Final = 2_000
"""Different texts of a column that are wrapped one by one, in some 0.1 s."""
MAX_LINES: Final = 20
LINE_HEIGHT_PT: Final = 15
_FILLED: Final = 0.85
"""Share of a line that words fill before they wrap, at the least."""
NAVY: Final = "#1F3864"
RED: Final = "#9C0006"
_CELL: Final = {"valign": "top", "bottom": 1, "bottom_color": "#D9D9D9"}
TABLE_TOP: Final = 3
"""Row of the headings in a sheet that holds one table, counted from zero."""


@dataclass(frozen=True)
class Placed:
    """Where a table stands: its sheet and its first and last data rows, counted from zero.

    `count` is its number of rows, zero for a table that only has its blank one.
    """

    sheet: Worksheet
    first_row: int
    last_row: int
    count: int


class Book:
    """A workbook with our formats; text never becomes a formula, a link or a number."""

    def __init__(self) -> None:
        self._package = io.BytesIO()
        self.workbook = Workbook(
            self._package,
            {
                "in_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._formats: dict[str, Format] = {}
        self._rows: dict[int, SheetRows] = {}

    def save(self, path: Path) -> None:
        """Write the workbook to `path`; raises OSError."""
        self.workbook.close()
        fill(self._package, path, self._rows)

    def format(self, name: str, **properties: Any) -> Format:
        """Give the format called `name`, made once from `properties`."""
        if name not in self._formats:
            self._formats[name] = self.workbook.add_format(properties)
        return self._formats[name]

    def cell_format(self, kind: str) -> Format:
        """Give the format of a kind of value."""
        if kind == "text":
            return self.format("text", **_CELL, align="left", indent=1, text_wrap=True)
        return self.format(kind, **_CELL, num_format=NUMBER_FORMATS[kind], align="right")

    def left_count_format(self) -> Format:
        """Give the format of a count among texts."""
        form = {"num_format": NUMBER_FORMATS["integer"], "align": "left", "indent": 1}
        return self.format("left_count", **_CELL, **form)

    def link_format(self) -> Format:
        """Give the format of a link among texts."""
        return self.format("link", **_CELL, color="#0563C1", underline=1, align="left", indent=1)

    def header_format(self) -> Format:
        """Give the format of headings."""
        return self.format(
            "header", bold=True, color="white", bg_color=NAVY, border=1, align="left", indent=1
        )

    def sheet(self, name: str, title: str, subtitle: str) -> Worksheet:
        """Add a sheet with its title in rows 1 and 2, ready to print on A4 landscape."""
        sheet = self.workbook.add_worksheet(name)
        sheet.write_string(0, 0, title, self.format("title", bold=True, font_size=16, color=NAVY))
        sheet.write_string(1, 0, subtitle, self.format("subtitle", italic=True, color="#595959"))
        sheet.set_row(0, 24)
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer(f"&L{title}&RPage &P / &N")
        return sheet

    def table(
        self, sheet: Worksheet, top: int, name: str, columns: Sequence[Column], rows: pa.Table
    ) -> Placed:
        """Write a small named table, headings in row `top`; without rows it has one blank."""
        placed = self.add_table(sheet, top, name, columns, rows.num_rows, rows.num_rows)
        forms = [self.cell_format(column.kind) for column in columns]
        for offset, row in enumerate(rows.to_pylist(), start=placed.first_row):
            for at, (form, column) in enumerate(zip(forms, columns, strict=True)):
                write(sheet, offset, at, form, row[column.label])
        return placed

    def add_table(
        self,
        sheet: Worksheet,
        top: int,
        name: str,
        columns: Sequence[Column],
        count: int,
        written: int,
    ) -> Placed:
        """Add a table of `count` rows, of which XlsxWriter itself writes `written`."""
        header = self.header_format()
        sheet.add_table(
            top,
            0,
            top + max(written, 1),
            len(columns) - 1,
            {
                "name": name,
                "style": "Table Style Light 9",
                "columns": [
                    {"header": column.label, "header_format": header} for column in columns
                ],
            },
        )
        return Placed(sheet, top + 1, top + max(count, 1), count)

    def table_sheets(
        self,
        name: str,
        title: str,
        subtitle: str,
        columns: Sequence[Column],
        rows: pa.Table,
        max_rows: int = MAX_ROWS,
    ) -> Iterator[Placed]:
        """Write one table per sheet `name`, `name 2`…, as many as the rows need."""
        parts = range(0, max(rows.num_rows, 1), max_rows)
        for number, start in enumerate(parts, start=1):
            suffix = "" if number == 1 else f" {number}"
            of = "" if len(parts) == 1 else f" (feuille {number} sur {len(parts)})"
            sheet = self.sheet(name + suffix, title + of, subtitle)
            table_name = f"T_{name.replace(' ', '_')}{suffix.replace(' ', '_')}"
            part = shortened(rows.slice(start, max_rows))
            placed = self.add_table(sheet, TABLE_TOP, table_name, columns, part.num_rows, 0)
            self.put(sheet, placed.first_row, columns, part)
            sheet.freeze_panes(TABLE_TOP + 1, 1)
            sheet.repeat_rows(TABLE_TOP)
            yield placed

    def put(
        self,
        sheet: Worksheet,
        first_row: int,
        columns: Sequence[Column],
        rows: pa.Table,
        forms: Sequence[Sequence[Format]] = (),
        models: Mapping[int, pa.Array] | None = None,
    ) -> None:
        """Put many rows under a table's headings, in columns as wide as they need.

        `forms[m][c]` is the format of column c in model row m; by default there is one model row,
        with the formats of the columns' kinds. `models` is that of SheetRows.
        """
        usual = [self.cell_format(column.kind) for column in columns]
        for model, row_forms in enumerate(forms or [usual]):
            for at, form in enumerate(row_forms):
                sheet.write_blank(first_row + model, at, None, form)
        for at, column in enumerate(columns):
            sheet.set_column(at, at, _width(column, _longest(column, rows[column.label])))
        if rows.num_rows:
            heights = _heights(columns, rows)
            self._rows[sheet.index] = SheetRows(first_row, rows, heights, models)


def write(sheet: Worksheet, row: int, column: int, form: Format, value: Any) -> None:
    """Write one value; None leaves an empty formatted cell."""
    if value is None:
        sheet.write_blank(row, column, None, form)
    elif isinstance(value, str):
        sheet.write_string(row, column, value, form)
    elif isinstance(value, date | datetime):
        sheet.write_datetime(row, column, value, form)
    else:
        sheet.write_number(row, column, value, form)


def shortened(rows: pa.Table, limit: int = MAX_TEXT) -> pa.Table:
    """Cut texts of more than `limit` characters, visibly."""
    for at, (name, column) in enumerate(zip(rows.column_names, rows.columns, strict=True)):
        if not pa.types.is_string(column.type):
            continue
        too_long = pc.greater(pc.utf8_length(column), limit)
        if pc.any(too_long).as_py():
            cut = pc.binary_join_element_wise(pc.utf8_slice_codeunits(column, 0, limit), " […]", "")
            rows = rows.set_column(at, name, pc.if_else(too_long, cut, column))
    return rows


def _longest(column: Column, values: pa.ChunkedArray) -> int:
    """Measure the longest value as it is shown, in characters."""
    if column.kind in _FIXED_WIDTHS:
        return _FIXED_WIDTHS[column.kind]
    if column.kind == "text":
        return max((pc.max(_lengths(part)).as_py() or 0 for part in values.chunks), default=0)
    ends = [end for end in pc.min_max(values).as_py().values() if end is not None]
    return max((len(_WRITTEN[column.kind].format(end)) for end in ends), default=0)


def _lengths(texts: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(texts.type):
        return pc.utf8_length(texts.dictionary).take(texts.indices)
    return pc.utf8_length(texts)


def _width(column: Column, longest: int) -> int:
    return max(len(column.label) + ARROW_WIDTH, min(longest + _MARGIN, column.max_width))


def _heights(columns: Sequence[Column], rows: pa.Table) -> pa.Array | None:
    """Give the height of each row with wrapped text, none when no text wraps."""
    lines = pa.repeat(pa.scalar(1, pa.int32()), rows.num_rows)
    for column in columns:
        longest = _longest(column, rows[column.label])
        room = _width(column, longest) - _MARGIN
        if column.kind == "text" and longest > room:
            lines = pc.max_element_wise(lines, wrapped_lines(rows[column.label], room))
    if pc.max(lines).as_py() in (None, 1):
        return None
    heights = pc.multiply(pc.min_element_wise(lines, MAX_LINES), LINE_HEIGHT_PT)
    return pc.if_else(pc.greater(lines, 1), heights, None)


def wrapped_lines(texts: pa.ChunkedArray, room: int) -> pa.Array:
    """Count the lines that each text takes in a column of `room` characters.

    Beyond so many different texts the count is an estimate, on the safe side.
    """
    coded = pc.cast(texts, pa.string()).combine_chunks().dictionary_encode()
    if len(coded.dictionary) > _WRAPPED_EXACTLY:
        lines = _estimated_lines(coded.dictionary, room)
    else:
        exact = [_lines(text, room) for text in coded.dictionary.to_pylist()]
        lines = pa.array(exact, pa.int32())
    return pc.fill_null(lines.take(coded.indices), 1)


def _lines(text: str, room: int) -> int:
    parts = text.split("\n")[:MAX_LINES]
    return sum(max(1, len(textwrap.wrap(part[:MAX_TEXT], room))) for part in parts)


def _estimated_lines(texts: pa.Array, room: int) -> pa.Array:
    length = pc.utf8_length(texts)
    wrapped = pc.ceil(pc.divide(pc.cast(length, pa.float64()), room * _FILLED))
    lines = pc.if_else(pc.less_equal(length, room), 1.0, wrapped)
    return pc.cast(pc.add(lines, pc.count_substring(texts, "\n")), pa.int32())
