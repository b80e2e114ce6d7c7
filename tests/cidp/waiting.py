"""Waiting for something that another thread or process brings about."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
TICK_S = 0.02


def until(answer: Callable[[], T], timeout_s: float = 240) -> T:
    """Call `answer` until it gives something true, and return that."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := answer()):
        assert time.monotonic() < deadline_s, "never reached"
        time.sleep(0.02)
    return found


@dataclass
class Watch:
    """What a stopwatch shows."""

    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Watch]:
    """Count the seconds of a block in a thread: while the machine pauses, so does the count."""
    watch, over = Watch(), threading.Event()

    def count() -> None:
        while not over.wait(TICK_S):
            watch.seconds += TICK_S

    counting = threading.Thread(target=count)
    counting.start()
    try:
        yield watch
    finally:
        over.set()
        counting.join()
