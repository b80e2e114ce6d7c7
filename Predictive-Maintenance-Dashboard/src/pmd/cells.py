"""Columns of a file as numbers, instants and names, whether they hold texts or these already."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

LINE: Final = "line"
INSTANT: Final = "datetime64[us, UTC]"

_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DATE: Final = r"\s*\d{4}-?\d\d"


def cells_of(table: pa.Table, first_line: int) -> pd.DataFrame:
    """The columns of an Arrow table, their names trimmed, rows numbered from `first_line`."""
    for position, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table.column(position).cast(field.type.value_type)
            table = table.set_column(position, field.name, plain)
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    frame.index = pd.RangeIndex(first_line, first_line + len(frame), name=LINE)
    return frame


def numbers(column: pd.Series) -> NDArray[np.float64]:
    """Numbers of a column; what is none becomes NaN, or an infinity.

    All texts go through one parser, so that a text gives the same number whatever stands beside it.
    """
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = _texts(column)
    try:
        values = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(texts)
        told = pc.match_substring_regex(trimmed, _NUMBER)
        values = pc.cast(pc.if_else(told, trimmed, None), pa.float64())
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def instants(column: pd.Series) -> pd.Series:
    """UTC instants of ISO 8601 texts, without offset: UTC; NaT for any other text."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True).astype(INSTANT)
    if pd.api.types.is_numeric_dtype(column):
        return pd.Series(pd.NaT, index=column.index, dtype=INSTANT)
    try:  # the form that this service writes
        values: pd.Series = pc.cast(_texts(column), pa.timestamp("us", "UTC")).to_pandas()
    except pa.ArrowInvalid:
        return _any_iso(column)
    return values.set_axis(column.index)


def _any_iso(column: pd.Series) -> pd.Series:
    texts = texts_of(column)
    dated = texts.where(texts.str.match(_DATE))  # pandas would read "now" and "today"
    parsed = pd.to_datetime(dated, format="ISO8601", utc=True, errors="coerce")
    return parsed.astype(INSTANT)


def names(column: pd.Series) -> pd.Series:
    """Texts without the blanks around them, as categories in alphabetical order; "" for none."""
    codes, found = pd.factorize(column, use_na_sentinel=False)
    stripped = ["" if pd.isna(value) else str(value).strip() for value in found]
    order = sorted(set(stripped))
    rank = {text: number for number, text in enumerate(order)}
    ranks = np.array([rank[text] for text in stripped], dtype=np.int64)
    return pd.Series(
        pd.Categorical.from_codes(ranks[codes], pd.Index(order, dtype=str)), index=column.index
    )


def texts_of(column: pd.Series) -> pd.Series:
    """Texts of any column, as a CSV would hold them: "" for none, 1 for true."""
    if pd.api.types.is_bool_dtype(column):
        column = column.astype("Int64")
    return column.astype(object).map(str, na_action="ignore").where(column.notna(), "")


def _texts(column: pd.Series) -> pa.ChunkedArray:
    array = pa.array(column if column.dtype != object else column.map(str, na_action="ignore"))
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
