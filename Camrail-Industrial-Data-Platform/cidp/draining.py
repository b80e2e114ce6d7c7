"""The rest of a refused body, read so that its sender gets to read the refusal."""

import threading
import time
from typing import IO, Any

from werkzeug.wsgi import get_content_length

MAX_BYTES = 8 * 1_048_576
MAX_S = 5.0
SMALL_BYTES = 65_536
"""Bodies up to this size fit in the buffers on the way: their senders need no help."""

_WAIT_S = 0.2


class Drain:
    """Reads what is left of a body once the refusal is on its way, and keeps nothing of it.

    Many clients send all of a body before they read: a connection that is closed before tells
    them of a broken pipe instead of the answer. At most `places` bodies are read at once, so that
    slow senders cannot take every thread of the server.
    """

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    def rest_of(self, environ: dict[str, Any]) -> None:
        """Read the rest of the body of a WSGI request, up to `MAX_BYTES` and `MAX_S`."""
        if _is_worth_it(environ) and self._places.acquire(timeout=_WAIT_S):
            try:
                _read_away(environ["wsgi.input"])
            finally:
                self._places.release()


def _is_worth_it(environ: dict[str, Any]) -> bool:
    if not environ.get("wsgi.input_terminated"):
        return False  # reading would go on into the next request
    if "HTTP_EXPECT" in environ:
        return False  # the client waits for leave to send, and has got the refusal instead
    if "HTTP_TRANSFER_ENCODING" in environ:
        return True
    return (get_content_length(environ) or 0) > SMALL_BYTES


def _read_away(body: IO[bytes]) -> None:
    deadline = time.monotonic() + MAX_S
    left = MAX_BYTES
    while left > 0 and time.monotonic() < deadline and (chunk := body.read(SMALL_BYTES)):
        left -= len(chunk)
