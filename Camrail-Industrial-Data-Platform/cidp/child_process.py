"""One child of the platform: a Python program with its own log file, stoppable on every system."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from cidp.errors import ChildFailed
from cidp.settings import SERVICE_FOLDER

TAIL_LINES = 12
TAIL_BYTES = 16_384
# Windows has no SIGTERM to send: its nearest is Ctrl-Break, which goes to a process group.
_STOP = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
_NEW_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


class ChildProcess:
    """A Python program that runs until its work is done, until it is stopped, or until we die.

    `program` is a script and its arguments, or "-m", a module and its arguments. What it prints
    goes to `log`, which each start empties; standard output goes to `output` when one is given.
    With `interrupt`, a request to stop reaches the program as Ctrl-C.
    """

    def __init__(
        self, name: str, program: Sequence[str], log: Path, *, interrupt: bool = False
    ) -> None:
        self.name = name
        self.log = log
        self._program = ["--interrupt", *program] if interrupt else list(program)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by_it: set[psutil.Process] = set()

    def start(self, environ: Mapping[str, str], output: IO[bytes] | None = None) -> None:
        """Start the program in the service's folder, in a process group of its own.

        The group keeps Ctrl-C in the terminal away from the child: it stops when it is asked to.
        Raises `ChildFailed` when its log cannot be written.
        """
        command = [sys.executable, "-m", "cidp.tether", str(os.getpid()), *self._program]
        with self._open_log() as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs, without a shell
                command,
                cwd=SERVICE_FOLDER,
                env=dict(environ) | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=log,
                start_new_session=True,
                creationflags=_NEW_GROUP,
            )

    def _open_log(self) -> IO[bytes]:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            return self.log.open("wb")
        except OSError as error:
            raise ChildFailed(
                f"{self.name} ne démarre pas : {self.log} ne peut pas être écrit "
                f"({error.strerror}). Choisissez un autre dossier avec CAMRAIL_LOGS_DIR."
            ) from error

    @property
    def code(self) -> int | None:
        """Exit code, or None while the program runs."""
        return self._process.poll() if self._process else None

    @property
    def pid(self) -> int | None:
        """Process id, or None before the start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the program has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        """Send the signal that programs answer by finishing what they do; do not wait."""
        self._note_descendants()
        if self._process:
            with contextlib.suppress(OSError):
                self._process.send_signal(_STOP)

    def wait(self, timeout_s: float) -> bool:
        """Return whether the program has ended, at the latest after `timeout_s`."""
        try:
            if self._process:
                self._process.wait(max(timeout_s, 0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End at once the program and whatever it has started."""
        self._note_descendants()
        if self._process:
            self._process.kill()
            self._process.wait()
        for descendant in self._started_by_it:
            with contextlib.suppress(psutil.NoSuchProcess):
                descendant.kill()

    def _note_descendants(self) -> None:
        """Remember what the program has started: nothing tells once the program has ended."""
        if self._process and self.running:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._started_by_it.update(
                    psutil.Process(self._process.pid).children(recursive=True)
                )

    def tail(self) -> str:
        """Return the last lines of the log, for the person who must find out why."""
        with self.log.open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            text = log.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])
