"""Cuts blocks of CSV at full speed; the lines that are not plain go to the careful splitter."""

from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv

from dpa.csv_records import Malformed, Records, cut_lines
from dpa.text_buffers import any_begins, contiguous

_NEWLINE: Final = ord("\n")
_RETURN: Final = ord("\r")
_QUOTE: Final = ord('"')
_MAYBE_BLANK: Final = np.isin(
    np.arange(256), [*range(0x21), _QUOTE, *range(0x80, 0xC0), 0xC2, 0xE1, 0xE2, 0xE3]
)
"""Bytes of white space in UTF-8, and quotes: U+0085, U+00A0, U+1680, U+2000 to 205F, U+3000."""


@dataclass(frozen=True)
class Block:
    """The records of a block: a string column for each heading, and their physical lines."""

    cells: pa.Table
    lines: np.ndarray
    malformed: list[Malformed]
    blank_lines: int


def cut_block(data: bytes, first_line: int, delimiter: str, width: int) -> Block:
    """Cut whole lines of UTF-8, ended by LF, as `csv_records.cut_lines` does."""
    cells = _cut_at_once(data, delimiter, width)
    if cells is not None:
        return Block(cells, np.arange(first_line, first_line + cells.num_rows), [], 0)
    marks = _marks(data, delimiter)
    plain = _plain_lines(data, marks, width)
    numbers = np.arange(first_line, first_line + len(plain))
    if plain.all():
        return Block(_parse(data, delimiter, width), numbers, [], 0)
    others = _gathered(data, marks, ~plain).decode().removesuffix("\n").split("\n")
    records = cut_lines(others, numbers[~plain].tolist(), delimiter, width)
    cells = _parse(_gathered(data, marks, plain), delimiter, width)
    cells, lines = _merged(cells, numbers[plain], records)
    return Block(cells, lines, records.malformed, records.blank_lines)


def _cut_at_once(data: bytes, delimiter: str, width: int) -> pa.Table | None:
    """Cut a block of plain lines, the usual case, in a third of the time; None for any other."""
    if not data or b'"' in data or b"\r" in data:
        return None
    try:
        cells = _parse(data, delimiter, width)
    except pa.ArrowInvalid:
        return None
    # Only a line that begins blank may be blank altogether.
    return None if any_begins(contiguous(cells.column(0)), _MAYBE_BLANK) else cells


@dataclass(frozen=True)
class _Marks:
    """Where the lines and the fields of a block end; `counts` are the delimiters of each line."""

    codes: np.ndarray
    delimiter: int
    starts: np.ndarray
    ends: np.ndarray
    delimiters: np.ndarray
    counts: np.ndarray


def _marks(data: bytes, delimiter: str) -> _Marks:
    codes = np.frombuffer(data, dtype=np.uint8)
    found = np.flatnonzero((codes == ord(delimiter)) | (codes == _NEWLINE))
    is_end = codes[found] == _NEWLINE
    places = np.flatnonzero(is_end)
    ends = found[places]
    if codes[-1] != _NEWLINE:
        places, ends = np.append(places, len(found)), np.append(ends, len(codes))
    return _Marks(
        codes=codes,
        delimiter=ord(delimiter),
        starts=np.concatenate(([0], ends[:-1] + 1)),
        ends=ends,
        delimiters=found[~is_end],
        counts=np.diff(places, prepend=-1) - 1,
    )


def _gathered(data: bytes, marks: _Marks, mask: np.ndarray) -> bytes:
    """Put some of the lines one after the other."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    tops, bottoms = marks.starts[edges[::2]].tolist(), (marks.ends[edges[1::2] - 1] + 1).tolist()
    view = memoryview(data)
    return b"".join(view[top:bottom] for top, bottom in zip(tops, bottoms, strict=True))


def _plain_lines(data: bytes, marks: _Marks, width: int) -> np.ndarray:
    """Mask the lines that are one record of `width` fields, certainly not blank.

    Their quotes, if they have any, stand at both ends of a field and nowhere else.
    """
    codes, ends = marks.codes, marks.ends
    quotes = np.flatnonzero(codes == _QUOTE)
    plain = _plain_quotes(marks, quotes, width) if len(quotes) else marks.counts == width - 1
    returns = np.flatnonzero(codes == _RETURN)
    if len(returns):
        plain &= _count_by_line(returns, ends) == 0
    maybe_blank = _MAYBE_BLANK.copy()
    maybe_blank[[marks.delimiter, _NEWLINE]] = True
    # Only a line that begins blank may be blank altogether.
    doubtful = plain & maybe_blank[codes[marks.starts]]
    if doubtful.any():
        lines = np.flatnonzero(doubtful)
        lengths = ends[lines] + 1 - marks.starts[lines]
        solid = ~maybe_blank[np.frombuffer(_gathered(data, marks, doubtful), dtype=np.uint8)]
        plain[lines] = np.logical_or.reduceat(solid, np.cumsum(lengths) - lengths)
    return plain


def _count_by_line(positions: np.ndarray, ends: np.ndarray) -> np.ndarray:
    counts: np.ndarray = np.diff(np.searchsorted(positions, ends), prepend=0)
    return counts


def _plain_quotes(marks: _Marks, quotes: np.ndarray, width: int) -> np.ndarray:
    """Mask the lines of `width` fields whose quotes, if any, only enclose whole fields."""
    codes = marks.codes
    counts = _count_by_line(quotes, marks.ends)
    before = np.cumsum(counts) - counts
    opening = (np.arange(len(quotes)) - np.repeat(before, counts)) % 2 == 0
    beside = np.where(opening, quotes - 1, quotes + 1)
    outer = codes[np.clip(beside, 0, len(codes) - 1)]
    at_edge = (outer == marks.delimiter) | (outer == _NEWLINE)
    at_edge |= (beside < 0) | (beside == len(codes))
    lines = np.arange(len(counts))
    plain = counts % 2 == 0
    plain[np.repeat(lines, counts)[~at_edge]] = False
    line = np.repeat(lines, marks.counts)
    outside = (np.searchsorted(quotes, marks.delimiters) - before[line]) % 2 == 0
    mask: np.ndarray = plain & (np.bincount(line[outside], minlength=len(lines)) == width - 1)
    return mask


def _parse(data: bytes, delimiter: str, width: int) -> pa.Table:
    """Cut plain lines into text columns "0", "1"…; raises ArrowInvalid when they are not."""
    names = [str(number) for number in range(width)]
    if not data:
        return pa.table({name: pa.array([], pa.large_string()) for name in names})
    # Arrow would take these bytes for the mark of a file; a line before them is skipped.
    skipped = int(data.startswith(BOM_UTF8))
    data = b"\n" * skipped + data
    return pyarrow.csv.read_csv(
        pa.BufferReader(data),
        pyarrow.csv.ReadOptions(
            use_threads=False, block_size=len(data) + 1, column_names=names, skip_rows=skipped
        ),
        pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if b'"' in data else False,
            ignore_empty_lines=False,
        ),
        pyarrow.csv.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(names, pa.large_string())
        ),
    )


def _merged(cells: pa.Table, lines: np.ndarray, others: Records) -> tuple[pa.Table, np.ndarray]:
    """Put the records of the careful splitter at their place between the plain lines."""
    if not others.fields:
        return cells, lines
    columns = [pa.array(column, pa.large_string()) for column in zip(*others.fields, strict=True)]
    both = pa.concat_tables([cells, pa.table(columns, cells.column_names)]).combine_chunks()
    every_line = np.concatenate((lines, np.array(others.lines, dtype=np.int64)))
    order = np.argsort(every_line, kind="stable")
    return both.take(pa.array(order)), every_line[order]
