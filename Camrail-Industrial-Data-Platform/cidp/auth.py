"""API keys: who may do what, known only by their SHA-256."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DEMO_KEY = "entreprise_secret_key_2026"
"""The key of the operating file, for local mode only."""

Scope = Literal["predict", "ingest", "read", "operate", "admin"]
ALL_SCOPES: tuple[Scope, ...] = ("predict", "ingest", "read", "operate", "admin")


class ApiKey(BaseModel):
    """One key: a name for the log, the SHA-256 of its UTF-8 text, and what it may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=64)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...]
    loopback_only: bool = False

    @classmethod
    def of(cls, key_id: str, secret: str, *, loopback_only: bool = False) -> "ApiKey":
        """Make a key with every scope from its text, which is not kept."""
        # The environment hands bytes that are not UTF-8 over as surrogates.
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
        return cls(id=key_id, sha256=digest, scopes=ALL_SCOPES, loopback_only=loopback_only)


class KeyRing:
    """The keys that a service accepts."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = [(bytes.fromhex(key.sha256), key) for key in keys]

    def find(self, header: str, address: str) -> ApiKey | None:
        """Return the key that `header` holds, or None.

        `header` is as WSGI gives it, one character per byte. Every digest is compared, in constant
        time; a key bound to loopback is unknown to any other `address`.
        """
        digest = hashlib.sha256(header.encode("latin-1", "replace")).digest()
        found: ApiKey | None = None
        for expected, key in self._keys:
            if hmac.compare_digest(digest, expected):
                found = key
        if found is not None and found.loopback_only and not is_loopback(address):
            return None
        return found


def is_loopback(host: str) -> bool:
    """Tell whether `host` can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
