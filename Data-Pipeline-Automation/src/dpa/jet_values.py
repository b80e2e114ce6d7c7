"""Raw values of an Access column become text, exactly, or are refused."""

import struct
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import numpy as np
import pyarrow as pa

from dpa.jet_file import JetError, JetFile
from dpa.jet_table import Column, Kind, Raw
from dpa.jet_text import text_of
from dpa.typed_cells import TRUTHS, decimal_texts, instant_texts

_EPOCH: Final = datetime(1899, 12, 30)
_DAY_US: Final = 86_400_000_000
_CURRENCY_DECIMALS: Final = 4
_NUMBERS: Final = {
    Kind.BYTE: "u1",
    Kind.INTEGER: "<i2",
    Kind.LONG: "<i4",
    Kind.SINGLE: "<f4",
    Kind.DOUBLE: "<f8",
    Kind.BIG_INTEGER: "<i8",
}
NUMERIC_KINDS: Final = frozenset({*_NUMBERS, Kind.CURRENCY, Kind.NUMERIC})
_UNREADABLE: Final = {
    Kind.ATTACHMENT: "pièce jointe ou valeurs multiples",
    Kind.EXTENDED_DATE: "date étendue",
}


def unreadable_reason(column: Column) -> str | None:
    """Tell why the values of a column cannot be read right; None when they can."""
    if column.is_calculated:
        return "colonne calculée"
    if column.code not in set(Kind):
        return f"type {column.code} inconnu"
    return _UNREADABLE.get(Kind(column.code))


def column_texts(file: JetFile, column: Column, values: Sequence[Raw]) -> pa.Array:
    """Write the values of a column as text, "" where there is none.

    Numbers are exact with a point, dates ISO 8601, booleans VRAI or FAUX; a binary value is only
    described. Raises JetError when a value is none of its type.
    """
    kind = Kind(column.code)
    if kind is Kind.BOOLEAN:
        return pa.array([TRUTHS[value is True] for value in values], pa.string())
    present = [value for value in values if isinstance(value, bytes)]
    if kind in _NUMBERS:
        texts = _numbers(kind, present)
    elif kind is Kind.DATE:
        texts = instant_texts(pa.array([_date(value) for value in present], pa.timestamp("us")))
    else:
        write = _writer(file, column, kind)
        texts = pa.array([write(value) for value in present], pa.string())
    spread = iter(texts.to_pylist())
    return pa.array(
        [next(spread) if isinstance(value, bytes) else "" for value in values], pa.string()
    )


def _writer(file: JetFile, column: Column, kind: Kind) -> Callable[[bytes], str]:
    encoding = file.text_encoding
    writers: dict[Kind, Callable[[bytes], str]] = {
        Kind.CURRENCY: _currency,
        Kind.NUMERIC: lambda value: _numeric(value, column.scale),
        Kind.TEXT: lambda value: text_of(value, encoding),
        Kind.MEMO: lambda value: text_of(file.long_value(value), encoding),
        Kind.GUID: _guid,
        Kind.BINARY: lambda value: _described(len(value)),
        Kind.OBJECT: lambda value: _described(len(file.long_value(value))),
    }
    return writers[kind]


def _numbers(kind: Kind, present: Sequence[bytes]) -> pa.Array:
    dtype = np.dtype(_NUMBERS[kind])
    if any(len(value) != dtype.itemsize for value in present):
        raise JetError("nombre d'une longueur inattendue")
    numbers = np.frombuffer(b"".join(present), dtype=dtype)
    if numbers.dtype.kind == "f":
        return decimal_texts(pa.array(numbers))
    return pa.array(numbers).cast(pa.string())


def _date(value: bytes) -> datetime:
    """Turn days since 1899-12-30 into a date; before it too, the fraction counts forward."""
    (days,) = struct.unpack("<d", value)
    try:
        whole = int(days)
        return _EPOCH + timedelta(days=whole, microseconds=round(abs(days - whole) * _DAY_US))
    except (OverflowError, ValueError) as error:
        raise JetError("date hors du calendrier") from error


def _currency(value: bytes) -> str:
    return _plain(Decimal(struct.unpack("<q", value)[0]).scaleb(-_CURRENCY_DECIMALS))


def _numeric(value: bytes, scale: int) -> str:
    """Read a sign, then 128 bits: four words, the high one first, each with its low byte first."""
    negative, *words = struct.unpack("<B4I", value)
    number = 0
    for word in words:
        number = number << 32 | word
    return _plain(Decimal((bool(negative), tuple(map(int, str(number))), -scale)))


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _guid(value: bytes) -> str:
    return f"{{{UUID(bytes_le=value)!s}}}".upper()


def _described(size: int) -> str:
    return f"(objet binaire de {size} octets)"
