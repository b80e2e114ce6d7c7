"""Ports of this machine, for servers that are started on them."""

import itertools
import secrets
import socket
from contextlib import suppress
from typing import Final

_LOWEST: Final = 20_000
_COUNT: Final = 12_768
"""Up to 32767: above, systems choose for every connection, and would take a port that waits."""
_tried = itertools.count(secrets.randbelow(_COUNT))


def free_port() -> int:
    """Return a port that nobody listens to now; this process gives it once only."""
    while True:
        port = _LOWEST + next(_tried) % _COUNT
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
