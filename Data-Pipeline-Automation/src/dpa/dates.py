"""Dates as files write them become UTC instants, to the second."""

import re
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpa.text_buffers import by_width, trimmed

DOUALA_OFFSET_MINUTES: Final = 60
"""Africa/Douala is UTC+1 all year round (IANA time zone database: no DST since 1920)."""

TWO_DIGIT_PIVOT: Final = 69
"""POSIX strptime: 69-99 are 1969-1999, 00-68 are 2000-2068."""

MONTHS: Final = {
    name: number
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}
DIRECTIVES: Final = {
    "%Y": "(?P<Y>[0-9]{4})",
    "%y": "(?P<y>[0-9]{2})",
    "%m": "(?P<m>[0-9]{1,2})",
    "%d": "(?P<d>[0-9]{1,2})",
    "%b": "(?P<b>[A-Za-z]{3})",
}
_TIME: Final = (
    r"(?:[T ](?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,][0-9]{1,9})?)?"
    r" ?(?P<z>Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?)?"
)
_DIGITS: Final = {"%Y": ["%Y"] * 4} | {name: [name] * 2 for name in ("%y", "%m", "%d")}
_TIME_LAYOUTS: Final = (
    (),
    ("T ", "%H", "%H", ":", "%M", "%M"),
    ("T ", "%H", "%H", ":", "%M", "%M", ":", "%S", "%S"),
    ("T ", "%H", "%H", ":", "%M", "%M", ":", "%S", "%S", "Z"),
    ("T ", "%H", "%H", ":", "%M", "%M", ":", "%S", "%S", "+-", "%h", "%h", ":", "%n", "%n"),
)
"""What may follow a day, one symbol a byte: a digit of a field, or one of the characters."""
_LAST_OFFSET_HOUR: Final = 14

Fields = dict[str, np.ndarray]


def date_regex(pattern: str) -> str:
    """Turn a date format into a regular expression; a time and an offset may follow the date.

    Raises ValueError, in French, when the format does not give exactly one year, month and day.
    """
    tokens = re.split(r"(%.)", pattern)
    directives = tokens[1::2]
    unknown = [token for token in directives if token not in DIRECTIVES]
    if unknown:
        raise ValueError(f"directive {unknown[0]!r} inconnue ; admises : {' '.join(DIRECTIVES)}")
    if sorted(token.lower().replace("b", "m") for token in directives) != ["%d", "%m", "%y"]:
        raise ValueError("il faut exactement une année, un mois et un jour")
    day = "".join(DIRECTIVES.get(token, re.escape(token)) for token in tokens)
    if "" in tokens[2:-1:2]:
        # Without a separator, 2026111 would be two days at once.
        day = day.replace("{1,2}", "{2}")
    return f"^{day}{_TIME}$"


def instants(texts: pa.Array, date_formats: tuple[str, ...]) -> np.ndarray:
    """Read dates as UTC instants, datetime64[s]; NaT where no format fits.

    Space around a date does not count. A date without an offset is Africa/Douala local time. A
    fraction of a second is dropped. Never month-first, unless a format says so itself.
    """
    found = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[s]")
    layouts = [layout for pattern in date_formats for layout in _layouts(pattern)]
    for positions, matrix in by_width(texts, {len(layout) for layout in layouts}):
        _read_layouts(found, positions, matrix, layouts)
    waiting = np.flatnonzero(np.isnat(found))
    if len(waiting):
        coded = texts.take(pa.array(waiting)).dictionary_encode()
        values = _read_patterns(trimmed(coded.dictionary), date_formats)
        found[waiting] = values[coded.indices.to_numpy()]
    return found


def _layouts(pattern: str) -> list[tuple[str, ...]]:
    """Give the layouts of fixed width of a format; none when it has a named month or accents."""
    tokens = re.split(r"(%.)", pattern)
    if "%b" in tokens or not pattern.isascii():
        return []
    day = [symbol for token in tokens for symbol in _DIGITS.get(token, list(token))]
    return [(*day, *time) for time in _TIME_LAYOUTS]


def _read_layouts(
    found: np.ndarray, positions: np.ndarray, matrix: np.ndarray, layouts: list[tuple[str, ...]]
) -> None:
    """Fill `found` at `positions` from their (n, width) bytes, by the first layout that fits."""
    for layout in layouts:
        if len(layout) != matrix.shape[1]:
            continue
        fits = _punctuation_fits(matrix, layout)
        if fits.any():
            moments = _read_layout(np.ascontiguousarray(matrix.T), layout, fits)
            unread = np.isnat(moments)
            found[positions[~unread]] = moments[~unread]
            positions, matrix = positions[unread], matrix[unread]


def _punctuation_fits(matrix: np.ndarray, layout: tuple[str, ...]) -> np.ndarray:
    fits = np.ones(len(matrix), dtype=bool)
    for at, symbol in enumerate(layout):
        if not symbol.startswith("%"):
            admitted = [matrix[:, at] == ord(character) for character in symbol]
            fits &= np.logical_or.reduce(admitted)
    return fits


def _read_layout(columns: np.ndarray, layout: tuple[str, ...], fits: np.ndarray) -> np.ndarray:
    fields: Fields = {}
    for byte, symbol in zip(columns, layout, strict=True):
        if symbol.startswith("%"):
            digit = byte - np.uint8(ord("0"))
            fits &= digit <= 9
            tens = fields.get(symbol)
            fields[symbol] = digit.astype(np.int32) if tens is None else tens * 10 + digit
    if "+-" in layout:
        fits &= (fields["%h"] <= _LAST_OFFSET_HOUR) & (fields["%n"] < 60)
        sign = np.where(columns[layout.index("+-")] == ord("-"), -1, 1)
        fields["offset"] = sign * (fields["%h"] * 60 + fields["%n"])
    elif layout[-1] == "Z":
        fields["offset"] = np.zeros(1, dtype=np.int32)
    return _moments(fields, fits)


def _read_patterns(texts: pa.Array, date_formats: tuple[str, ...]) -> np.ndarray:
    """Read dates of any width by the regular expressions of the formats, in their order."""
    found = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[s]")
    for pattern in date_formats:
        waiting = np.flatnonzero(np.isnat(found))
        parts = pc.extract_regex(texts.take(pa.array(waiting)), date_regex(pattern))
        fitting = parts.is_valid().to_numpy(zero_copy_only=False)
        if fitting.any():
            found[waiting[fitting]] = _moments(_fields(parts.drop_null()), True)
    return found


def _fields(parts: pa.StructArray) -> Fields:
    """Turn the groups of a regular expression into numbers; a group left out is zero."""
    fields = {}
    for group in parts.type:
        texts = parts.field(group.name).dictionary_encode()
        read = _READERS.get(group.name, _number)
        values = np.array([read(text) for text in texts.dictionary.to_pylist()], dtype=np.int32)
        fields["%" + group.name] = values[texts.indices.to_numpy()]
    fields["offset"] = fields.pop("%z")
    if "%b" in fields:
        fields["%m"] = fields.pop("%b")
    return fields


def _number(text: str) -> int:
    return int(text or 0)


def _month(name: str) -> int:
    return MONTHS.get(name.lower(), 0)


def _offset(text: str) -> int:
    if not text:
        return DOUALA_OFFSET_MINUTES
    digits = text.replace("Z", "+0000").replace(":", "")
    minutes = int(digits[1:3]) * 60 + int(digits[3:5])
    return -minutes if digits[0] == "-" else minutes


_READERS: Final[dict[str, Callable[[str], int]]] = {"b": _month, "z": _offset}


def _moments(fields: Fields, fits: np.ndarray | bool) -> np.ndarray:
    """Put the fields together; NaT where there is no such day or time, or where `fits` is false."""
    year, month, day = _year(fields), fields["%m"], fields["%d"]
    hour, minute, second = (fields.get(name, 0) for name in ("%H", "%M", "%S"))
    fits = fits & (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    fits &= (hour < 24) & (minute < 60) & (second < 60)
    first_days = _first_days()
    number = np.where(fits, year * 12 + month - 1, 0)
    start = first_days[number]
    fits &= day <= first_days[number + 1] - start
    local_minutes = (start + day - 1).astype(np.int64) * 1440 + hour * 60 + minute
    seconds = (local_minutes - fields.get("offset", DOUALA_OFFSET_MINUTES)) * 60 + second
    moments: np.ndarray = seconds.astype("datetime64[s]")
    moments[~fits] = np.datetime64("NaT")
    return moments


def _year(fields: Fields) -> np.ndarray:
    if "%Y" in fields:
        return fields["%Y"]
    short = fields["%y"]
    return np.where(short >= TWO_DIGIT_PIVOT, 1900, 2000) + short


@cache
def _first_days() -> np.ndarray:
    """Number, from 1970-01-01, of the first day of each month, from January of year 0."""
    months = np.datetime64("0000-01", "M") + np.arange(10_000 * 12 + 1)
    days: np.ndarray = months.astype("datetime64[D]").astype(np.int32)
    return days


def douala_days(moments: np.ndarray) -> np.ndarray:
    """Give the civil day in Douala, datetime64[D], of UTC instants."""
    days: np.ndarray = (moments + np.timedelta64(DOUALA_OFFSET_MINUTES, "m")).astype(
        "datetime64[D]"
    )
    return days
