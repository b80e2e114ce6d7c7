"""A reading of the store that a scrape waits for no longer than it may."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._found: Future[T] | None = None

    def __call__(self) -> T | None:
        """Return what was read, or None; raises what `read` does."""
        if self._found is not None and not self._found.done():
            return None
        try:
            self._found = found = self._thread.submit(self._read)
        except RuntimeError:  # no more threads
            return None
        wait([found], WAIT_S)
        return found.result() if found.done() else None
