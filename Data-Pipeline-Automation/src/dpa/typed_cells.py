"""Typed values of a spreadsheet or a database become the text that our readers know."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ISO_DATE: Final = "%Y-%m-%d"
TRUTHS: Final = {True: "VRAI", False: "FAUX"}
"""As French Excel shows them, and writes them into a CSV."""
_MIDNIGHT: Final = " 00:00:00"
_HALF_MILLISECOND_US: Final = 500


def decimal_texts(values: pa.Array) -> pa.Array:
    """Write floats as the shortest decimal that reads back the same: 45, 0.1, never 1e-05."""
    texts = values.cast(pa.string())
    odd = pc.fill_null(pc.match_substring(texts, "e"), False)
    if not pc.any(odd).as_py():
        return texts
    plain = [_positional(value) for value in values.filter(odd).to_numpy(zero_copy_only=False)]
    return pc.replace_with_mask(texts, odd, pa.array(plain, pa.string()))


def _positional(value: "np.floating[Any]") -> str:
    return np.format_float_positional(value, unique=True, trim="-")


def instant_texts(values: pa.Array) -> pa.Array:
    """Write instants to the millisecond, ISO 8601 with a space; the time only if there is one.

    A serial date is a binary fraction of a day, so that 8:30 may come as 8:29:59.9999997.
    """
    near = pc.add(
        values.cast(pa.timestamp("us")), pa.scalar(_HALF_MILLISECOND_US, pa.duration("us"))
    )
    seconds = pc.floor_temporal(near, unit="second").cast(pa.timestamp("s"))
    texts = seconds.cast(pa.string())
    fraction = pc.millisecond(near)
    if pc.max(fraction).as_py():
        dotted = pc.binary_join_element_wise(
            texts, pc.utf8_lpad(fraction.cast(pa.string()), 3, "0"), "."
        )
        texts = pc.if_else(pc.greater(fraction, 0), dotted, texts)
    is_day = pc.ends_with(texts, _MIDNIGHT)
    return pc.if_else(is_day, pc.utf8_slice_codeunits(texts, 0, -len(_MIDNIGHT)), texts)


def _time_text(value: time) -> str:
    return value.isoformat(timespec="auto" if value.microsecond else "seconds")


def _duration_text(value: timedelta) -> str:
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"


_ONE_BY_ONE: Final[dict[type, Callable[[Any], str]]] = {
    bool: TRUTHS.__getitem__,
    int: str,
    date: date.isoformat,
    time: _time_text,
    timedelta: _duration_text,
}


def cell_texts(cells: Sequence[Any]) -> tuple[pa.Array, np.ndarray]:
    """Write the cells of one column; give the texts, never null, and the mask of the numbers."""
    kinds = set(map(type, cells))
    is_number = np.zeros(len(cells), dtype=bool)
    if kinds <= {str}:
        return pa.array(cells, pa.string()), is_number
    written = []
    for kind in kinds:
        chosen = cells if len(kinds) == 1 else [c if type(c) is kind else None for c in cells]
        texts = _texts_of(kind, chosen)
        written.append(texts)
        if kind in (float, int):
            is_number |= texts.is_valid().to_numpy(zero_copy_only=False)
    return pc.coalesce(*written), is_number


def _texts_of(kind: type, cells: Sequence[Any]) -> pa.Array:
    """Write the cells of one type; null where `cells` has none."""
    if kind is str:
        return pa.array(cells, pa.string())
    if kind is float:
        return decimal_texts(pa.array(cells, pa.float64()))
    if kind is datetime:
        return instant_texts(pa.array(cells, pa.timestamp("us")))
    return pa.array(
        [None if cell is None else _ONE_BY_ONE[kind](cell) for cell in cells], pa.string()
    )
