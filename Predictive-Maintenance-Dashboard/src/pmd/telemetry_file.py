"""CSV tables in and out: every line is kept with its number, every file appears whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from pmd.errors import MissingColumns, UnusableFile

LINE = "line"
REJECT_COLUMNS = ("file", LINE, "reason", "content")
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Table:
    """Cells of a CSV as text, with the line they end on; and the lines of the wrong length."""

    def __init__(self, name: str, cells: pd.DataFrame, rejects: pd.DataFrame) -> None:
        self.name = name
        self.cells = cells
        self.rejects = rejects

    def require(self, columns: Sequence[str]) -> None:
        """Raise `MissingColumns` unless all of `columns` are there."""
        found = [name for name in self.cells.columns if name != LINE]
        missing = [name for name in columns if name not in found]
        if missing:
            raise MissingColumns(self.name, missing, found)


def read_table(path: Path) -> Table:
    """Read a comma-separated UTF-8 file (with or without BOM) whose first line names the columns.

    Undecodable bytes become U+FFFD, so that only their row suffers. Raises `UnusableFile` when the
    file is absent, unreadable, empty, has a repeated column name or no data line.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            header, lines, short = _parse(path.name, file)
    except (OSError, csv.Error) as error:
        raise UnusableFile(
            f"{path} : lecture impossible ({error}). Vérifiez le chemin et le fichier."
        ) from error
    if not lines and not short:
        raise UnusableFile(f"{path.name} : aucune ligne de données sous l'en-tête.")
    cells = pd.DataFrame([row for _, row in lines], columns=header, dtype=object)
    cells[LINE] = pd.Series([number for number, _ in lines], dtype="int64")
    return Table(path.name, cells, rejects_frame(path.name, short))


def _parse(
    name: str, file: Sequence[str] | object
) -> tuple[list[str], list[tuple[int, list[str]]], list[tuple[int, str, str]]]:
    reader = csv.reader(file)  # type: ignore[arg-type]  # an open text file
    header = [cell.strip() for cell in next(reader, [])]
    if not any(header):
        raise UnusableFile(f"{name} : fichier vide, en-tête attendu sur la première ligne.")
    repeated = sorted({cell for cell in header if header.count(cell) > 1})
    if repeated:
        raise UnusableFile(f"{name} : colonnes répétées {repeated} dans l'en-tête.")
    good: list[tuple[int, list[str]]] = []
    bad: list[tuple[int, str, str]] = []
    for row in reader:
        if len(row) == len(header):
            good.append((reader.line_num, row))
        elif row:
            reason = f"{len(row)} champs au lieu de {len(header)}"
            bad.append((reader.line_num, reason, ",".join(row)))
    return header, good, bad


def rejects_frame(name: str, rows: Sequence[tuple[int, str, str]]) -> pd.DataFrame:
    """Rejects as a table: one row per line, with its reason and content."""
    frame = pd.DataFrame(rows, columns=[LINE, "reason", "content"]).astype({LINE: "int64"})
    frame.insert(0, "file", name)
    return frame


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` with LF line ends and UTC instants to the second, atomically."""

    def write(file: BinaryIO) -> None:
        frame.to_csv(
            file, index=False, lineterminator="\n", date_format=TIME_FORMAT, encoding="utf-8"
        )

    write_atomically(path, write)


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
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
            f"{path} : écriture impossible ({error}). Fermez le fichier ou choisissez un autre chemin."
        ) from error


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
