"""Waiting for something that another thread or process brings about."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(answer: Callable[[], T], timeout_s: float = 240) -> T:
    """Call `answer` until it gives something true, and return that."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := answer()):
        assert time.monotonic() < deadline_s, "never reached"
        time.sleep(0.02)
    return found
