"""Cuts CSV text into records that know their physical line, a broken line costing only itself."""

import csv
from dataclasses import dataclass, field
from typing import Final

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_RECORD_LINES: Final = 200
"""Longest record, in physical lines: a quote still open after that was never closed."""


MAX_CELL_CHARS: Final = 2**31 - 1
"""As large as the csv module admits on every system."""


@dataclass(frozen=True)
class Malformed:
    """A physical line that is not a record; `rule_code` says why."""

    line: int
    rule_code: str
    text: str


@dataclass
class Records:
    """The records of a file: `fields[i]` stands at physical line `lines[i]` (the first is 1)."""

    header: list[str]
    fields: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    blank_lines: int = 0


def parse_line(text: str, delimiter: str) -> list[str] | None:
    """Cut one record into fields; None when a quote is left open or misplaced."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0]


def detect_delimiter(header: str) -> str:
    """Give the delimiter that cuts the header line into most fields; a comma when none does."""
    widths = {mark: len(parse_line(header, mark) or []) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: widths[mark])


def _multiline_end(lines: list[str], start: int, delimiter: str, width: int) -> int | None:
    """Find the line that closes the quote opened at `start`.

    None when no line does, or when a line in between is by itself as wide as the header: then the
    quote was forgotten, and those lines are records of their own.
    """
    for position in range(start + 1, min(len(lines), start + MAX_RECORD_LINES)):
        if lines[position].count('"') % 2:
            return position
        if lines[position].count(delimiter) >= width - 1:
            return None
    return None


def _quoted_record(
    lines: list[str], start: int, delimiter: str, width: int
) -> tuple[list[str] | None, int]:
    """Parse the record that starts at `start`; give its fields and the position after it."""
    alone = parse_line(lines[start], delimiter)
    if alone is not None:
        return alone, start + 1
    end = _multiline_end(lines, start, delimiter, width)
    if end is not None:
        fields = parse_line("\n".join(lines[start : end + 1]), delimiter)
        if fields is not None and len(fields) == width:
            return fields, end + 1
    return None, start + 1


def _unix_newlines(text: str) -> str:
    """Write CRLF as LF; and CR too, in a text that has no other line ends."""
    unix = text.replace("\r\n", "\n")
    return unix if "\n" in unix else unix.replace("\r", "\n")


def split_records(text: str, delimiter: str | None = None) -> Records:
    """Cut `text` into records; the first line that is not blank is the header.

    A line with too few or too many fields, or with a quote that never closes, is `malformed`; the
    next line starts afresh. Lines that hold nothing but delimiters are counted and are not rows.
    Without `delimiter`, the header tells it. A text without any line gives an empty header.
    """
    # The csv module refuses cells over 128 kB unless told otherwise; a note may be longer.
    csv.field_size_limit(MAX_CELL_CHARS)
    lines = _unix_newlines(text).split("\n")
    if lines[-1] == "":
        lines.pop()
    top = next((number for number, line in enumerate(lines) if line.strip()), None)
    if top is None:
        return Records(header=[])
    mark = delimiter or detect_delimiter(lines[top])
    records = Records(header=parse_line(lines[top], mark) or [], blank_lines=top)
    _fill(records, lines, top + 1, mark)
    return records


def _fill(records: Records, lines: list[str], start: int, delimiter: str) -> None:
    width = len(records.header)
    position = start
    while position < len(lines):
        line, number = lines[position], position + 1
        if '"' in line:
            fields, position = _quoted_record(lines, position, delimiter, width)
        else:
            fields, position = line.split(delimiter), position + 1
        if fields is not None and not any(cell.strip() for cell in fields):
            records.blank_lines += position - number + 1
        elif fields is not None and len(fields) == width:
            records.fields.append(fields)
            records.lines.append(number)
        else:
            code = "GUILLEMET_NON_FERME" if fields is None else "LIGNE_IRREGULIERE"
            records.malformed.append(Malformed(number, code, line))
