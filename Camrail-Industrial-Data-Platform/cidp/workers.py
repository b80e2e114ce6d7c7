"""The folder that the workers of one server share: their numbers, and what they hold together."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

_TABLES = """
CREATE TABLE IF NOT EXISTS workers (number INTEGER PRIMARY KEY, pid INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS names (
    kind TEXT NOT NULL, name TEXT NOT NULL, free_s REAL NOT NULL, held INTEGER NOT NULL,
    seen_s REAL NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS names_seen ON names (kind, seen_s);
"""


@contextmanager
def shared_folder(workers: int) -> Iterator[Path | None]:
    """Make an empty folder for as long as the server runs; one worker alone needs none."""
    if workers == 1:
        yield None
        return
    with TemporaryDirectory(prefix="camrail-api-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class Worker:
    """This worker's place among those that share `folder`.

    `number` counts from 1. A worker that replaces a dead one gets its number, and with it its log
    files and its counters.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            folder / "shared.sqlite", timeout=10, isolation_level=None, check_same_thread=False
        )
        self._database.executescript(
            f"PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; {_TABLES}"
        )
        self.number = self._claim(os.getpid())

    def close(self) -> None:
        """Close the shared database; the place stays taken as long as the process lives."""
        self._database.close()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Give the shared database to one thread of one worker at a time."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            finally:
                self._database.execute("COMMIT")

    def ring(self, number: int) -> Path:
        """Return the file in which worker `number` keeps its recent readings."""
        return self.folder / f"readings-{number}.ring"

    def rings(self) -> list[bytes]:
        """Return the recent readings of all workers, those that have ended included."""
        return [path.read_bytes() for path in self.folder.glob("readings-*.ring")]

    def dead(self) -> list[int]:
        """Return the numbers whose worker has ended and is not replaced yet."""
        with self._lock:
            rows = self._database.execute("SELECT number, pid FROM workers").fetchall()
        return [number for number, pid in rows if not _is_alive(pid)]

    def _claim(self, pid: int) -> int:
        """Take the lowest number that no living worker has."""
        with self.changing() as database:
            taken = {
                number
                for number, other in database.execute("SELECT number, pid FROM workers")
                if _is_alive(other)
            }
            number = next(n for n in range(1, len(taken) + 2) if n not in taken)
            database.execute("INSERT OR REPLACE INTO workers VALUES (?, ?)", (number, pid))
        return number


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
