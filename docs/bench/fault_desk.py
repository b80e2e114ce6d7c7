"""Runs of the ETL that something cuts short, and a look at what they leave behind."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import openpyxl
from measuring import SERVICE, environment
from postgres_server import PostgresServer

LAUNCHER: Final = SERVICE / "src" / "main_pipeline.py"
LOADING: Final = "machines? lues? dans"
"""What a run says once its imports are done and the machine list is read."""
REPORTING: Final = "lignes? chargées? sur"
"""What a run says once it has committed and before it writes workbooks."""
SILENCE_S: Final = 900.0
"""Patience with a run on a machine that has much else to do."""
_SUFFIXES: Final = ("", "-journal", "-wal", "-shm")
_VOLATILE: Final = {"dim_lot": ("run_id", "started_at", "duration_s")}

Digest = dict[str, str]


class Warehouse(ABC):
    """A warehouse that can be put back in a saved state."""

    url: str

    @abstractmethod
    def save(self, state: str) -> None:
        """Keep the present state under this name."""

    @abstractmethod
    def restore(self, state: str) -> None:
        """Put back a state; "absent" is that of a machine which never ran the ETL."""

    @abstractmethod
    def in_transaction(self) -> bool:
        """Tell whether a run is writing now, or was when it was killed."""

    @abstractmethod
    def digest(self) -> Digest:
        """Give a digest of every table's rows, less what differs from run to run.

        Digests are compared within one process: Python's hashes of texts differ between two.
        """

    @abstractmethod
    def settle(self) -> None:
        """Wait until a killed run has no more effect."""


class SqliteWarehouse(Warehouse):
    """A SQLite file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "dwh.sqlite"
        self._saved = folder
        self.url = str(self.path)

    def save(self, state: str) -> None:
        shutil.copyfile(self.path, self._state(state))

    def restore(self, state: str) -> None:
        for path in self._files():
            path.unlink(missing_ok=True)
        if state != "absent":
            shutil.copyfile(self._state(state), self.path)

    def in_transaction(self) -> bool:
        return any(path.exists() and path.stat().st_size for path in self._files()[1:3])

    def settle(self) -> None:
        """A killed process has no more effect on a file."""

    def digest(self) -> Digest:
        if not self.path.exists():
            return {}
        with closing(sqlite3.connect(self.path)) as connection:
            damage = connection.execute("PRAGMA quick_check").fetchall()
            if damage != [("ok",)]:
                return {"quick_check": repr(damage[:3])}
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name: _rows_digest(connection, name) for (name,) in tables.fetchall()}

    def _state(self, state: str) -> Path:
        return self._saved / f"{state}.saved"

    def _files(self) -> list[Path]:
        return [self.path.with_name(self.path.name + suffix) for suffix in _SUFFIXES]


class PostgresWarehouse(Warehouse):
    """A database of a server of ours; its saved states are databases too."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server = server
        self._name = name
        self.url = server.url(name)
        server.fresh_database(name)

    def save(self, state: str) -> None:
        self.server.wait_until_alone(self._name)
        self.server.copy_database(self._name, f"{self._name}_{state}")

    def restore(self, state: str) -> None:
        source = "template1" if state == "absent" else f"{self._name}_{state}"
        self.server.copy_database(source, self._name)

    def in_transaction(self) -> bool:
        return bool(
            self.server.execute(
                "SELECT count(*) FROM pg_stat_activity "
                f"WHERE datname = '{self._name}' AND xact_start IS NOT NULL"
            )[0][0]
        )

    def settle(self) -> None:
        self.server.wait_until_alone(self._name)

    def digest(self) -> Digest:
        tables = self.server.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", self._name
        )
        return {name: self._table_digest(name) for (name,) in tables}

    def _table_digest(self, table: str) -> str:
        volatile = "".join(f" - '{column}'" for column in _VOLATILE.get(table, ()))
        text = f"(to_jsonb(t){volatile})::text" if volatile else "t::text"
        count, total = self.server.execute(
            f"SELECT count(*), sum(hashtextextended({text}, 0)::numeric)::text FROM {table} t",
            self._name,
        )[0]
        return f"{count}:{total}"


def _rows_digest(connection: sqlite3.Connection, table: str) -> str:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    kept = ", ".join(name for name in columns if name not in _VOLATILE.get(table, ()))
    chained, count = 0, 0
    for row in connection.execute(f"SELECT {kept} FROM {table} ORDER BY 1, 2"):
        chained = hash((chained, row))
        count += 1
    return f"{count}:{chained}"


@dataclass(frozen=True)
class End:
    """How a run ended: its code (negative when killed), what it said, its seconds."""

    code: int
    said: str
    seconds: float


@dataclass
class Desk:
    """A folder with a report, logs and the environment of runs on one warehouse."""

    folder: Path
    warehouse: Warehouse
    machines: Path
    environ: dict[str, str] = field(default_factory=dict)
    launcher: Sequence[str] = (str(LAUNCHER),)

    def __post_init__(self) -> None:
        self.reports.mkdir(parents=True, exist_ok=True)

    @property
    def reports(self) -> Path:
        """The folder of the workbooks, and of nothing else."""
        return self.folder / "reports"

    @property
    def report(self) -> Path:
        """The report of the latest run."""
        return self.reports / "rapport.xlsx"

    def start(self, export: Path, *options: str) -> "Run":
        """Start a run and watch what it says."""
        flags = ["--erp", export, "--machines", self.machines, "--dwh", self.warehouse.url]
        command = [sys.executable, *self.launcher, *flags, "--report", self.report, *options]
        logs = {"DPA_LOG_DIR": str(self.folder / "logs")}
        return Run([str(word) for word in command], environment() | logs | self.environ)

    def run(self, export: Path, *options: str) -> End:
        """Run to the end."""
        return self.start(export, *options).wait()

    def report_state(self, old: bytes | None) -> str:
        """Tell whether the report is absent, old, new (complete) or torn."""
        if not self.report.exists():
            return "old" if old is None else "torn"
        if self.report.read_bytes() == old:
            return "old"
        return "new" if is_complete(self.report) else "torn"

    def put_back_report(self, content: bytes | None) -> None:
        """Leave only this report in the folder of workbooks."""
        for path in self.reports.iterdir():
            path.unlink()
        if content is not None:
            self.report.write_bytes(content)

    def more_files(self) -> list[str]:
        """Name what stands beside the two workbooks: drafts, and numbered workbooks of rejects."""
        kept = {self.report.name, "rejets_a_corriger.xlsx"}
        return sorted(path.name for path in self.reports.iterdir() if path.name not in kept)


class Run:
    """A run under way."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self._started_s = time.monotonic()
        self._process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._lines: list[tuple[float, str]] = []
        self._is_over = False
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def said(self, pattern: str) -> float | None:
        """Wait until a line matches; give when it came, or None if the run ended without it."""
        with self._more:
            self._more.wait_for(lambda: self._is_over or self._time_of(pattern), SILENCE_S)
        return self._time_of(pattern)

    def kill(self) -> None:
        """End it at once, as the system does when memory runs out."""
        self._process.kill()

    def is_over(self) -> bool:
        """Tell whether it has ended."""
        return self._process.poll() is not None

    def wait(self) -> End:
        """Wait for its end."""
        code = self._process.wait(SILENCE_S)
        seconds = time.monotonic() - self._started_s
        self._reader.join()
        if self._process.stderr:
            self._process.stderr.close()
        return End(code, "".join(line for _, line in self._lines), seconds)

    def _read(self) -> None:
        for line in self._process.stderr or ():
            with self._more:
                self._lines.append((time.monotonic(), line))
                self._more.notify_all()
        with self._more:
            self._is_over = True
            self._more.notify_all()

    def _time_of(self, pattern: str) -> float | None:
        return next((at for at, line in self._lines if re.search(pattern, line)), None)


def is_complete(workbook: Path) -> bool:
    """Tell whether every part of a workbook reads back, and every sheet opens."""
    try:
        with zipfile.ZipFile(workbook) as parts:
            if parts.testzip() is not None:
                return False
        book = openpyxl.load_workbook(workbook, read_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError):
        return False
    with closing(book):
        first_rows = [next(iter(sheet.rows), None) for sheet in book.worksheets]
    return len(first_rows) > 1 and None not in first_rows


def write_machines(path: Path, count: int) -> Path:
    """Write a machine list of `count` machines on five sites."""
    sites = ("Douala", "Yaoundé", "Ngaoundéré", "Bélabo", "Edéa")
    machines = [
        {
            "machine_id": f"M{n:04d}",
            "site_location": sites[n % 5],
            "installation_year": 2000 + n % 20,
        }
        for n in range(count)
    ]
    path.write_text(json.dumps(machines, ensure_ascii=False), encoding="utf-8")
    return path


def write_export(path: Path, first: int, count: int, revision: int = 0) -> Path:
    """Write transactions `first` to `first + count - 1`; another revision changes one in two.

    One row in a hundred is faulty, one in two hundred stands twice.
    """
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write("transaction_id,machine_id,date,volume_transferred,status_code\n")
        for n in range(first, first + count):
            changed = revision if n % 2 else 0
            volume = "?" if n % 100 == 99 else f"{5 + (n * 37 + changed * 11) % 900 / 10:.1f}"
            day, minute = 1 + n // 1_440 % 28, n % 1_440
            date = (
                f"2026-{1 + n // 40_320 % 12:02d}-{day:02d} {minute // 60:02d}:{minute % 60:02d}:00"
            )
            status = ("OK", "OK", "WARN", "ERR")[n % 4]
            line = f"T{n:07d},M{n * 7 % 210:04d},{date},{volume},{status}\n"
            out.write(line * (2 if n % 200 == 50 else 1))
    return path
