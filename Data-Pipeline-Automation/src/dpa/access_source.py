"""Tables of Access databases become rows of exact text, or the file is refused with the reason."""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dpa.errors import MissingColumns, SourceEmpty, SourceUnreadable
from dpa.files import read_bytes, read_head
from dpa.header import resolve_columns
from dpa.jet_file import HEADER_BYTES, JetError, JetFile, JetProtected, is_access
from dpa.jet_table import CatalogEntry, Column, Definition, catalog, raw_rows, read_definition
from dpa.jet_values import NUMERIC_KINDS, column_texts, unreadable_reason
from dpa.mapping import Mapping
from dpa.parts import TransactionSource
from dpa.typed_source import TypedRows, text_frame, transaction_source

_OWN_TABLE: Final = 1
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")


def read_access_source(path: Path, mapping: Mapping, table: str | None) -> TransactionSource:
    """Read the transactions of an Access database, .mdb or .accdb, of Access 97 to 2019.

    `table` is a name or a number, the first being 1. Without it: the only table, or the first one
    that has the expected columns. Lines are the ordinals of the rows. Raises SourceUnreadable when
    the file is locked, damaged, or has something that cannot be read right (a calculated column,
    an extended date, a number of rows other than the one announced) where it matters.
    """
    data = _content(path)
    with _refusing(path):
        file = JetFile(data)
        tables = catalog(file)
        entry, definition = _chosen_table(path, file, tables, mapping, table or mapping.sheet)
        names = _header(definition)
        needed = resolve_columns(path, names, mapping)
        notes = _unread_notes(path, entry.name, definition, set(needed.values()))
        rows = _typed_rows(file, definition)
    if not len(rows.lines):
        raise SourceEmpty(f"{path} : la table « {entry.name} » n'a aucune ligne.")
    if len(tables) > 1:
        notes.insert(0, f"Table lue : « {entry.name} » (la base en a {len(tables)}).")
    sha256 = hashlib.sha256(data).hexdigest()
    return transaction_source(path, sha256, entry.name, names, rows, mapping, notes)


def extract_from_access(path: str | Path, table: str | int | None = None) -> pd.DataFrame:
    """Read one table of an Access database as a table of text, for an analyst's own work.

    The index, "ligne", is the ordinal of the row. Cells are text exactly as the pipeline reads
    them: dates in ISO, numbers with a point, "" for no value. A column that cannot be read right is
    left out. `table` is a name or a number, the first being 1; without it,
    the table is chosen as for the pipeline. Raises SourceUnreadable or SourceEmpty.
    """
    path, asked = Path(path), None if table is None else str(table)
    data = _content(path)
    with _refusing(path):
        file = JetFile(data)
        _, definition = _chosen_table(path, file, catalog(file), Mapping(), asked)
        frame = text_frame(_header(definition), _typed_rows(file, definition))
    readable = [not unreadable_reason(column) for column in definition.columns]
    return frame.loc[:, readable]


def _header(definition: Definition) -> tuple[str, ...]:
    return tuple(column.name.strip() for column in definition.columns)


def _content(path: Path) -> bytes:
    head = read_head(path, HEADER_BYTES)
    if not head.strip():
        raise SourceEmpty(f"{path} : le fichier est vide.")
    if not is_access(head):
        raise SourceUnreadable(f"{path} : ce n'est pas une base Access, mais {_what(head)}.")
    return read_bytes(path)


def _what(head: bytes) -> str:
    """Name, with the remedy, what is not an Access database."""
    if head.startswith((_ZIP, _OLE)):
        return "un classeur ou une archive ; donnez-lui son extension d'origine (.xlsx, .xls…)"
    if b"\x00" not in head or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "du texte ; s'il s'agit d'un export CSV, donnez-lui l'extension .csv"
    return "un fichier d'un autre type ; vérifiez qu'il est entier et s'ouvre dans Access"


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn what the file does not say rightly into a refusal that names it."""
    try:
        yield
    except JetProtected as error:
        raise SourceUnreadable(
            f"{path} : {error} ; ouvrez-la dans Access en mode exclusif, ôtez le mot de passe "
            "(Fichier, Informations), ou exportez la table en .xlsx."
        ) from error
    except JetError as error:
        raise _unsound(path, str(error)) from error
    except (struct.error, LookupError, ValueError, ArithmeticError) as error:
        raise _unsound(path, "base tronquée ou abîmée") from error


def _unsound(path: Path, cause: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"{path} : lecture sûre impossible ({cause}) ; dans Access, lancez « Compacter et réparer "
        "la base », ou exportez la table en .xlsx."
    )


def _chosen_table(
    path: Path,
    file: JetFile,
    tables: Sequence[CatalogEntry],
    mapping: Mapping,
    asked: str | None,
) -> tuple[CatalogEntry, Definition]:
    if asked is not None:
        entry = _named(path, tables, asked)
        return entry, read_definition(file, entry.page)
    own = [entry for entry in tables if entry.kind == _OWN_TABLE]
    if not own:
        raise SourceEmpty(f"{path} : la base n'a aucune table à elle.")
    candidates = [(entry, read_definition(file, entry.page)) for entry in own]
    holding = (found for found in candidates if _holds(path, found[1], mapping))
    return next(holding, candidates[0])


def _holds(path: Path, definition: Definition, mapping: Mapping) -> bool:
    try:
        resolve_columns(path, _header(definition), mapping)
    except MissingColumns:
        return False
    return True


def _named(path: Path, tables: Sequence[CatalogEntry], asked: str) -> CatalogEntry:
    """Find a table by its name, in whatever case since Access ignores it, or by its rank."""
    found = [entry for entry in tables if entry.name.casefold() == asked.casefold()]
    if not found and asked.isdecimal() and 1 <= int(asked) <= len(tables):
        found = [tables[int(asked) - 1]]
    if not found:
        listed = ", ".join(f"« {entry.name} »" for entry in tables) or "aucune"
        raise SourceUnreadable(f"{path} : pas de table « {asked} » ; tables de la base : {listed}.")
    if found[0].kind != _OWN_TABLE:
        raise SourceUnreadable(
            f"{path} : « {found[0].name} » est liée à une autre base ; indiquez le fichier qui la "
            "contient."
        )
    return found[0]


def _unread_notes(
    path: Path, table: str, definition: Definition, needed: set[int | None]
) -> list[str]:
    """Say which columns are left unread; refuse when a transaction needs one."""
    notes = []
    for position, column in enumerate(definition.columns):
        reason = unreadable_reason(column)
        if reason and position in needed:
            raise SourceUnreadable(
                f"{path} : la colonne « {column.name} » de la table « {table} » ne peut pas être "
                f"lue exactement ({reason}) ; exportez la table en .xlsx depuis Access."
            )
        if reason:
            notes.append(f"Colonne « {column.name} » non lue ({reason}).")
    return notes


def _typed_rows(file: JetFile, definition: Definition) -> TypedRows:
    raw = list(raw_rows(file, definition))
    texts = [
        _texts(file, column, [row[at] for row in raw])
        for at, column in enumerate(definition.columns)
    ]
    filled = [pc.not_equal(pc.utf8_trim_whitespace(column), "") for column in texts]
    is_row = np.logical_or.reduce([mask.to_numpy(zero_copy_only=False) for mask in filled])
    cells = pa.table(texts, [str(at) for at in range(len(texts))])
    return TypedRows(
        cells=cells.filter(pa.array(is_row)),
        lines=np.flatnonzero(is_row) + 1,
        is_number=[
            np.full(int(is_row.sum()), column.code in NUMERIC_KINDS)
            for column in definition.columns
        ],
        blank_lines=int(np.count_nonzero(~is_row)),
    )


def _texts(file: JetFile, column: Column, values: Sequence[bytes | bool | None]) -> pa.Array:
    if unreadable_reason(column):
        return pa.array([""] * len(values), pa.string())
    return column_texts(file, column, values)
