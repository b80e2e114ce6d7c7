"""API keys: who may do what, until when, known only by their SHA-256."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal

from cidp.pydantic_compat import AwareDatetime, BaseModel, ConfigDict, Field

DEMO_KEY = "entreprise_secret_key_2026"
"""The key of the operating file, for local mode only."""

Scope = Literal["predict", "ingest", "read", "operate", "admin"]
ALL_SCOPES: tuple[Scope, ...] = ("predict", "ingest", "read", "operate", "admin")


def utc_now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


class ApiKey(BaseModel):
    """One key: a name for the log, the SHA-256 of its UTF-8 text, and what it may do.

    It is unknown from `expires_at` on, and once revoked; `requests_per_minute` bounds its use, None
    does not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=64)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...]
    created_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    requests_per_minute: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    loopback_only: bool = False

    @classmethod
    def of(cls, key_id: str, secret: str, *, loopback_only: bool = False) -> "ApiKey":
        """Make a key with every scope from its text, which is not kept."""
        return cls(
            id=key_id,
            sha256=key_digest(secret),
            scopes=ALL_SCOPES,
            loopback_only=loopback_only,
        )

    def ended(self, now: datetime) -> str | None:
        """Say in French why the key is no longer valid, or return None."""
        if self.revoked_at is not None:
            return "révoquée"
        return "expirée" if self.expires_at is not None and self.expires_at <= now else None


def key_digest(secret: str) -> str:
    """Return the SHA-256 under which a key is known."""
    # The environment hands bytes that are not UTF-8 over as surrogates.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class KeyRing:
    """The keys that a service accepts; `now` is the clock that ends them."""

    def __init__(self, keys: Iterable[ApiKey], now: Callable[[], datetime] = utc_now) -> None:
        self._keys = [(bytes.fromhex(key.sha256), key) for key in keys]
        self._now = now

    def find(self, header: str, address: str) -> ApiKey | None:
        """Return the key that `header` holds and that `address` may use now, or None."""
        found = self._named_by(header)
        return found if found is not None and self._obstacle(found, address) is None else None

    def refusal(self, header: str, address: str) -> str:
        """Say in French, for the log, why `find` returned None."""
        if not header:
            return "clé absente"
        found = self._named_by(header)
        obstacle = found and self._obstacle(found, address)
        return f"clé {found.id} {obstacle}" if found and obstacle else "clé inconnue"

    def _named_by(self, header: str) -> ApiKey | None:
        """Compare every digest, in constant time.

        `header` is as WSGI gives it, one character per byte.
        """
        digest = hashlib.sha256(header.encode("latin-1", "replace")).digest()
        found: ApiKey | None = None
        for expected, key in self._keys:
            if hmac.compare_digest(digest, expected):
                found = key
        return found

    def _obstacle(self, key: ApiKey, address: str) -> str | None:
        if key.loopback_only and not is_loopback(address):
            return "réservée à cette machine"
        return key.ended(self._now())


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether `host` can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
