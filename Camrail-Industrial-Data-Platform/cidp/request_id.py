"""The id under which an answer, its log lines and its sender's records are found again."""

import random
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HEADER = "X-Request-ID"
_KEY = "cidp.request_id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(environ: "WSGIEnvironment") -> str:
    """Return the id that the sender chose if it is sane, else one made for this request."""
    known: str | None = environ.get(_KEY)
    if known is None:
        asked = environ.get("HTTP_X_REQUEST_ID")
        if asked is not None and _SANE.fullmatch(asked):
            known = asked
        else:
            known = f"{random.getrandbits(64):016x}"  # a name, not a secret
        environ[_KEY] = known
    return known
