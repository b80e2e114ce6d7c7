"""A broker of our own, run as a child process and gone when its block ends."""

import subprocess
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class BrokerServer(ABC):
    """Starts when its block begins; may be stopped, killed and started again on the same port."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id of the server that runs."""
        if self._process is None:
            raise RuntimeError("the broker has not been started")
        return self._process.pid

    @abstractmethod
    def start(self) -> None:
        """Start and wait until it answers."""

    def stop(self) -> None:
        """Stop in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """Stop at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
