"""Rows of a big sheet, written by columns into a workbook whose rest XlsxWriter wrote.

XlsxWriter writes the whole document but these rows: formats, headings, tables, charts, print
set-up. In their place it writes model rows, whose cells carry the styles, and a table that ends
with the first of them. `fill` copies that package, puts the real rows, made with Arrow for
thousands of rows at once, where the models stood, and stretches the table over them. Text is
written in the cell itself (an inline string), as XlsxWriter does when it runs in constant memory.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter.utility import xl_col_to_name

BATCH_ROWS: Final = 20_000
COMPRESSION_LEVEL: Final = 1
"""Deflate's fastest: a tenth larger than the usual 6, in a third of the time."""
_DIMENSION: Final = re.compile(r'(?<=<dimension ref=")([A-Z]+\d+:[A-Z]+)(\d+)')
_REFERENCE: Final = re.compile(r'(?<= ref=")([A-Z]+\d+:[A-Z]+)(\d+)')
_EPOCH_SECONDS: Final = 25_569 * 86_400
"""From 1899-12-30, day 0 of Excel for every date since March 1900, to 1970-01-01."""
_ODD: Final = r"[&<>\x00-\x08\x0b-\x1f\x{FFFE}\x{FFFF}]|_x[0-9A-Fa-f]{4}_|^[ \t\n]|[ \t\n]$"
_ESCAPE_LIKE: Final = re.compile(r"_x[0-9A-Fa-f]{4}_")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_LARGEST_ESCAPE: Final = 7
_CELL_BYTES: Final = 90
_ZIP32_BYTES: Final = 2**31 - 1

Piece: TypeAlias = str | pa.Array


@dataclass(frozen=True)
class SheetRows:
    """The rows of one sheet; `first_row` counts from zero and has the first model row.

    `cells` has one column per column of the sheet: text, integers, floats, date32 or timestamps;
    a missing value makes an empty cell. Model rows stand one below the other from `first_row` on.
    The cells of a column listed in `models` take the style of the model row whose number (0, 1…)
    stands there; the other columns take the first's. `heights`, in points, is missing for a row of
    ordinary height.
    """

    first_row: int
    cells: pa.Table
    heights: pa.Array | None = None
    models: Mapping[int, pa.Array] | None = None


def fill(package: BinaryIO, target: Path, rows: Mapping[int, SheetRows]) -> None:
    """Copy the workbook `package` to `target`, with `rows` put into its sheets (0 is the first).

    The sheets concerned have one table at most, the one that the rows fill.
    """
    with (
        zipfile.ZipFile(package) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as copy,
    ):
        sheets = {f"xl/worksheets/sheet{index + 1}.xml": found for index, found in rows.items()}
        tables = {_table_of(source, name): found for name, found in sheets.items()}
        for name in source.namelist():
            content = source.read(name)
            if name in sheets:
                _fill_sheet(copy, name, content.decode(), sheets[name])
            elif name in tables:
                copy.writestr(name, _stretched(_REFERENCE, content.decode(), tables[name]))
            else:
                copy.writestr(name, content)


def _table_of(source: zipfile.ZipFile, sheet: str) -> str | None:
    """Name the member that describes the sheet's table."""
    folder, _, name = sheet.rpartition("/")
    relations = f"{folder}/_rels/{name}.rels"
    found = relations in source.namelist() and re.search(
        r'"\.\./(tables/\w+\.xml)"', source.read(relations).decode()
    )
    return f"xl/{found[1]}" if found else None


def _stretched(reference: re.Pattern[str], xml: str, rows: SheetRows) -> str:
    """Write the last of the rows into references that end earlier."""
    last_row = rows.first_row + rows.cells.num_rows
    return reference.sub(lambda found: f"{found[1]}{max(int(found[2]), last_row)}", xml)


def _fill_sheet(copy: zipfile.ZipFile, name: str, sheet_xml: str, rows: SheetRows) -> None:
    # XlsxWriter also writes an empty row wherever a comment hangs: all of them give way.
    start = sheet_xml.index(f'<row r="{rows.first_row + 1}" ')
    models, tail = sheet_xml[start:].split("</sheetData>")
    head = _stretched(_DIMENSION, sheet_xml[:start], rows)
    found = models.split("</row>")[: _models(rows)]
    styles = [re.findall(r' s="(\d+)"', model) for model in found]
    with copy.open(name, "w", force_zip64=_largest_size(rows) > _ZIP32_BYTES) as member:
        member.write(head.encode())
        for batch in rows_xml(rows, styles):
            member.write(batch)
        member.write(f"</sheetData>{tail}".encode())


def _models(rows: SheetRows) -> int:
    """Count the model rows."""
    chosen = (rows.models or {}).values()
    return 1 + max((int(pc.max(numbers).as_py() or 0) for numbers in chosen), default=0)


def _largest_size(rows: SheetRows) -> int:
    """Bound the size of the sheet's XML: beyond 2 GiB the package needs the larger zip format."""
    cells: int = (rows.cells.num_columns + 1) * rows.cells.num_rows
    chunks = [chunk for column in rows.cells.columns for chunk in column.chunks]
    text_bytes: int = sum(_text_bytes(chunk) for chunk in chunks if _is_text(chunk.type))
    return text_bytes * _LARGEST_ESCAPE + cells * _CELL_BYTES


def _text_bytes(texts: pa.Array) -> int:
    if pa.types.is_dictionary(texts.type):
        lengths = pc.binary_length(texts.dictionary).take(texts.indices)
    else:
        lengths = pc.binary_length(texts)
    return int(pc.sum(lengths).as_py() or 0)


def rows_xml(rows: SheetRows, styles: Sequence[Sequence[str]]) -> Iterator[memoryview]:
    """Write the rows as `<row>` elements, some thousands at a time.

    `styles[m][c]` is the style number of column c in model row m.
    """
    for start in range(0, rows.cells.num_rows, BATCH_ROWS):
        cells = rows.cells.slice(start, BATCH_ROWS).combine_chunks()
        first = rows.first_row + start + 1
        numbers = pc.cast(pa.array(range(first, first + cells.num_rows)), pa.string())
        pieces: list[Piece] = ['<row r="', numbers, *_height_pieces(rows, start, cells.num_rows)]
        for at, column in enumerate(cells.columns):
            pieces += [f'<c r="{xl_col_to_name(at)}', numbers, '" s="']
            pieces += _style_pieces(rows, styles, at, start)
            pieces += _value_pieces(column.combine_chunks())
        yield _joined([*pieces, "</row>"])


def _height_pieces(rows: SheetRows, start: int, count: int) -> list[Piece]:
    if rows.heights is None:
        return ['">']
    heights = rows.heights.slice(start, count)
    custom = pc.binary_join_element_wise(
        '" ht="', pc.cast(heights, pa.string()), '" customHeight="1">', ""
    )
    return [pc.fill_null(custom, '">')]


def _style_pieces(
    rows: SheetRows, styles: Sequence[Sequence[str]], column: int, start: int
) -> list[Piece]:
    chosen = (rows.models or {}).get(column)
    if chosen is None:
        return [styles[0][column]]
    names = pa.array([model[column] for model in styles])
    return [names.take(chosen.slice(start, BATCH_ROWS))]


def _value_pieces(values: pa.Array) -> list[Piece]:
    """Give what follows a cell's style: its type and value, up to its end tag."""
    if _is_text(values.type):
        return [_text_ends(values)]
    written = pc.cast(_numbers(values), pa.string())
    if values.null_count == 0:
        return ['"><v>', written, "</v></c>"]
    return [pc.fill_null(pc.binary_join_element_wise('"><v>', written, "</v></c>", ""), '"/>')]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))


def _text_ends(values: pa.Array) -> pa.Array:
    """End text cells; each distinct text is escaped once."""
    if pa.types.is_dictionary(values.type) and len(values.dictionary) > len(values):
        values = pc.cast(values, pa.string())
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    texts = pc.cast(coded.dictionary, pa.string())
    odd = pc.match_substring_regex(texts, _ODD)
    starts = pa.repeat("<t>", len(texts))
    if pc.any(odd).as_py():
        strange = texts.filter(odd)
        texts = pc.replace_with_mask(
            texts, odd, pa.array([escaped(text) for text in strange.to_pylist()], pa.string())
        )
        starts = pc.if_else(odd, '<t xml:space="preserve">', "<t>")
    ends = pc.binary_join_element_wise('" t="inlineStr"><is>', starts, texts, "</t></is></c>", "")
    return pc.fill_null(ends.take(coded.indices), '"/>')


def escaped(text: str) -> str:
    """Write `text` as the content of an XML element of a workbook.

    Characters that XML cannot hold become `_xHHHH_` (ECMA-376 part 1, 22.9.2.19), as does the
    underscore of a text that only looks like that.
    """
    text = _ESCAPE_LIKE.sub(lambda found: f"_x005F{found[0]}", text)
    text = _CONTROL.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _numbers(values: pa.Array) -> pa.Array:
    """Turn dates and instants into Excel's day numbers; leave numbers alone."""
    if pa.types.is_date(values.type):
        return pc.add(pc.cast(values, pa.int32()), _EPOCH_SECONDS // 86_400)
    if pa.types.is_timestamp(values.type):
        seconds = pc.cast(pc.cast(values, pa.timestamp("s"), safe=False), pa.int64())
        return pc.divide(pc.cast(pc.add(seconds, _EPOCH_SECONDS), pa.float64()), 86_400.0)
    return values


def _joined(pieces: Sequence[Piece]) -> memoryview:
    """Join the pieces of each row, then the rows; constant neighbours are joined beforehand."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    rows = pc.binary_join_element_wise(*merged, "")
    _, offsets, content = rows.buffers()
    ends = memoryview(offsets).cast("i")
    return memoryview(content)[ends[rows.offset] : ends[rows.offset + len(rows)]]
