"""A private PostgreSQL server for a test session, gone with it whatever happens to pytest."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from postgres_server import PostgresServer, binaries

BACK_ENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
"""Parameters of a fixture that stands for either kind of database."""

_GUARD = """
import contextlib, shutil, sys, psutil
server = psutil.Process(int(sys.argv[1]))
sys.stdin.read()  # ends when pytest closes the pipe, or dies
family = [server]
with contextlib.suppress(psutil.NoSuchProcess):
    family += server.children(recursive=True)
for process in family:
    with contextlib.suppress(psutil.NoSuchProcess):  # some die of another's death
        process.kill()
psutil.wait_procs(family, timeout=60)
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Run a server without fsync in a folder of its own; skip the test where there is none."""
    folder = server_folder()
    server = PostgresServer(folder, fsync=False)
    server.start()
    with guarded(server.pid, folder):
        yield server


@contextmanager
def guarded(pid: int, folder: Path) -> Iterator[None]:
    """End a server and remove its folder after the block, or when this process dies."""
    guard = subprocess.Popen(
        [sys.executable, "-c", _GUARD, str(pid), str(folder)], stdin=subprocess.PIPE
    )
    try:
        yield
    finally:
        guard.communicate()


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """Suspend every process of a server: its system goes on to accept and acknowledge."""
    first = psutil.Process(server.pid)
    family = [first, *first.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):  # one whose client has just left may end
            process.suspend()
    try:
        yield
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def server_folder() -> Path:
    """Make a folder for a server; skip the test where there are no programs to run one."""
    if not any(binaries().glob("initdb*")):
        pytest.skip(f"no PostgreSQL programs in {binaries()}; install them or set PG_BIN")
    # Not below pytest's folder, which only its owner may enter: as root, the server is not root.
    return Path(tempfile.mkdtemp(prefix="camrail-postgres-"))


def own_schema(server: PostgresServer, name: str) -> str:
    """Give the address of an empty schema of the server's database."""
    server.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    server.execute(f'CREATE SCHEMA "{name}"')
    return f"{server.url('postgres')}?options=-csearch_path%3D{name}"
