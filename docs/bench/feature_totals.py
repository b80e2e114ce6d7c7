"""Counts and sums of processed telemetry, to tell whether two programs computed the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

SENSORS = ("flow_rate", "pressure", "vibration", "temperature")


def totals(output: Path, until: str) -> list[float]:
    """Rows before the instant `until`, then the sum over them of each reading and feature."""
    sums = [_totals(part, pd.Timestamp(until)) for part in _parts(output)]
    return [float(value) for value in np.sum(sums, axis=0)]


def _parts(output: Path) -> Iterator[pd.DataFrame]:
    """The table, a part at a time, so that its memory is not taken for that of the program."""
    if output.is_file() and output.suffix != ".parquet":
        yield from pd.read_csv(output, chunksize=100_000)
        return
    for file in sorted(output.glob("*.parquet")) if output.is_dir() else [output]:
        for batch in pq.ParquetFile(file).iter_batches(100_000):
            yield batch.to_pandas()


def _totals(rows: pd.DataFrame, until: pd.Timestamp) -> list[float]:
    rows = rows[pd.to_datetime(rows["timestamp"], utc=True) < until]
    named = sorted(name for name in rows if name.startswith(SENSORS))
    return [len(rows), *(rows[name].sum() for name in named)]
