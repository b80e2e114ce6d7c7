"""Cuts CSV text into records that know their physical line, a broken line costing only itself."""

import csv
from collections.abc import Sequence
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
    """Records of a file: `fields[i]` stands at physical line `lines[i]` (the first is 1)."""

    fields: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    blank_lines: int = 0


def parse_line(text: str, delimiter: str) -> list[str] | None:
    """Cut one record into fields; None when a quote is left open or misplaced."""
    if '"' not in text:
        return text.split(delimiter)
    # The csv module refuses cells over 128 kB unless told otherwise; a note may be longer.
    csv.field_size_limit(MAX_CELL_CHARS)
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0]


def detect_delimiter(header: str) -> str:
    """Give the delimiter that cuts the header line into most fields; a comma when none does."""
    widths = {mark: len(parse_line(header, mark) or []) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: widths[mark])


def _multiline_end(
    lines: list[str], numbers: Sequence[int], start: int, delimiter: str, width: int
) -> int | None:
    """Find the line that closes the quote opened at `start`.

    None when no line does, or when a line in between is by itself as wide as the header, or is
    left out: then the quote was forgotten, and those lines are records of their own.
    """
    for position in range(start + 1, min(len(lines), start + MAX_RECORD_LINES)):
        if numbers[position] - numbers[start] != position - start:
            return None
        if lines[position].count('"') % 2:
            return position
        if lines[position].count(delimiter) >= width - 1:
            return None
    return None


def _quoted_record(
    lines: list[str], numbers: Sequence[int], start: int, delimiter: str, width: int
) -> tuple[list[str] | None, int]:
    """Parse the record that starts at `start`; give its fields and the position after it."""
    alone = parse_line(lines[start], delimiter)
    if alone is not None:
        return alone, start + 1
    end = _multiline_end(lines, numbers, start, delimiter, width)
    if end is not None:
        fields = parse_line("\n".join(lines[start : end + 1]), delimiter)
        if fields is not None and len(fields) == width:
            return fields, end + 1
    return None, start + 1


def is_whole(line: str, delimiter: str, width: int) -> bool:
    """Tell whether a record certainly ends with this line, whatever stands before it.

    A quote left open above ends at a line that is as wide as the header, or has an odd number of
    quotes; so a wide line with none, or with pairs of them, is no part of it.
    """
    return (
        line.count('"') % 2 == 0
        and line.count(delimiter) >= width - 1
        and parse_line(line, delimiter) is not None
    )


def cut_lines(lines: list[str], numbers: Sequence[int], delimiter: str, width: int) -> Records:
    """Cut physical lines, of which `numbers` are the numbers, into records of `width` fields.

    Where numbers do not follow each other, the lines left out are records of their own. A line
    with too few or too many fields, or with a quote that never closes, is `malformed`; the next
    line starts afresh. Lines that hold nothing but delimiters are counted and are not rows.
    """
    records = Records()
    position = 0
    while position < len(lines):
        line, number = lines[position], numbers[position]
        if '"' in line:
            fields, end = _quoted_record(lines, numbers, position, delimiter, width)
        else:
            fields, end = line.split(delimiter), position + 1
        if fields is not None and not any(cell.strip() for cell in fields):
            records.blank_lines += end - position
        elif fields is not None and len(fields) == width:
            records.fields.append(fields)
            records.lines.append(number)
        else:
            code = "GUILLEMET_NON_FERME" if fields is None else "LIGNE_IRREGULIERE"
            records.malformed.append(Malformed(number, code, line))
        position = end
    return records
