"""Tables of an Access database: their columns, and the raw values of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final, NamedTuple

from dpa.jet_file import JetError, JetFile, u16, u32
from dpa.jet_text import text_of

CATALOG_PAGE: Final = 2
_PAGE_OF_ID: Final = 0xFFFFFF
_SYSTEM_FLAGS: Final = 0x80000002
_FIXED: Final = 0x01
_CALCULATED: Final = 0xC0


class Kind(IntEnum):
    """Types of a column, by their code in the file."""

    BOOLEAN = 1
    BYTE = 2
    INTEGER = 3
    LONG = 4
    CURRENCY = 5
    SINGLE = 6
    DOUBLE = 7
    DATE = 8
    BINARY = 9
    TEXT = 10
    OBJECT = 11
    MEMO = 12
    GUID = 15
    NUMERIC = 16
    ATTACHMENT = 18
    BIG_INTEGER = 19
    EXTENDED_DATE = 20


class _Places(NamedTuple):
    """Where a definition holds what, in bytes; from `number` on, within one column's record."""

    rows: int
    kind: int
    columns: int
    indexes: int
    usage: int
    end: int
    index_size: int
    column_size: int
    number: int
    variable: int
    scale: int
    flags: int
    fixed: int
    length: int


_JET3: Final = _Places(12, 20, 25, 31, 35, 43, 8, 18, 1, 3, 12, 13, 14, 16)
_JET4: Final = _Places(16, 40, 45, 51, 55, 63, 12, 25, 5, 7, 12, 15, 21, 23)


@dataclass(frozen=True)
class Column:
    """One column; `at` is its place among the fixed values of a row, or among the variable ones."""

    name: str
    code: int
    number: int
    is_fixed: bool
    is_calculated: bool
    at: int
    length: int
    scale: int


@dataclass(frozen=True)
class Definition:
    """One table; `rows` is how many live rows it announces."""

    page: int
    rows: int
    usage_map: int
    columns: tuple[Column, ...]


Raw = bytes | bool | None


def read_definition(file: JetFile, page: int) -> Definition:
    """Read the definition of a table, its columns in the order in which Access made them."""
    data = file.definition(page)
    places = _JET3 if file.layout.is_jet3 else _JET4
    count = u16(data, places.columns)
    first = places.end + u32(data, places.indexes) * places.index_size
    names = _names(file, data, first + count * places.column_size, count)
    columns = [
        _column(data, first + at * places.column_size, places, name, file.layout.is_jet3)
        for at, name in enumerate(names)
    ]
    return Definition(
        page,
        u32(data, places.rows),
        u32(data, places.usage),
        tuple(sorted(columns, key=lambda column: column.number)),
    )


def _names(file: JetFile, data: bytes, start: int, count: int) -> Iterator[str]:
    for _ in range(count):
        size = data[start] if file.layout.is_jet3 else u16(data, start)
        start += 1 if file.layout.is_jet3 else 2
        yield data[start : start + size].decode(file.text_encoding)
        start += size


def _column(data: bytes, start: int, places: _Places, name: str, is_jet3: bool) -> Column:
    is_fixed = bool(data[start + places.flags] & _FIXED)
    return Column(
        name=name,
        code=data[start],
        number=u16(data, start + places.number),
        is_fixed=is_fixed,
        is_calculated=not is_jet3 and bool(data[start + places.flags + 1] & _CALCULATED),
        at=u16(data, start + (places.fixed if is_fixed else places.variable)),
        length=u16(data, start + places.length),
        scale=data[start + places.scale],
    )


def raw_rows(file: JetFile, definition: Definition) -> Iterator[list[Raw]]:
    """Give the raw values of each live row, column by column of the definition.

    Raises JetError when a row does not fit its definition, or at the end when the table announces
    another number of rows.
    """
    found = 0
    cut = _cut_jet3 if file.layout.is_jet3 else _cut_jet4
    for row in file.rows_of(definition.page, definition.usage_map):
        found += 1
        yield cut(row, definition.columns)
    if found != definition.rows:
        raise JetError(f"la table annonce {definition.rows} lignes, {found} sont lisibles")


def _cut_jet4(row: bytes, columns: tuple[Column, ...]) -> list[Raw]:
    count = u16(row, 0)
    mask_at = len(row) - (count + 7) // 8
    if mask_at < 2:
        raise JetError("ligne plus courte que sa définition")
    ends: list[int] = []
    if any(not column.is_fixed for column in columns):
        variables = u16(row, mask_at - 2)
        # Offsets stand in reverse: that of the first variable value last, after the end of all.
        ends = [u16(row, mask_at - 4 - 2 * at) for at in range(variables + 1)]
    return _values(row, columns, count, mask_at, ends, 2)


def _cut_jet3(row: bytes, columns: tuple[Column, ...]) -> list[Raw]:
    count = row[0]
    mask_at = len(row) - (count + 7) // 8
    if mask_at < 1:
        raise JetError("ligne plus courte que sa définition")
    ends: list[int] = []
    if any(not column.is_fixed for column in columns):
        ends = _jet3_ends(row, mask_at)
    return _values(row, columns, count, mask_at, ends, 1)


def _jet3_ends(row: bytes, mask_at: int) -> list[int]:
    """Give the offsets of variable values, one byte each; a table of jumps adds the 256s."""
    variables = row[mask_at - 1]
    jumps = (len(row) - 1) // 256
    last = mask_at - 2 - jumps
    if (last - variables) // 256 < jumps:
        jumps -= 1
    ends, used = [], 0
    for at in range(variables + 1):
        while used < jumps and at == row[mask_at - 2 - used]:
            used += 1
        ends.append(row[last - at] + used * 256)
    return ends


def _values(
    row: bytes,
    columns: tuple[Column, ...],
    count: int,
    mask_at: int,
    ends: list[int],
    fixed_at: int,
) -> list[Raw]:
    limit = ends[0] if ends else mask_at
    if any(end < start for start, end in pairwise(ends)) or limit > mask_at:
        raise JetError("valeurs d'une ligne qui se chevauchent")
    values: list[Raw] = []
    for column in columns:
        number = column.number
        # A column that was added after the row was written is not even in its mask.
        has_value = number < count and bool(row[mask_at + number // 8] >> number % 8 & 1)
        if column.code == Kind.BOOLEAN:
            values.append(has_value)
        elif not has_value:
            values.append(None)
        elif column.is_fixed:
            start = fixed_at + column.at
            if start + column.length > limit:
                raise JetError(f"valeur de « {column.name} » hors de sa ligne")
            values.append(row[start : start + column.length])
        elif column.at + 1 < len(ends):
            values.append(row[ends[column.at] : ends[column.at + 1]])
        else:
            values.append(None)
    return values


@dataclass(frozen=True)
class CatalogEntry:
    """One object of the database; `kind` 1 is a table of its own, 4 and 6 are linked ones."""

    name: str
    kind: int
    page: int


def catalog(file: JetFile) -> list[CatalogEntry]:
    """List the tables that a user sees, its own and the linked ones."""
    definition = read_definition(file, CATALOG_PAGE)
    at = {column.name: position for position, column in enumerate(definition.columns)}
    entries = []
    for row in raw_rows(file, definition):
        identifier, name, kind, flags = (row[at[key]] for key in ("Id", "Name", "Type", "Flags"))
        if isinstance(identifier, bytes) and isinstance(name, bytes) and isinstance(kind, bytes):
            is_system = isinstance(flags, bytes) and u32(flags, 0) & _SYSTEM_FLAGS
            if u16(kind, 0) in (1, 4, 6) and not is_system:
                page = u32(identifier, 0) & _PAGE_OF_ID
                entries.append(CatalogEntry(text_of(name, file.text_encoding), u16(kind, 0), page))
    return [entry for entry in entries if not entry.name.startswith(("MSys", "~"))]
