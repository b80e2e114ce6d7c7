"""Rows whose numbers and dates were typed become a source, written in the dialect of its texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dpa.cells import Conventions
from dpa.header import defaults_of, resolve_columns, resolve_conventions
from dpa.mapping import Mapping
from dpa.parts import LoadedPart, RawPart, TransactionSource
from dpa.text_buffers import contiguous
from dpa.typed_cells import ISO_DATE, instant_texts
from dpa.volumes import NO_DOUBT, doubtful_volumes

PART_ROWS: Final = 65_536
LINE: Final = "ligne"
SERIAL_YEARS: Final = (date(1950, 1, 1), date(2101, 1, 1))
"""A number outside the years that the rules admit is no date; 20260131 is none either."""
DAY_US: Final = 86_400_000_000


@dataclass(frozen=True)
class TypedRows:
    """The rows of a sheet or table below its header, blank ones left out but counted.

    `cells`, `lines` and `blank_lines` are those of RawPart; `is_number[c][r]` tells where a text
    was typed as a number, and is then written with a point.
    """

    cells: pa.Table
    lines: np.ndarray
    is_number: Sequence[np.ndarray]
    blank_lines: int = 0


def transaction_source(
    path: Path,
    sha256: str,
    sheet: str,
    header: tuple[str, ...],
    rows: TypedRows,
    mapping: Mapping,
    notes: Sequence[str] = (),
    epoch: date | None = None,
) -> TransactionSource:
    """Fit typed rows to a mapping; raise MissingColumns.

    A number in the date column is a date that lost its format, when `epoch`, its day 0, is known.

    Typed volumes take the decimal mark of the texts beside them, and ISO joins the date formats,
    since that is how typed dates are written here.
    """
    columns = resolve_columns(path, header, mapping)
    rows, dated = _with_serial_dates(rows, columns["date"], epoch)
    written = _written(rows, columns["volume_transferred"])
    conventions, said = _conventions(written, mapping)
    doubtful = NO_DOUBT
    if conventions.decimal_from == "guessed":
        doubtful = doubtful_volumes(written, conventions.decimal, is_proven=False)
        conventions = replace(conventions, decimal_from="shown")  # every text has been looked at
    cells = _with_decimal_mark(rows, columns["volume_transferred"], conventions.decimal)
    return TransactionSource(
        path=path,
        sha256=sha256,
        sheet=sheet,
        header=header,
        columns=columns,
        conventions=conventions,
        defaults=defaults_of(mapping),
        parts=_parts(header, replace(rows, cells=cells)),
        notes=(*notes, *dated, *said),
        doubtful=replace(doubtful, groups=0),  # which the parts count
    )


def text_frame(header: tuple[str, ...], rows: TypedRows) -> pd.DataFrame:
    """Give the rows as a table of text under the header, indexed by their line, "ligne"."""
    frame = rows.cells.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)
    named: pd.DataFrame = frame.set_axis(list(header), axis=1)
    return named.set_axis(pd.Index(rows.lines, name=LINE))


def _with_serial_dates(
    rows: TypedRows, column: int | None, epoch: date | None
) -> tuple[TypedRows, tuple[str, ...]]:
    """Write the serial numbers of a date column as dates, and say how many there were."""
    if column is None or epoch is None or not rows.is_number[column].any():
        return rows, ()
    texts = rows.cells.column(column).combine_chunks()
    days = pc.if_else(pa.array(rows.is_number[column]), texts, None).cast(pa.float64())
    days = np.nan_to_num(days.to_numpy(zero_copy_only=False), nan=-1.0)
    first, last = ((day - epoch).days for day in SERIAL_YEARS)
    is_serial = (days >= first) & (days < last)
    moments = np.datetime64(epoch, "us") + np.rint(days[is_serial] * DAY_US).astype("m8[us]")
    dated = pc.replace_with_mask(texts, pa.array(is_serial), instant_texts(pa.array(moments)))
    cells = rows.cells.set_column(column, str(column), dated)
    said = f"Dates écrites en numéro de série, lues comme dates : {len(moments)}."
    return replace(rows, cells=cells), (said,) if len(moments) else ()


def _conventions(written: pa.Array, mapping: Mapping) -> tuple[Conventions, tuple[str, ...]]:
    conventions, said = resolve_conventions(mapping, written.to_pylist())
    if ISO_DATE in conventions.date_formats:
        return conventions, said
    return replace(conventions, date_formats=(*conventions.date_formats, ISO_DATE)), said


def _written(rows: TypedRows, column: int | None) -> pa.Array:
    """Give the cells of a column that a person wrote as text."""
    if column is None:
        return pa.array([], pa.large_string())
    return contiguous(rows.cells.column(column).filter(pa.array(~rows.is_number[column])))


def _with_decimal_mark(rows: TypedRows, volume: int | None, mark: str) -> pa.Table:
    if mark == "." or volume is None or not rows.is_number[volume].any():
        return rows.cells
    texts = rows.cells.column(volume)
    marked = pc.replace_substring(texts, ".", mark)
    chosen = pc.if_else(pa.array(rows.is_number[volume]), marked, texts)
    return rows.cells.set_column(volume, str(volume), chosen)


def _parts(header: tuple[str, ...], rows: TypedRows) -> list[LoadedPart]:
    """Cut the rows into parts; the first one carries the blank lines."""
    return [
        LoadedPart(
            RawPart(
                header=header,
                cells=rows.cells.slice(start, PART_ROWS),
                lines=rows.lines[start : start + PART_ROWS],
                blank_lines=0 if start else rows.blank_lines,
            )
        )
        for start in range(0, len(rows.lines), PART_ROWS)
    ]
