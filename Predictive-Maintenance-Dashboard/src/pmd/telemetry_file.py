"""CSV tables in and out: each line keeps its number, each file appears whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pandas as pd

from pmd.errors import MissingColumns, UnusableFile
from pmd.quality import LINE

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Source(NamedTuple):
    """A file that was read, and how many data lines it has."""

    path: Path
    rows: int


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of a CSV as text, indexed by line; `rejects`: the lines that could not be cut up."""

    path: Path
    cells: pd.DataFrame
    rejects: pd.DataFrame

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def source(self) -> Source:
        return Source(self.path, len(self.cells) + len(self.rejects))

    def require(self, columns: Sequence[str]) -> None:
        """Raise `MissingColumns` unless all of `columns` are there."""
        found = list(self.cells.columns)
        missing = [name for name in columns if name not in found]
        if missing:
            raise MissingColumns(self.name, missing, found)


def read_table(path: Path) -> Table:
    """Read a comma-separated UTF-8 file (with or without BOM) whose first line names the columns.

    A row is one line: a quote left open, a missing field or a byte that is not UTF-8 (it becomes
    U+FFFD) spoils that row alone. Raises `UnusableFile` when the file is absent, unreadable, empty,
    or names a column twice.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return _parse(path, file)
    except OSError as error:
        raise UnusableFile(
            f"{path} : lecture impossible ({error.strerror}). Vérifiez le chemin et les droits."
        ) from error


def _parse(path: Path, file: Iterable[str]) -> Table:
    lines = iter(enumerate(file, start=1))
    header = [cell.strip() for cell in _fields(next(lines, (1, ""))[1]) or []]
    if not any(header):
        raise UnusableFile(f"{path.name} : fichier vide, en-tête attendu sur la première ligne.")
    repeated = sorted({cell for cell in header if header.count(cell) > 1})
    if repeated:
        raise UnusableFile(f"{path.name} : colonnes répétées dans l'en-tête {repeated}.")
    good: list[list[str]] = []
    numbers: list[int] = []
    bad: list[tuple[str, int, str, str]] = []
    for number, text in lines:
        fields = _fields(text)
        if fields is not None and len(fields) == len(header):
            good.append(fields)
            numbers.append(number)
        elif fields is None or fields != [""]:
            bad.append((path.name, number, _reason(fields, header), text.rstrip("\n")))
    index = pd.Index(numbers, dtype="int64", name=LINE)
    cells = pd.DataFrame(good, columns=header, index=index, dtype=object)
    rejects = pd.DataFrame(bad, columns=["file", LINE, "reason", "content"])
    return Table(path, cells, rejects.astype({LINE: "int64"}))


def _fields(text: str) -> list[str] | None:
    """The fields of one line; None when a quote is left open."""
    text = text.rstrip("\n")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _reason(fields: list[str] | None, header: list[str]) -> str:
    if fields is None:
        return "guillemets mal fermés"
    return f"{len(fields)} champs au lieu de {len(header)}"


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` with LF line ends and UTC instants to the second, atomically."""

    def write(file: BinaryIO) -> None:
        frame.to_csv(
            file, index=False, lineterminator="\n", date_format=TIME_FORMAT, encoding="utf-8"
        )

    write_atomically(path, write)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a file beside `path`, flush it to disk, then put it in the place of `path`.

    Raises `UnusableFile` when the folder or the file cannot be written; `path` is then unchanged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise UnusableFile(
            f"{path} : écriture impossible ({error.strerror}). Fermez le fichier s'il est ouvert, "
            "ou choisissez un autre chemin."
        ) from error


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
