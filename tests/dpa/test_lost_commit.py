"""A commit whose answer is lost is asked about, and never told as something that it may not be."""

import contextlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from adbc_driver_manager import AdbcStatusCode, Error
from postgres import own_schema, server_folder
from postgres_server import PostgresServer
from store import Store, part

from dpa import lost_commit
from dpa.database import Database
from dpa.dwh_url import DwhUrl
from dpa.errors import OutcomeUnknown, WarehouseError
from dpa.lost_commit import was_committed

A = (2, "T1", "M1", "2026-01-05 08:00", 10.0, "OK")
ASKED = b"COMMIT\x00"
"""How the client's question ends, whichever protocol it uses."""
ANSWERED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""The server's message that a transaction is committed."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a server that starts again for minutes."""
    monkeypatch.setattr(lost_commit, "PATIENCE_S", 240.0)


class Line:
    """A line to the server that breaks once, at the first bytes of a kind; `broken` acts then."""

    def __init__(self, port: int, question: bytes, answer: bytes, broken: Callable[[], None]):
        self._port, self._question, self._answer = port, question, answer
        self._broken = broken
        self._is_whole = True
        self._ends: list[socket.socket] = []
        self._carriers: list[threading.Thread] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._server.join(10)
        hang_up(*self._ends)
        for carrier in self._carriers:
            carrier.join(10)
        for end in self._ends:
            end.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._join(self._door.accept()[0])

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            client.close()
            return
        self._ends += [client, server]
        ways = ((client, server, self._question), (server, client, self._answer))
        carriers = [threading.Thread(target=self._carry, args=way, daemon=True) for way in ways]
        self._carriers += carriers
        for carrier in carriers:
            carrier.start()

    def _carry(self, source: socket.socket, target: socket.socket, trap: bytes) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self._is_whole and trap and trap in data:
                    self._is_whole = False
                    self._broken()
                    break
                target.sendall(data)
        hang_up(source, target)


def hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that tests may kill."""
    folder = server_folder()
    with PostgresServer(folder, fsync=False) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


def kill(server: PostgresServer) -> None:
    """Kill every process of the server at once, as a power cut does."""
    postmaster = psutil.Process(server.pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=60)


@contextlib.contextmanager
def line_to(
    server: PostgresServer, name: str, question: bytes, answer: bytes, broken: Callable[[], None]
) -> Iterator[Store]:
    """Give a warehouse behind a line that breaks."""
    url = own_schema(server, name)
    line = Line(server.port, question, answer, broken)
    try:
        yield Store(DwhUrl.parse(url.replace(f":{server.port}/", f":{line.port}/")))
    finally:
        line.close()


@pytest.mark.postgresql
def test_a_server_killed_after_it_committed_is_asked_and_the_run_goes_on(
    server: PostgresServer, tmp_path: Path
) -> None:
    def broken() -> None:
        kill(server)
        server.start()

    with line_to(server, tmp_path.name, b"", ANSWERED, broken) as store:
        loaded = store.load(part([A]))
        assert (loaded.inserted, loaded.commit_was_checked) == (1, True)
        assert store.rows("SELECT transaction_id FROM fact_transactions") == [("T1",)]
        assert not store.load(part([A])).commit_was_checked


@pytest.mark.postgresql
def test_a_server_killed_before_it_committed_is_asked_and_nothing_has_changed(
    server: PostgresServer, tmp_path: Path
) -> None:
    def broken() -> None:
        kill(server)
        server.start()

    with line_to(server, tmp_path.name, ASKED, b"", broken) as store:
        with pytest.raises(
            WarehouseError, match=r"vérification faite, le lot n'est pas chargé\. Rien n'a été"
        ):
            store.load(part([A]))
        assert store.load(part([A])).inserted == 1


@pytest.mark.postgresql
def test_a_server_that_stays_away_leaves_the_outcome_unknown(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_commit, "PATIENCE_S", 0.0)
    with line_to(server, tmp_path.name, b"", ANSWERED, lambda: kill(server)) as store:
        with pytest.raises(OutcomeUnknown, match="on ne sait pas si le lot R1 est chargé") as lost:
            store.load(part([A]))
        server.start()
        assert lost.value.run_id == "R1"
        assert "Rien n'a été modifié" not in str(lost.value)
        assert "v_lots" in str(lost.value)
        assert store.load(part([A])).duplicates == 1


def test_the_server_is_asked_again_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([None, None, True])
    monkeypatch.setattr(lost_commit, "_PAUSE_S", 0.0)
    monkeypatch.setattr(lost_commit, "_holds", lambda database, run_id: database)

    def connect() -> Database:
        found = next(answers)
        if found is None:
            raise Error("starting up", status_code=AdbcStatusCode.IO)
        return found  # type: ignore[return-value]

    assert was_committed(connect, "R1") is True
