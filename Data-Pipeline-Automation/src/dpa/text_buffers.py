"""Arrow text columns seen as numpy arrays: byte lengths, fixed-width matrices, 64-bit hashes."""

from collections.abc import Container, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_HIGHEST_SPACE: Final = 32
_FIRST_NON_ASCII: Final = 128
_ODD_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 / golden ratio, as in Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4)."""


def contiguous(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Give the column as one array of large_string, which is how pandas keeps its text."""
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column.cast(pa.large_string())


def _offsets(texts: pa.Array) -> np.ndarray:
    if not len(texts):
        return np.zeros(1, dtype=np.int64)
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)
    return offsets[texts.offset : texts.offset + len(texts) + 1]


def _bytes(texts: pa.Array) -> np.ndarray:
    data = texts.buffers()[2]
    return np.frombuffer(data if data is not None else b"", dtype=np.uint8)


def byte_lengths(texts: pa.Array) -> np.ndarray:
    """Give the length of each text in UTF-8 bytes."""
    return np.diff(_offsets(texts))


def has_byte(texts: pa.Array, table: np.ndarray) -> bool:
    """Tell whether any text holds a byte whose entry in `table` (256 booleans) is true."""
    offsets = _offsets(texts)
    codes = _bytes(texts)[offsets[0] : offsets[-1]]
    # Extremes are found many times as fast as entries are looked up, and mostly settle it.
    if not len(codes) or not table[codes.min() : int(codes.max()) + 1].any():
        return False
    return bool(table[codes].any())


def any_begins(texts: pa.Array, table: np.ndarray) -> bool:
    """Tell whether any text is empty, or begins with a byte whose entry in `table` is true."""
    offsets = _offsets(texts)
    if (np.diff(offsets) == 0).any():
        return True
    return bool(table[_bytes(texts)[offsets[:-1]]].any())


def trimmed(texts: pa.Array) -> pa.Array:
    """Take off the white space around each text; free of charge where there is none."""
    offsets, data = _offsets(texts), _bytes(texts)
    filled = np.diff(offsets) > 0
    edges = data[np.concatenate((offsets[:-1][filled], offsets[1:][filled] - 1))]
    if ((edges > _HIGHEST_SPACE) & (edges < _FIRST_NON_ASCII)).all():
        return texts
    return pc.utf8_trim_whitespace(texts)


def by_width(
    texts: pa.Array, widths: Container[int] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Group the texts by byte length; give the positions of a group and its (n, width) bytes.

    With `widths`, only the groups of these lengths.
    """
    offsets, data = _offsets(texts), _bytes(texts)
    lengths = np.diff(offsets)
    alike = len(lengths) > 0 and bool((lengths == lengths[0]).all())
    for width in [int(lengths[0])] if alike else np.unique(lengths).tolist():
        if widths is not None and width not in widths:
            continue
        if alike:
            block = data[offsets[0] : offsets[-1]].reshape(len(lengths), width)
            yield np.arange(len(lengths)), block
        elif width:
            positions = np.flatnonzero(lengths == width)
            windows = np.lib.stride_tricks.sliding_window_view(data, width)
            yield positions, windows[offsets[:-1][positions]]
        else:
            positions = np.flatnonzero(lengths == 0)
            yield positions, np.empty((len(positions), 0), dtype=np.uint8)


def hashes(texts: pa.Array) -> np.ndarray:
    """Give a 64-bit hash of each text; equal texts have equal hashes in any process.

    Other texts may have it too: it only tells what need not be compared.
    """
    found = np.empty(len(texts), dtype=np.uint64)
    for positions, matrix in by_width(texts):
        width = matrix.shape[1]
        padded = np.zeros((len(positions), -(-width // 8) * 8), dtype=np.uint8)
        padded[:, :width] = matrix
        mixed = np.full(len(positions), width, dtype=np.uint64)
        for word in padded.view("<u8").T:
            mixed = (mixed ^ word) * _ODD_FACTOR
            mixed ^= mixed >> np.uint64(32)
        found[positions] = mixed
    return found
