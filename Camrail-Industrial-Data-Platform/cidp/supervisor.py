"""A group of children that live together: when one ends unasked, all of them end."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from loguru import logger

from cidp.child_process import ChildProcess
from cidp.errors import ChildFailed, ChildTimedOut

POLL_S = 0.2
STOP_S = 10.0


class StopAsked(Exception):
    """Somebody, or the clock, asked the group to stop."""


class Supervisor:
    """Starts children, watches them while it waits, and stops them in order.

    Every method that waits raises `StopAsked` as soon as `stop` is set, and `ChildFailed` as soon
    as a child that should run has ended.
    """

    def __init__(self, environ: Mapping[str, str], stop: threading.Event) -> None:
        self._environ = environ
        self._stop = stop
        self._children: list[ChildProcess] = []

    def start(self, child: ChildProcess) -> None:
        """Start a child that must live as long as the group."""
        self._children.append(child)
        child.start(self._environ)

    def run(self, job: ChildProcess, timeout_s: float, output: IO[bytes] | None = None) -> int:
        """Run a child that ends by itself, and return its exit code.

        Raises `ChildTimedOut`; the job has ended whatever happens.
        """
        job.start(self._environ, output)
        try:
            self.wait_for(lambda: not job.running, timeout_s, job.name)
        finally:
            job.kill()
        return job.code or 0

    def wait_for(self, reached: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until `reached` says so; raises `ChildTimedOut`."""
        deadline_s = time.monotonic() + timeout_s
        while not reached():
            if time.monotonic() > deadline_s:
                raise ChildTimedOut(f"{what} : toujours pas prêt après {timeout_s:.0f} s.")
            self._pause()

    def watch(self, duration_s: float | None) -> None:
        """Wait for `duration_s`, or without end; ends only by an exception."""
        deadline_s = None if duration_s is None else time.monotonic() + duration_s
        while deadline_s is None or time.monotonic() < deadline_s:
            self._pause()
        raise StopAsked

    def stop_all(self) -> None:
        """Stop the children, the last started first; kill what still runs after `STOP_S`."""
        deadline_s = time.monotonic() + STOP_S
        for child in reversed(self._children):
            child.ask_to_stop()
        for child in reversed(self._children):
            if not child.wait(deadline_s - time.monotonic()):
                logger.warning("{} ne s'arrête pas : arrêt forcé", child.name)
            child.kill()

    def check(self) -> None:
        """Raise what there is to raise now, without waiting."""
        if self._stop.is_set():
            raise StopAsked
        for child in self._children:
            if not child.running:
                raise ChildFailed(_why_ended(child))

    def _pause(self) -> None:
        self._stop.wait(POLL_S)
        self.check()


def _why_ended(child: ChildProcess) -> str:
    said = "\n".join(f"    {line}" for line in child.tail().splitlines())
    return (
        f"La partie « {child.name} » s'est arrêtée de façon inattendue (code {child.code}). "
        f"Fin de {child.log} :\n{said or '    (vide)'}"
    )
