"""Named tables on the sheets of a workbook: formats, widths, print set-up, overflow."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

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
    "date": f"{FRENCH}dd/mm/yyyy",
    "datetime": f"{FRENCH}dd/mm/yyyy hh:mm:ss",
}
_FIXED_WIDTHS: Final = {"date": 12, "datetime": 20, "percent": 10}
_ARROW_WIDTH: Final = 5
_MARGIN: Final = 3
MAX_LINES: Final = 20
_LINE_HEIGHT_PT: Final = 15
NAVY: Final = "#1F3864"
_CELL: Final = {"valign": "top", "bottom": 1, "bottom_color": "#D9D9D9"}


@dataclass(frozen=True)
class Column:
    """One column of a table; text wider than `max_width` characters wraps."""

    label: str
    kind: str = "text"
    max_width: int = 60


@dataclass(frozen=True)
class Placed:
    """Where a table stands: its sheet and its first and last data rows, counted from zero."""

    sheet: Worksheet
    first_row: int
    last_row: int


class Book:
    """A workbook with our formats; text never becomes a formula, a link or a number."""

    def __init__(self, path: str) -> None:
        self.workbook = Workbook(
            path,
            {
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._formats: dict[str, Format] = {}

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
        self,
        sheet: Worksheet,
        top: int,
        name: str,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Any]],
    ) -> Placed:
        """Write a named table whose headings stand in row `top`; without rows it has one blank."""
        last = top + max(len(rows), 1)
        header = self.header_format()
        sheet.add_table(
            top,
            0,
            last,
            len(columns) - 1,
            {
                "name": name,
                "style": "Table Style Light 9",
                "columns": [
                    {"header": column.label, "header_format": header} for column in columns
                ],
            },
        )
        forms = [self.cell_format(column.kind) for column in columns]
        for offset, row in enumerate(rows, start=top + 1):
            for at, (form, value) in enumerate(zip(forms, row, strict=True)):
                write(sheet, offset, at, form, value)
        return Placed(sheet, top + 1, last)

    def table_sheets(
        self,
        name: str,
        title: str,
        subtitle: str,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Any]],
        max_rows: int = MAX_ROWS,
    ) -> Iterator[Placed]:
        """Write one table per sheet `name`, `name 2`…, as many as the rows need."""
        parts = range(0, max(len(rows), 1), max_rows)
        for number, start in enumerate(parts, start=1):
            suffix = "" if number == 1 else f" {number}"
            of = "" if len(parts) == 1 else f" (feuille {number} sur {len(parts)})"
            sheet = self.sheet(name + suffix, title + of, subtitle)
            table_name = f"T_{name.replace(' ', '_')}{suffix.replace(' ', '_')}"
            part = rows[start : start + max_rows]
            placed = self.table(sheet, 3, table_name, columns, part)
            set_widths(sheet, columns, part, placed.first_row)
            sheet.freeze_panes(4, 1)
            sheet.repeat_rows(3)
            yield placed


def write(sheet: Worksheet, row: int, column: int, form: Format, value: Any) -> None:
    """Write one value; None leaves an empty formatted cell, and a long text is cut visibly."""
    if value is None:
        sheet.write_blank(row, column, None, form)
    elif isinstance(value, str):
        sheet.write_string(row, column, _shortened(value), form)
    elif isinstance(value, (date, datetime)):
        sheet.write_datetime(row, column, value, form)
    else:
        sheet.write_number(row, column, value, form)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} […]"


def set_widths(
    sheet: Worksheet, columns: Sequence[Column], rows: Sequence[Sequence[Any]], first_row: int
) -> None:
    """Make columns as wide as their longest text, and rows as high as their wrapped text."""
    wrapped = {}
    for at, column in enumerate(columns):
        longest = max((_shown_length(column.kind, row[at]) for row in rows), default=0) + _MARGIN
        width = max(len(column.label) + _ARROW_WIDTH, min(longest, column.max_width))
        sheet.set_column(at, at, width)
        if longest > width:
            wrapped[at] = width - _MARGIN
    if wrapped:
        for number, row in enumerate(rows, start=first_row):
            lines = max(_lines(row[at], width) for at, width in wrapped.items())
            if lines > 1:
                sheet.set_row(number, lines * _LINE_HEIGHT_PT)


def _lines(text: str, width: int) -> int:
    """Count the lines that `text` takes when it wraps at `width` characters."""
    return sum(
        max(1, len(textwrap.wrap(line[:MAX_TEXT], width))) for line in text.split("\n")[:MAX_LINES]
    )


def _shown_length(kind: str, value: Any) -> int:
    if kind in _FIXED_WIDTHS:
        return _FIXED_WIDTHS[kind]
    if kind == "decimal" and value is not None:
        return len(f"{value:,.2f}")
    return len("" if value is None else str(value))
