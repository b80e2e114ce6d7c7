"""Tables in and out: each line keeps its number, each file appears whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pandas as pd
import pyarrow
import pyarrow.parquet

from pmd.cells import LINE, cells_of
from pmd.csv_text import parse_csv, refuse_repeated
from pmd.errors import MissingColumns, UnusableFile

PARQUET_SUFFIX = ".parquet"
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
    """A file of these `columns`, and the cells of those read, indexed by line.

    `rejects`: the lines that could not be cut up.
    """

    path: Path
    columns: tuple[str, ...]
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
        require(self.name, self.columns, columns)


def require(name: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise `MissingColumns`, with the `name` of the file, unless all `wanted` ones are `found`."""
    missing = [column for column in wanted if column not in found]
    if missing:
        raise MissingColumns(name, missing, found)


def read_table(path: Path, wanted: Collection[str] | None = None) -> Table:
    """Read a Parquet file (by its suffix), a folder of such, or a comma-separated UTF-8 file.

    In a CSV the cells are texts (see `parse_csv`). In Parquet they are what the file holds, and
    lines are its rows, from 1; the files of a folder are read by name, as one table. Of the
    columns, those `wanted` (None: all) are read, as far as they are there. Raises `UnusableFile`
    when the file is absent, unreadable, empty, or names a column twice.
    """
    files = parquet_files(path)
    if files != [path] or path.suffix.lower() == PARQUET_SUFFIX:
        return _parquet(path, files, wanted)
    content = _content(path)
    parsed = parse_csv(path.name, content, wanted)
    rejects = rejects_of(path.name, parsed.broken)
    columns = tuple(parsed.header)
    return Table(path, columns, parsed.cells, rejects, hashlib.sha256(content).hexdigest())


def parquet_files(path: Path) -> list[Path]:
    """The Parquet files of a folder by name, or the file itself.

    Raises `UnusableFile` when the folder holds none or may not be listed.
    """
    with _read(path):
        if not path.is_dir():
            return [path]
        found = sorted(file for file in path.iterdir() if file.suffix.lower() == PARQUET_SUFFIX)
    if not found:
        raise UnusableFile(f"{path} : lecture impossible (dossier sans fichier {PARQUET_SUFFIX}).")
    return found


def _content(path: Path) -> bytes:
    with _read(path):
        return path.read_bytes()


@contextmanager
def _read(path: Path) -> Iterator[None]:
    """Turn a system error into one that names what could not be read."""
    try:
        yield
    except OSError as error:
        raise UnusableFile(
            f"{path} : lecture impossible ({error.strerror}). Vérifiez le chemin et les droits."
        ) from error


def _parquet(path: Path, files: Sequence[Path], wanted: Collection[str] | None) -> Table:
    digest, parts, columns = hashlib.sha256(), [], dict[str, None]()
    for file in files:
        content = _content(file)
        digest.update(content)
        try:
            stored = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content))
            names = stored.schema_arrow.names
            columns.update(dict.fromkeys(names))
            kept = [name for name in names if wanted is None or name.strip() in wanted]
            parts.append(stored.read(columns=kept))
        except (pyarrow.ArrowException, OSError) as error:
            raise UnusableFile(f"{file.name} : ce n'est pas un fichier Parquet lisible.") from error
    try:
        table = pyarrow.concat_tables(parts, promote_options="permissive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise UnusableFile(f"{path.name} : fichiers de colonnes différentes.") from error
    header = [name.strip() for name in columns]
    refuse_repeated(path.name, header)
    rejects = rejects_of(path.name, [])
    return Table(path, tuple(header), cells_of(table, 1), rejects, digest.hexdigest())


def rejects_of(name: str, broken: Sequence[tuple[int, str, str]]) -> pd.DataFrame:
    """Rejects of file `name`: `file, line, reason, content`."""
    rows = [(name, *line) for line in broken]
    frame = pd.DataFrame(rows, columns=["file", LINE, "reason", "content"])
    return frame.astype({LINE: "int64"})


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

    A link stays, and what it leads to is written. Raises `UnusableFile` when one cannot be written,
    as is a device; every path is then unchanged, unless the system refuses the last step itself for
    a second file (Windows, when a program holds it open).
    """
    with ExitStack() as stack:
        real = {_file_at(path): write for path, write in writes.items()}
        beside = {path: _written_beside(path, write, stack) for path, write in real.items()}
        for path, name in beside.items():
            with naming(path):
                name.replace(path)


def _file_at(path: Path) -> Path:
    """The file that `path` is or leads to, there or to be made."""
    with naming(path):
        real = Path(os.path.realpath(path)) if path.is_symlink() else path
        if real.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if real.exists() and not real.is_file():
            raise OSError(errno.EINVAL, "ce n'est pas un fichier ordinaire")
        return real


def _written_beside(path: Path, write: Write, stack: ExitStack) -> Path:
    """A flushed temporary file in the folder of `path`, removed with `stack` if still there."""
    with naming(path):
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
def naming(path: Path) -> Iterator[None]:
    """Turn a system error into one that names the file of the user, not the temporary one."""
    try:
        yield
    except OSError as error:
        raise UnusableFile(
            f"{path} : écriture impossible ({error.strerror}). Fermez le fichier s'il est ouvert, "
            "ou choisissez un autre chemin."
        ) from error
