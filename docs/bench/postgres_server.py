"""A PostgreSQL server of our own on a free loopback port, gone when its block ends."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import adbc_driver_postgresql.dbapi
from loopback import free_port

NOBODY: Final = 65534
"""PostgreSQL refuses to run as root: as root, it runs under this user."""
_DEBIAN: Final = "/usr/lib/postgresql/15/bin"
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
}
_UNDISTURBED: Final = {"fsync": "off", "autovacuum": "off"}
"""Settings of what lives for a test: nothing takes a lock that the test does not know of."""
_WAITING: Final = ("-w", "-t", "240")


def binaries() -> Path:
    """Find PostgreSQL's programs: PG_BIN, the PATH, or Debian's folder."""
    on_path = shutil.which("pg_ctl")
    found = os.environ.get("PG_BIN") or (str(Path(on_path).resolve().parent) if on_path else "")
    return Path(found or _DEBIAN)


class PostgresServer:
    """Starts in `folder`, which it fills and leaves; durable unless `fsync` is off."""

    def __init__(self, folder: Path, fsync: bool = True) -> None:
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._bin = binaries()
        self._as_user: dict[str, Any] = {}
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            self._as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        folder.mkdir(parents=True, exist_ok=True)
        if self._as_user:
            os.chown(folder, NOBODY, NOBODY)
        if not self._data.exists():
            self._tool("initdb", "-D", self._data, "-U", "dpa", "-A", "trust", "-E", "UTF8", "-N")
        self.port = free_port()
        own = {} if fsync else _UNDISTURBED
        self._options = {**_SETTINGS, **own, "port": str(self.port)}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if (self._data / "postmaster.pid").exists():
            self.stop("fast")

    def start(self) -> None:
        """Start and wait until it answers."""
        options = " ".join(
            f"-c {name}={value or chr(39) * 2}" for name, value in self._options.items()
        )
        self._tool("pg_ctl", "start", *_WAITING, "-D", self._data, "-l", self._log, "-o", options)

    def stop(self, mode: str) -> None:
        """Stop: "fast", or "immediate", which is a crash."""
        self._tool("pg_ctl", "stop", *_WAITING, "-D", self._data, "-m", mode)

    @property
    def pid(self) -> int:
        """The server's first process."""
        return int((self._data / "postmaster.pid").read_text(encoding="ascii").split()[0])

    def url(self, database: str) -> str:
        """Give the address of a database."""
        return f"postgresql://dpa@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside a transaction; give its rows, if it has any."""
        connect = adbc_driver_postgresql.dbapi.connect
        with (
            connect(self.url(database), autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def copy_database(self, source: str, target: str) -> None:
        """Make `target` a copy of `source`, in place of what it was."""
        self.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        self.execute(f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY file_copy")

    def fresh_database(self, name: str) -> None:
        """Make an empty database in place of what it was."""
        self.copy_database("template1", name)

    def tablespace(self, name: str, folder: Path) -> None:
        """Make a tablespace in a folder of its own."""
        folder.mkdir(parents=True)
        if self._as_user:
            os.chown(folder, NOBODY, NOBODY)
        self.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")

    def drop_tablespace(self, name: str) -> None:
        """Drop an empty tablespace, so that no crash recovery asks for its folder any more."""
        self.execute(f"DROP TABLESPACE {name}")
        self.execute("CHECKPOINT")

    def wait_until_alone(self, database: str, seconds: float = 240.0) -> None:
        """Wait until no session of another program is left in a database."""
        query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"
        deadline = time.monotonic() + seconds
        while self.execute(query)[0][0]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"sessions remain in {database}")
            time.sleep(0.02)

    def _tool(self, name: str, *words: str | Path) -> None:
        done = subprocess.run(
            [self._bin / name, *words],
            stdout=subprocess.PIPE if name == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if name == "initdb" else subprocess.DEVNULL,
            cwd=self._data.parent,
            check=False,
            **self._as_user,
        )
        if done.returncode:
            log = self._log.read_text(encoding="utf-8")[-2000:] if self._log.exists() else ""
            raise RuntimeError(f"{name} ended with code {done.returncode}: {done.stderr!r}\n{log}")
