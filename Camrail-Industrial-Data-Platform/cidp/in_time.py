"""A reading of the store that a scrape waits for no longer than it may."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT_S = 1.0
"""A scrape makes two such readings, and looks for drift besides."""


class InTime(Generic[T]):
    """Calls `read` in a thread; gives None when that takes longer than `WAIT_S`.

    A call that is late goes on, and none is begun beside it.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._reading = threading.Lock()

    def __call__(self) -> T | None:
        """Return what was read, or None."""
        until_s = time.monotonic() + WAIT_S
        if not self._reading.acquire(timeout=WAIT_S):
            return None
        found: list[T] = []
        thread = threading.Thread(target=self._keep, args=(found,), name="scrape", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._reading.release()
        else:
            thread.join(max(0.0, until_s - time.monotonic()))
        return found[0] if found else None

    def _keep(self, found: list[T]) -> None:
        try:
            found.append(self._read())
        finally:
            self._reading.release()
