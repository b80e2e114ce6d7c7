"""An address names a file or a database, and never shows its password."""

from pathlib import Path

import pytest

from cidp.errors import SettingsError
from cidp.store_url import StoreUrl

PROTECTED = "postgresql://camrail:s%40cret@db:5432/events?sslmode=require&password=a+b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("database/events.sqlite", "database/events.sqlite"),
        (" events.sqlite ", "events.sqlite"),
        ("sqlite:///events.sqlite", "events.sqlite"),
        ("../events.sqlite", "../events.sqlite"),
    ],
)
def test_a_relative_path_starts_at_the_folder(tmp_path: Path, text: str, expected: str) -> None:
    url = StoreUrl.parse(text, tmp_path)
    assert (url.kind, url.path) == ("sqlite", (tmp_path / expected).resolve())
    assert str(url) == str(url.path)


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    path = tmp_path / "a" / "events.sqlite"
    assert StoreUrl.parse(str(path), Path("elsewhere")).path == path
    assert StoreUrl.parse(f"sqlite:///{path}", Path("elsewhere")).path == path


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "PostgreSQL"])
def test_a_database_is_named_by_its_address(tmp_path: Path, scheme: str) -> None:
    url = StoreUrl.parse(f"{scheme}://user@host/events", tmp_path)
    assert (url.kind, url.target) == ("postgresql", "postgresql://user@host/events")
    with pytest.raises(TypeError):
        _ = url.path


def test_no_password_is_shown(tmp_path: Path) -> None:
    url = StoreUrl.parse(PROTECTED, tmp_path)
    assert str(url) == "postgresql://camrail@db:5432/events?sslmode=require"
    assert "cret" not in repr(url)
    told = url.redacted("FATAL: s@cret, s%40cret and a+b are wrong")
    assert told == "FATAL: ***, *** and *** are wrong"


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "mysql://user:hidden1@host/base",
        "postgresql:/user:hidden1@host/base",
        "host=db password=hidden1",
        "postgresql://user:hidden1@host:port/base",
        "postgresql://user:hid@den1@host/base",
        "postgresql://user:hidden1@host",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_repeated(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(SettingsError, match="Base d'événements") as refused:
        StoreUrl.parse(text, tmp_path)
    assert "den1" not in str(refused.value)
