"""CSV as columns of text: one line is one row, and a broken line spoils itself alone."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from pmd.cells import LINE
from pmd.errors import UnusableFile

BOM: Final = "\ufeff".encode()
BLOCK_BYTES: Final = 1 << 22

BrokenLine = tuple[int, str, str]  # number, reason, what it holds


class _Block(NamedTuple):
    """Rows of some lines that follow one another, with the numbers of these lines."""

    rows: pa.Table
    numbers: NDArray[np.int64]
    broken: list[BrokenLine]


class ParsedCsv(NamedTuple):
    """`header`: all columns; `cells`: texts of those asked for, indexed by line.

    `broken`: the lines that could not be cut up.
    """

    header: list[str]
    cells: pd.DataFrame
    broken: list[BrokenLine]


def parse_csv(name: str, content: bytes, wanted: Collection[str] | None = None) -> ParsedCsv:
    """Cut up comma-separated UTF-8 `content`, with or without BOM, headed by its columns.

    A quote left open or a missing field spoils its line; a byte that is not UTF-8 becomes U+FFFD;
    empty lines are left out. Lines without a quote are cut up by Arrow, in blocks; a block that it
    cannot is read line by line. Of the columns, those `wanted` (None: all) become cells. Raises
    `UnusableFile`, with `name`, where the header cannot serve.
    """
    text = _clean(content)
    start = text.find(b"\n") + 1 or len(text)
    header = _header(name, text[:start].decode().removesuffix("\n"))
    kept = [column for column in header if wanted is None or column in wanted]
    blocks = [_parse(block, number, header, kept) for number, block in _blocks(text, start)]
    rows = pa.concat_tables([block.rows for block in blocks] or [_schema(kept).empty_table()])
    cells = rows.to_pandas()
    numbers = [block.numbers for block in blocks] or [np.empty(0, dtype=np.int64)]
    cells.index = pd.Index(np.concatenate(numbers), name=LINE)
    return ParsedCsv(header, cells, [line for block in blocks for line in block.broken])


def _clean(content: bytes) -> bytes:
    """Valid UTF-8 without BOM, lines ended by LF."""
    content = content.removeprefix(BOM)
    if not content.isascii():
        content = content.decode(errors="replace").encode()
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content


def _header(name: str, line: str) -> list[str]:
    first = _fields(line)
    if first is None:
        raise UnusableFile(f"{name} : guillemets mal fermés dans l'en-tête.")
    header = [cell.strip() for cell in first]
    if not any(header):
        raise UnusableFile(f"{name} : fichier vide, en-tête attendu sur la première ligne.")
    refuse_repeated(name, header)
    return header


def refuse_repeated(name: str, header: list[str]) -> None:
    """Raise `UnusableFile` where two columns bear one name."""
    repeated = sorted({cell for cell in header if header.count(cell) > 1})
    if repeated:
        raise UnusableFile(f"{name} : colonnes répétées dans l'en-tête {repeated}.")


def _blocks(text: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Parts of whole lines from `start`, that of line 2, each with the number of its first line."""
    number = 2
    while start < len(text):
        end = text.find(b"\n", start + BLOCK_BYTES) + 1 or len(text)
        block = text[start:end]
        yield number, block
        number += block.count(b"\n")
        start = end


def _parse(block: bytes, number: int, header: list[str], kept: list[str]) -> _Block:
    plain = b'"' not in block and b"\n\n" not in block and not block.startswith(b"\n")
    if plain:
        try:
            rows = _cut_up(block, header, kept)
        except pa.ArrowInvalid:
            pass
        else:
            return _Block(rows, np.arange(number, number + len(rows)), [])
    told = _line_by_line(block, number, header)
    return told._replace(rows=told.rows.select(kept))


def _cut_up(block: bytes, header: list[str], kept: list[str]) -> pa.Table:
    convert = pyarrow.csv.ConvertOptions(
        column_types=_schema(header),
        strings_can_be_null=False,
        include_columns=kept or header,  # none would mean all
    )
    rows = pyarrow.csv.read_csv(
        pa.BufferReader(block),
        pyarrow.csv.ReadOptions(column_names=header, block_size=len(block) + 1),
        pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert,
    )
    return rows.select(kept)


def _schema(header: list[str]) -> pa.Schema:
    return pa.schema([(name, pa.large_string()) for name in header])


def _line_by_line(block: bytes, number: int, header: list[str]) -> _Block:
    good: list[list[str]] = []
    numbers: list[int] = []
    broken: list[BrokenLine] = []
    for at, line in enumerate(block.decode().removesuffix("\n").split("\n"), start=number):
        fields = _fields(line)
        if fields is not None and len(fields) == len(header):
            good.append(fields)
            numbers.append(at)
        elif fields is None or fields != [""]:
            broken.append((at, _reason(fields, header), line))
    columns = list(zip(*good, strict=True)) or [()] * len(header)
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    rows = pa.table(arrays, schema=_schema(header))
    return _Block(rows, np.array(numbers, dtype=np.int64), broken)


def _fields(text: str) -> list[str] | None:
    """The fields of one line; None when a quote is left open."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _reason(fields: list[str] | None, header: list[str]) -> str:
    if fields is None:
        return "guillemets mal fermés"
    return f"{len(fields)} champs au lieu de {len(header)}"
