"""Tables in and out: each line keeps its number, each file appears whole or not at all."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pandas as pd

from pmd.errors import MissingColumns, UnusableFile
from pmd.quality import LINE

TO_THE_SECOND = "%Y-%m-%dT%H:%M:%SZ"
TO_THE_MICROSECOND = "%Y-%m-%dT%H:%M:%S.%fZ"

Write = Callable[[BinaryIO], object]


class Source(NamedTuple):
    """A file that was read, how many data lines it has, and the digest of what was read."""

    path: Path
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of a file as text, indexed by line; `rejects`: the lines that could not be cut up."""

    path: Path
    cells: pd.DataFrame
    rejects: pd.DataFrame
    sha256: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def source(self) -> Source:
        return Source(self.path, len(self.cells) + len(self.rejects), self.sha256)

    def require(self, columns: Sequence[str]) -> None:
        """Raise `MissingColumns` unless all of `columns` are there."""
        found = list(self.cells.columns)
        missing = [name for name in columns if name not in found]
        if missing:
            raise MissingColumns(self.name, missing, found)


def read_table(path: Path) -> Table:
    """Read a Parquet file (by its suffix), or a comma-separated UTF-8 one headed by its columns.

    In a CSV, with or without BOM, a row is one line: a quote left open, a missing field or a byte
    that is not UTF-8 (it becomes U+FFFD) spoils that row alone. The lines of a Parquet file are its
    rows, from 1. Raises `UnusableFile` when the file is absent, unreadable, empty, or names a
    column twice.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnusableFile(
            f"{path} : lecture impossible ({error.strerror}). Vérifiez le chemin et les droits."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if path.suffix.lower() == ".parquet":
        return _parquet(path, content, digest)
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="replace")
    return _parse(path, text, digest)


def _parquet(path: Path, content: bytes, digest: str) -> Table:
    """The rows as the texts that a CSV would hold, so that all tables are checked alike."""
    import pyarrow  # slow to load, and seldom needed
    import pyarrow.parquet

    try:
        stored = pyarrow.parquet.read_table(io.BytesIO(content))
        frame = stored.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise UnusableFile(f"{path.name} : ce n'est pas un fichier Parquet lisible.") from error
    header = [str(name).strip() for name in frame.columns]
    _refuse_repeated(path, header)
    texts = {name: _texts(column) for name, (_, column) in zip(header, frame.items(), strict=True)}
    index = pd.RangeIndex(1, len(frame) + 1, name=LINE)
    return Table(path, pd.DataFrame(texts).set_axis(index), _rejects([]), digest)


def _texts(column: pd.Series) -> pd.Series:
    texts = column.astype(object).map(_text, na_action="ignore")
    return texts.where(column.notna(), "").astype(object)


def _text(value: object) -> str:
    """Numbers with all their digits, true as 1."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _parse(path: Path, text: Iterable[str], digest: str) -> Table:
    lines = iter(enumerate(text, start=1))
    first = _fields(next(lines, (1, ""))[1])
    if first is None:
        raise UnusableFile(f"{path.name} : guillemets mal fermés dans l'en-tête.")
    header = [cell.strip() for cell in first]
    if not any(header):
        raise UnusableFile(f"{path.name} : fichier vide, en-tête attendu sur la première ligne.")
    _refuse_repeated(path, header)
    good: list[list[str]] = []
    numbers: list[int] = []
    bad: list[tuple[str, int, str, str]] = []
    for number, line in lines:
        fields = _fields(line)
        if fields is not None and len(fields) == len(header):
            good.append(fields)
            numbers.append(number)
        elif fields is None or fields != [""]:
            bad.append((path.name, number, _reason(fields, header), line.rstrip("\n")))
    index = pd.Index(numbers, dtype="int64", name=LINE)
    cells = pd.DataFrame(good, columns=header, index=index, dtype=object)
    return Table(path, cells, _rejects(bad), digest)


def _rejects(rows: list[tuple[str, int, str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["file", LINE, "reason", "content"])
    return frame.astype({LINE: "int64"})


def _refuse_repeated(path: Path, header: list[str]) -> None:
    repeated = sorted({cell for cell in header if header.count(cell) > 1})
    if repeated:
        raise UnusableFile(f"{path.name} : colonnes répétées dans l'en-tête {repeated}.")


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


def write_csv(frames: Mapping[Path, pd.DataFrame]) -> None:
    """Write each frame to its path, with LF line ends and UTC instants: all of them, or none.

    Instants are written to the second, or to the microsecond where a frame has such ones.
    """
    write_atomically({path: csv_writer(frame) for path, frame in frames.items()})


def csv_writer(frame: pd.DataFrame) -> Write:
    """What `write_atomically` needs to write one frame as `write_csv` does."""
    instants = frame.select_dtypes("datetimetz")
    whole = all((instants[name].dropna().dt.microsecond == 0).all() for name in instants)
    form = TO_THE_SECOND if whole else TO_THE_MICROSECOND
    return lambda file: frame.to_csv(
        file, index=False, lineterminator="\n", date_format=form, encoding="utf-8"
    )


def write_atomically(writes: Mapping[Path, Write]) -> None:
    """Write each file beside its path and flush it to disk, then put all of them in place.

    Raises `UnusableFile` when one cannot be written; every path is then unchanged, unless the
    system refuses the last step itself for a second file (Windows, when a program holds it open).
    """
    with ExitStack() as stack:
        beside = {path: _written_beside(path, write, stack) for path, write in writes.items()}
        for path, name in beside.items():
            with _naming(path):
                name.replace(path)


def _written_beside(path: Path, write: Write, stack: ExitStack) -> Path:
    """A flushed temporary file in the folder of `path`, removed with `stack` if still there."""
    with _naming(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        beside = Path(name)
        stack.callback(beside.unlink, missing_ok=True)
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
    return beside


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn a system error into one that names the file of the user, not the temporary one."""
    try:
        yield
    except OSError as error:
        raise UnusableFile(
            f"{path} : écriture impossible ({error.strerror}). Fermez le fichier s'il est ouvert, "
            "ou choisissez un autre chemin."
        ) from error
