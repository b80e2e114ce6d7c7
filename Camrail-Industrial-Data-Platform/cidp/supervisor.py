"""A group of children that live together: one that ends unasked is started again, with patience."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from loguru import logger

from cidp.child_process import ChildProcess
from cidp.errors import ChildFailed, ChildTimedOut
from cidp.logs import one_line

POLL_S = 0.2
STOP_S = 10.0
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Pauses before each new start of a child that falls again and again."""
STEADY_S = 60.0
"""A child that has run for so long has got over its falls."""


@dataclass
class _Care:
    """How often a child fell in a row, when it started, and when it starts again."""

    essential: bool
    started_s: float
    falls: int = 0
    again_at_s: float | None = None


class StopAsked(Exception):
    """Somebody, or the clock, asked the group to stop."""


class Supervisor:
    """Starts children, watches them while it waits, and stops them in order.

    Every method that waits raises `StopAsked` as soon as `stop` is set. While the group comes up, a
    child that ends raises `ChildFailed`; once it is watched, the child is started again, and only
    one that falls without end raises `ChildFailed`, if it is essential.
    """

    def __init__(self, environ: Mapping[str, str], stop: threading.Event) -> None:
        self._environ = environ
        self._stop = stop
        self._children: dict[ChildProcess, _Care] = {}
        self._watching = False
        self._looks: list[Callable[[], object]] = []

    def start(self, child: ChildProcess, *, essential: bool = True) -> None:
        """Start a child that must live as long as the group, or until `stop`."""
        self._children[child] = _Care(essential, time.monotonic())
        child.start(self._environ)

    def stop(self, child: ChildProcess) -> None:
        """Stop one child, by force after `STOP_S`, and care for it no more."""
        del self._children[child]
        child.ask_to_stop()
        self._end(child, time.monotonic() + STOP_S)

    def falls(self, child: ChildProcess) -> int:
        """Tell how often in a row a child has ended unasked."""
        return self._children[child].falls

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

    def attend(self, look: Callable[[], object]) -> None:
        """Have `look` called at each turn of every wait from now on, after those before it."""
        self._looks.append(look)

    def watch(self, duration_s: float | None) -> None:
        """Wait for `duration_s`, or without end; ends by an exception."""
        self._watching = True
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
            self._end(child, deadline_s)

    def _end(self, child: ChildProcess, deadline_s: float) -> None:
        if not child.wait(deadline_s - time.monotonic()):
            logger.warning("{} ne s'arrête pas : arrêt forcé", child.name)
        child.kill()

    def check(self) -> None:
        """Raise what there is to raise now, without waiting."""
        if self._stop.is_set():
            raise StopAsked
        for child, care in self._children.items():
            if not child.running:
                self._recover(child, care)

    def _recover(self, child: ChildProcess, care: _Care) -> None:
        """Start a fallen child again when its time has come."""
        now_s = time.monotonic()
        if care.again_at_s is None:
            steady = now_s - care.started_s > STEADY_S
            care.falls = 1 if steady else care.falls + 1
            if care.essential and (not self._watching or care.falls > len(BACK_OFF_S)):
                raise ChildFailed(_why_ended(child))
            pause_s = BACK_OFF_S[min(care.falls, len(BACK_OFF_S)) - 1]
            care.again_at_s = now_s + pause_s
            why = one_line(_why_ended(child))
            logger.error("{} | Nouveau départ dans {:g} s.", why, pause_s)
        elif now_s >= care.again_at_s:
            care.again_at_s = None
            care.started_s = now_s
            child.kill()
            child.start(self._environ)
            logger.info("{} : relancé", child.name)

    def _pause(self) -> None:
        self._stop.wait(POLL_S)
        self.check()
        for look in self._looks:
            look()


def _why_ended(child: ChildProcess) -> str:
    said = "\n".join(f"    {line}" for line in child.tail().splitlines())
    return (
        f"La partie « {child.name} » s'est arrêtée de façon inattendue (code {child.code}). "
        f"Fin de {child.log} :\n{said or '    (vide)'}"
    )
