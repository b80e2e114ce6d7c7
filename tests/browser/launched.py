"""A launcher of the service as a child process that a test starts and stops."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

PATIENCE_S = 240
"""How long a busy machine may take over what takes a second; nothing waits for it in vain."""
SERVICE = Path(__file__).parents[2] / "Camrail-Industrial-Data-Platform"


@contextlib.contextmanager
def running(server: "Server") -> Iterator["Server"]:
    """Start a server, and stop it whatever happens."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Server:
    """A launcher of the service, started and stopped as often as a test wants."""

    def __init__(self, command: list[str], environ: dict[str, str], health: str) -> None:
        self._command = [sys.executable, *command]
        self._environ = environ
        self._health = health
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            cwd=SERVICE,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0,
        )
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, f"{self._command} ended"
            assert time.monotonic() < deadline_s, f"{self._health} never answered"
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process:
            windows = sys.platform == "win32"
            self._process.send_signal(signal.CTRL_BREAK_EVENT if windows else signal.SIGTERM)
            try:
                self._process.wait(PATIENCE_S)
            finally:
                self._process.kill()
                self._process.wait()
                self._process = None

    def kill(self) -> None:
        """End it at once, with every process that it has started, as a crash does."""
        assert self._process
        leader = psutil.Process(self._process.pid)
        for process in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=10) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
