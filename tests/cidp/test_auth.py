"""Keys are found by digest, and the demonstration key only from this machine."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from cidp.auth import ALL_SCOPES, ApiKey, KeyRing, is_loopback

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


def test_a_key_is_found_by_its_text() -> None:
    first, second = ApiKey.of("a", "première"), ApiKey.of("b", "seconde")
    ring = KeyRing([first, second])
    assert ring.find("seconde", ELSEWHERE) == second
    assert first.scopes == ALL_SCOPES


@pytest.mark.parametrize("header", ["", "autre", "a", "\x00", "é" * 10_000, "\u20ac"])
def test_anything_else_is_unknown(header: str) -> None:
    assert KeyRing([ApiKey.of("a", "b")]).find(header, HERE) is None


def test_a_key_beyond_ascii_is_compared_as_the_bytes_that_were_sent() -> None:
    as_wsgi_gives_it = "clé-été".encode().decode("latin-1")
    assert KeyRing([ApiKey.of("a", "clé-été")]).find(as_wsgi_gives_it, HERE) is not None


def test_a_key_that_is_not_utf8_in_the_environment_is_those_bytes() -> None:
    ring = KeyRing([ApiKey.of("k", "cl\udce9")])
    assert ring.find("cl\xe9", "127.0.0.1") is not None


def test_a_loopback_key_is_unknown_from_elsewhere() -> None:
    ring = KeyRing([ApiKey.of("démonstration", "demo", loopback_only=True)])
    assert ring.find("demo", HERE) is not None
    assert ring.find("demo", "::1") is not None
    assert ring.find("demo", ELSEWHERE) is None
    assert ring.find("demo", "") is None


def test_only_the_digest_of_a_key_is_kept() -> None:
    key = ApiKey.of("a", "secret-text")
    assert key.sha256 == hashlib.sha256(b"secret-text").hexdigest()
    assert "secret-text" not in repr(key)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValidationError):
        ApiKey(id="a", sha256="0" * 64, scopes=("everything",))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - looked at, not bound
        ("::", False),
        ("192.0.2.7", False),
        ("api.example", False),
        ("", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def ring_of(**change: object) -> KeyRing:
    return KeyRing([ApiKey.of("a", "texte").model_copy(update=change)], now=lambda: NOW)


def test_a_key_is_unknown_from_its_expiry_on() -> None:
    assert ring_of(expires_at=NOW + timedelta(seconds=1)).find("texte", HERE) is not None
    ended = ring_of(expires_at=NOW)
    assert ended.find("texte", HERE) is None
    assert ended.refusal("texte", HERE) == "clé a expirée"


def test_a_revoked_key_is_unknown() -> None:
    ring = ring_of(revoked_at=NOW)
    assert ring.find("texte", HERE) is None
    assert ring.refusal("texte", HERE) == "clé a révoquée"


def test_each_reason_of_a_refusal_is_said_without_the_text_of_the_key() -> None:
    ring = ring_of(loopback_only=True)
    assert ring.refusal("texte", ELSEWHERE) == "clé a réservée à cette machine"
    assert ring.refusal("autre", HERE) == "clé inconnue"
    assert ring.refusal("", HERE) == "clé absente"
