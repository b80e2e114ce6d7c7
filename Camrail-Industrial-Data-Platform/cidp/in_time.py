"""A reading of the store that a scrape waits for no longer than it may."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT_S = 0.4
"""A scrape makes two such readings and samples telemetry; the dashboard waits 1.6 s for it all."""


class InTime(Generic[T]):
    """Calls `read` in a thread; gives None when that takes longer than `WAIT_S`.

    A call that is late goes on, and none is begun beside it: until it ends, there is None at once.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._reading = threading.Lock()

    def __call__(self) -> T | None:
        """Return what was read, or None; raises what `read` does."""
        if not self._reading.acquire(blocking=False):
            return None
        found: Future[T] = Future()
        thread = threading.Thread(target=self._keep, args=(found,), name="reading", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._reading.release()
            return None
        thread.join(WAIT_S)
        return found.result() if found.done() else None

    def _keep(self, found: "Future[T]") -> None:
        try:
            found.set_result(self._read())
        except Exception as error:
            found.set_exception(error)
        finally:
            self._reading.release()
