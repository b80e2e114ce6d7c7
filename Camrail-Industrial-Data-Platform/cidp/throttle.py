"""How often an address or a key may try: a burst, then one try at a time."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cidp.workers import Worker

MAX_NAMES = 10_000
"""Names that are remembered; beyond, the one not seen for longest is forgotten."""

_FORGET = """
DELETE FROM names WHERE kind = :kind AND name = (
    SELECT name FROM names WHERE kind = :kind ORDER BY seen_s LIMIT 1
) AND (SELECT count(*) FROM names WHERE kind = :kind) > :kept
"""


class Turn(NamedTuple):
    """The answer to one try: `wait_s` is 0 when it is allowed.

    `held` counts the tries that were refused since the last one that was allowed, this one
    included.
    """

    wait_s: float
    held: int


class Tries(NamedTuple):
    """What is remembered of a name: when its whole burst is free again, and refusals since."""

    free_s: float
    held: int


class Names(Protocol):
    """Where tries are remembered."""

    def change(self, name: str, step: Callable[[Tries | None], Tries]) -> None:
        """Replace what is remembered of `name` by what `step` makes of it, undisturbed."""


class Throttle:
    """Allows each name a burst of tries, then one every 60 / `per_minute` seconds.

    The generic cell rate algorithm (ITU-T I.371). Several workers count together when `names` is
    shared and `clock` is the same for all of them.
    """

    def __init__(self, clock: Callable[[], float], names: Names | None = None) -> None:
        self._clock = clock
        self._names = names or OwnNames()

    def take(self, name: str, per_minute: int) -> Turn:
        """Count one try of `name`, which may make `per_minute` at once."""
        turn = Turn(0.0, 0)

        def step(before: Tries | None) -> Tries:
            nonlocal turn
            turn, after = _judged(before, self._clock(), per_minute)
            return after

        self._names.change(name, step)
        return turn


def _judged(before: Tries | None, now_s: float, per_minute: int) -> tuple[Turn, Tries]:
    interval_s = 60 / per_minute
    free_s, held = before or Tries(now_s, 0)
    free_s = max(free_s, now_s)
    wait_s = free_s - now_s - (per_minute - 1) * interval_s
    if wait_s <= interval_s * 1e-9:  # sums of floats
        return Turn(0.0, held), Tries(free_s + interval_s, 0)
    return Turn(wait_s, held + 1), Tries(free_s, held + 1)


class OwnNames:
    """Tries of this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: OrderedDict[str, Tries] = OrderedDict()

    def change(self, name: str, step: Callable[[Tries | None], Tries]) -> None:
        """Replace what is remembered of `name`, and make it the one seen last."""
        with self._lock:
            self._names[name] = step(self._names.pop(name, None))
            if len(self._names) > MAX_NAMES:
                self._names.popitem(last=False)


class SharedNames:
    """Tries of one kind, counted by all workers together."""

    def __init__(self, worker: Worker, kind: str) -> None:
        self._worker = worker
        self._kind = kind

    def change(self, name: str, step: Callable[[Tries | None], Tries]) -> None:
        """Replace what is remembered of `name`, while every other worker waits."""
        key = (self._kind, name)
        with self._worker.changing() as database:
            found = database.execute(
                "SELECT free_s, held FROM names WHERE kind = ? AND name = ?", key
            ).fetchone()
            after = step(Tries(*found) if found else None)
            row = (*key, *after, time.monotonic())
            database.execute("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?)", row)
            if found is None:
                database.execute(_FORGET, {"kind": self._kind, "kept": MAX_NAMES})


def sender(address: str) -> str:
    """Name whoever sends from `address`: for IPv6 its /64, which one machine can hold entirely."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.IPv6Network((parsed, 64), strict=False))
