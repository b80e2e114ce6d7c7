"""A part that is away, said once, then once a minute while it lasts, then once when it is back."""

import time
from collections.abc import Callable

from loguru import logger

AGAIN_S = 60.0


class OutageLog:
    """Tells of the outages of the part that `name` names; may be called as often as one likes.

    A part that comes and goes is told of at most once a minute as well.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._since_s: float | None = None
        self._told_s = -AGAIN_S
        self._told = False

    def gone(self, why: object) -> None:
        """Note that it is away, and why."""
        now_s = self._clock()
        if self._since_s is None:
            self._since_s, self._told = now_s, False
        if now_s - self._told_s < AGAIN_S:
            return
        if self._told:
            logger.warning("{}, depuis {:.0f} s : {}", self._name, now_s - self._since_s, why)
        else:
            logger.warning("{} : {}", self._name, why)
        self._told_s, self._told = now_s, True

    def back(self) -> bool:
        """Note that it answers; tell whether that was said."""
        said = self._since_s is not None and self._told
        self._since_s = None
        if said:
            logger.info("{} répond de nouveau", self._name)
        return said
