"""A line of a source file is read again, if the file is still the one that was loaded."""

import hashlib
from pathlib import Path

import numpy as np

from dpa.errors import DpaError
from dpa.files import reading
from dpa.mapping import Mapping, read_mapping
from dpa.parts import RawPart, TransactionSource
from dpa.sources import read_transactions


class SourceGone(Exception):
    """The line cannot be shown; the text says why, in French."""


def source_cells(
    path: Path, sha256: str, sheet: str, line: int, mapping: tuple[str, str] | None, resubmitted: bool
) -> list[tuple[str, str]]:
    """Give the headings and cells of one line, as written in the file; raises SourceGone.

    `mapping` is the path and the digest of the mapping file that the file was read with.
    `resubmitted` files are corrected rejects workbooks.
    """
    _refuse_other_content(path, sha256)
    try:
        source = _source(path, sheet, mapping, resubmitted)
        for part in source.parts:
            raw = part.read()
            found = np.flatnonzero(raw.lines == line)
            if len(found):
                return _cells(raw, int(found[0]))
    except DpaError as error:
        raise SourceGone(f"le fichier ne se relit pas ({error})") from error
    raise SourceGone("le fichier n'a plus cette ligne")


def _refuse_other_content(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise SourceGone("le fichier n'est plus à cet endroit")
    try:
        with reading(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except DpaError as error:
        raise SourceGone(f"le fichier ne se relit pas ({error})") from error
    if digest != sha256:
        raise SourceGone("le fichier a changé depuis ce chargement")


def _source(
    path: Path, sheet: str, mapping: tuple[str, str] | None, resubmitted: bool
) -> TransactionSource:
    if resubmitted:
        # Reading workbooks takes a library that other runs do without.
        from dpa.resubmission import read_resubmission

        return read_resubmission(path).source
    return read_transactions(path, _mapping(mapping), sheet or None)


def _mapping(mapping: tuple[str, str] | None) -> Mapping:
    if mapping is None:
        return Mapping()
    path, sha256 = mapping
    found = read_mapping(Path(path))
    if found.sha256 != sha256:
        raise SourceGone(f"le fichier de correspondance {path} a changé depuis ce chargement")
    return found.mapping


def _cells(raw: RawPart, at: int) -> list[tuple[str, str]]:
    values = [column[at].as_py() for column in raw.cells.columns]
    return list(zip(raw.header, values, strict=True))
