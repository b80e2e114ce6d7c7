"""Arrow tables written part by part as CSV, or as Parquet by the suffix."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pmd.telemetry_file import PARQUET_SUFFIX, Write

SLICE_ROWS: Final = 50_000
BATCH_ROWS: Final = 16_384  # Arrow's 1,024 spend a fifth of the time between batches


def parts_writer(path: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> Write:
    """What `write_atomically` needs to fill `path` with `parts`, one in memory at a time."""
    write = _write_parquet if path.suffix.lower() == PARQUET_SUFFIX else _write_csv
    return lambda file: write(file, schema, parts)


def _write_parquet(file: BinaryIO, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """One row group per part."""
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for part in parts:
            writer.write_table(part)


def _write_csv(file: BinaryIO, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Headed by its columns, with LF line ends and UTC instants.

    Threads render rows while the next ones are made and earlier ones written.
    """
    file.write((",".join(schema.names) + "\n").encode())
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[pa.Buffer]] = deque()
        for rows in _slices(parts):
            under_way.append(pool.submit(_rendered, rows))
            if len(under_way) > threads:  # no more texts than that in memory
                file.write(under_way.popleft().result())
        for rendered in under_way:
            file.write(rendered.result())


def _slices(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for part in parts:
        told = _with_texts(part)
        for start in range(0, len(told), SLICE_ROWS):
            yield told.slice(start, SLICE_ROWS)


def _rendered(rows: pa.Table) -> pa.Buffer:
    """The lines of some rows."""
    style = "needed" if any(map(_needs_quotes, rows.columns)) else "none"
    options = pyarrow.csv.WriteOptions(
        include_header=False, batch_size=BATCH_ROWS, quoting_style=style
    )
    text = pa.BufferOutputStream()
    pyarrow.csv.write_csv(rows, text, options)
    return text.getvalue()


def _needs_quotes(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_string(column.type):
        return False
    return bool(pc.any(pc.match_substring_regex(column, '[",\r\n]')).as_py())


def _with_texts(part: pa.Table) -> pa.Table:
    """Names and instants as texts, each of them formatted once, however many rows share it."""
    for number, field in enumerate(part.schema):
        if pa.types.is_timestamp(field.type):
            instants = part.column(number).combine_chunks().dictionary_encode()
            texts = pa.array(_iso(instants.dictionary), pa.string()).take(instants.indices)
            part = part.set_column(number, field.name, texts)
        elif pa.types.is_dictionary(field.type):
            texts = part.column(number).cast(field.type.value_type)
            part = part.set_column(number, field.name, texts)
    return part


def _iso(instants: pa.TimestampArray) -> list[str]:
    """ISO 8601 in UTC, to the second, or to the microsecond where one of them needs it."""
    values = instants.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    whole = (values == values.astype("datetime64[s]")).all()
    return [f"{text}Z" for text in np.datetime_as_string(values, "s" if whole else "us")]
