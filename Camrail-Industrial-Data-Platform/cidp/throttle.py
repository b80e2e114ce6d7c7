"""How often an address or a key may try: a burst, then one try at a time."""

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

MAX_NAMES = 10_000
"""Names that are remembered; beyond, the one not seen for longest is forgotten."""


class Turn(NamedTuple):
    """The answer to one try: `wait_s` is 0 when it is allowed.

    `held` counts the tries that were refused since the last one that was allowed, this one
    included.
    """

    wait_s: float
    held: int


class Throttle:
    """Allows each name a burst of tries, then one every 60 / `per_minute` seconds.

    The generic cell rate algorithm (ITU-T I.371): for each name, the instant at which its whole
    burst is free again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._names: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, name: str, per_minute: int) -> Turn:
        """Count one try of `name`, which may make `per_minute` at once."""
        interval_s = 60 / per_minute
        with self._lock:
            now_s = self._clock()
            free_s, held = self._names.pop(name, (now_s, 0))
            free_s = max(free_s, now_s)
            wait_s = free_s - now_s - (per_minute - 1) * interval_s
            allowed = wait_s <= interval_s * 1e-9  # sums of floats
            self._names[name] = (free_s + interval_s, 0) if allowed else (free_s, held + 1)
            if len(self._names) > MAX_NAMES:
                self._names.popitem(last=False)
        return Turn(0.0, held) if allowed else Turn(wait_s, held + 1)


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
