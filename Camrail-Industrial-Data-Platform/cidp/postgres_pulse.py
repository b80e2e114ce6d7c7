"""How a PostgreSQL server that has stopped answering is told from one that takes its time.

Its system still acknowledges what is sent to it, so that TCP notices nothing.
"""

import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg

from cidp.store_session import Row

QUIET_S = 1.0
"""A statement that waits longer has the server asked whether it answers others."""


class WatchedConnection(psycopg.Connection[Row]):
    """A connection that closes itself when its server is lost, or is late with one statement.

    The server itself is to be told that a statement may take `statement_s`.
    """

    pulse: "Pulse | None" = None
    statement_s = 60.0

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Wait as psycopg does, which resumes `gen` ten times a second while nothing comes."""
        return super().wait(self._watched(gen), *args, **kwargs)

    def _watched(self, steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        begun_s = time.monotonic()
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready:
                    self._check(begun_s)
                wanted = steps.send(ready)
        except StopIteration as end:
            return end.value

    def _check(self, begun_s: float) -> None:
        """Close the connection and raise `ConnectionTimeout` if there is nothing to wait for."""
        try:
            if self.pulse is not None:
                self.pulse.doubt(begun_s)
                self.pulse.check()
                if self.pulse.asking:
                    return  # which says soon whether it is this statement or the server
            if time.monotonic() - begun_s > self.statement_s + QUIET_S:
                raise psycopg.errors.ConnectionTimeout(
                    f"rien ne vient depuis {self.statement_s:.0f} s"
                )
        except psycopg.errors.ConnectionTimeout:
            self.close()
            raise


class Pulse:
    """Asks the server in a thread, by a connection of its own, until it answers.

    A server that is silent for `timeout_s` is lost, until it answers; a refusal is an answer too.
    It is asked after `QUIET_S` of them, and has the others to answer: as much again, at the least.
    """

    def __init__(self, connect: Callable[[], WatchedConnection], timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._limit_s = max(QUIET_S, timeout_s - QUIET_S)
        self._lock = threading.Lock()
        self._asked_s: float | None = None
        self._answered_s = 0.0

    def connection(self) -> WatchedConnection:
        """Open a connection that minds the pulse; raises as `check` does."""
        self.check()
        begun_s = time.monotonic()
        try:
            connection = self._connect()
        except psycopg.errors.ConnectionTimeout:
            self._ask(begun_s)
            self.check()  # which says it in French
            raise
        connection.pulse = self
        return connection

    @property
    def asking(self) -> bool:
        """Whether the server owes an answer."""
        return self._asked_s is not None

    def check(self) -> None:
        """Raise `ConnectionTimeout` while the server is lost."""
        asked_s = self._asked_s
        waited_s = 0.0 if asked_s is None else time.monotonic() - asked_s
        if waited_s > self._limit_s:
            raise psycopg.errors.ConnectionTimeout(f"serveur muet depuis {waited_s:.0f} s")

    def doubt(self, since_s: float) -> None:
        """Ask if nothing was heard for `QUIET_S`: a statement waits since the instant given."""
        now_s = time.monotonic()
        if now_s - max(since_s, self._answered_s) > QUIET_S:
            self._ask(now_s)

    def _ask(self, since_s: float) -> None:
        """Ask, if nobody does; the server owes an answer since the instant given."""
        with self._lock:
            asked_s = self._asked_s
            self._asked_s = since_s if asked_s is None else min(since_s, asked_s)
        if asked_s is None:
            try:
                threading.Thread(target=self._ask_on, name="postgresql", daemon=True).start()
            except RuntimeError:  # no more threads
                self._heard()

    def _ask_on(self) -> None:
        try:
            while not self._answers():
                pass
        finally:
            self._heard()

    def _heard(self) -> None:
        with self._lock:
            self._answered_s = time.monotonic()
            self._asked_s = None

    def _answers(self) -> bool:
        try:
            with self._connect() as connection:
                connection.statement_s = self._timeout_s
                connection.execute("SELECT 1")
        except psycopg.errors.ConnectionTimeout:
            return False
        except psycopg.Error:
            pass
        return True
