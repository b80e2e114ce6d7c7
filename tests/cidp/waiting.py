"""Waiting for something that another thread or process brings about."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
TICK_S = 0.02


def until(answer: Callable[[], T], timeout_s: float = 240) -> T:
    """Call `answer` until it gives something true, and return that."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := answer()):
        assert time.monotonic() < deadline_s, "never reached"
        time.sleep(0.02)
    return found


class Stopwatch:
    """Counts the seconds of a block in a thread: while the machine pauses, so does the count."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count)

    def _count(self) -> None:
        while not self._over.wait(TICK_S):
            self.seconds += TICK_S

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
