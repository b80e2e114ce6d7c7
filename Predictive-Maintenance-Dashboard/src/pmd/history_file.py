"""Tables of a history, written part by part as CSV, or as Parquet by the suffix."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from pmd.telemetry_file import Write

PARQUET_SUFFIX: Final = ".parquet"


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
    """Headed by its columns, with LF line ends and UTC instants to the second."""
    file.write((",".join(schema.names) + "\n").encode())
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    for part in parts:
        pyarrow.csv.write_csv(_with_texts(part), file, options)


def _with_texts(part: pa.Table) -> pa.Table:
    """Instants as ISO 8601 texts; each one is formatted once, however many rows share it."""
    for number, field in enumerate(part.schema):
        if pa.types.is_timestamp(field.type):
            instants = part.column(number).combine_chunks().dictionary_encode()
            told = np.datetime_as_string(instants.dictionary.to_numpy(zero_copy_only=False), "s")
            texts = pa.array([f"{text}Z" for text in told]).take(instants.indices)
            part = part.set_column(number, field.name, texts)
    return part
