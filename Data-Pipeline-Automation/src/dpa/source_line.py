"""A line of a source file is read again, if the file is still the one that was loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpa.errors import DpaError
from dpa.files import sha256_of
from dpa.mapping import Mapping, read_mapping
from dpa.parts import RawPart, TransactionSource
from dpa.sources import read_transactions


class SourceGone(Exception):
    """The line cannot be shown; the text says why, in French."""


@dataclass(frozen=True)
class LoadedFile:
    """A file as a run loaded it; `resubmitted` when it is a corrected workbook of rejects."""

    path: Path
    sha256: str
    sheet: str
    mapping_path: str | None
    mapping_sha256: str | None
    resubmitted: bool


def source_cells(file: LoadedFile, line: int) -> list[tuple[str, str]]:
    """Give the headings and cells of one line, as written in the file; raises SourceGone."""
    with _gone_when_unreadable():
        for part in source_of(file).parts:
            raw = part.read()
            found = np.flatnonzero(raw.lines == line)
            if len(found):
                return _cells(raw, int(found[0]))
    raise SourceGone("le fichier n'a plus cette ligne")


def source_of(file: LoadedFile) -> TransactionSource:
    """Open the file as the run did; raises SourceGone when it is gone or has changed."""
    with _gone_when_unreadable():
        _refuse_other_content(file)
        return _source(file)


@contextmanager
def _gone_when_unreadable() -> Iterator[None]:
    try:
        yield
    except DpaError as error:
        raise SourceGone(f"le fichier ne se relit pas ({error})") from error


def _refuse_other_content(file: LoadedFile) -> None:
    if not file.path.exists():
        raise SourceGone("le fichier n'est plus à cet endroit")
    if sha256_of(file.path) != file.sha256:
        raise SourceGone("le fichier a changé depuis ce chargement")


def _source(file: LoadedFile) -> TransactionSource:
    if file.resubmitted:
        # Reading workbooks takes a library that other runs do without.
        from dpa.resubmission import read_resubmission

        return read_resubmission(file.path).source
    return read_transactions(file.path, _mapping(file), file.sheet or None)


def _mapping(file: LoadedFile) -> Mapping:
    if file.mapping_path is None:
        return Mapping()
    found = read_mapping(Path(file.mapping_path))
    if found.sha256 != file.mapping_sha256:
        raise SourceGone("le fichier de correspondance a changé depuis ce chargement")
    return found.mapping


def _cells(raw: RawPart, at: int) -> list[tuple[str, str]]:
    values = [column[at].as_py() for column in raw.cells.columns]
    return list(zip(raw.header, values, strict=True))
