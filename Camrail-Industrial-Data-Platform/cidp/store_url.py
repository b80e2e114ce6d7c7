"""The address of an event store: a SQLite file or a PostgreSQL database."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlencode, urlsplit

from cidp.errors import SettingsError

_REMEDY = (
    "écrivez le chemin d'un fichier SQLite, ou postgresql://utilisateur@hôte:5432/base avec le mot"
    " de passe dans PGPASSWORD"
)
_SECRETS = ("password", "sslpassword")
"""Parameters of libpq that nobody may see."""

_MISTYPED = re.compile(
    r"^[A-Za-z][A-Za-z0-9+.-]+:/|\b(host|password|dbname|user) *=", re.IGNORECASE
)
"""What the path of a file never looks like."""


@dataclass(frozen=True)
class StoreUrl:
    """`target` is a file's path for sqlite, an address of libpq for postgresql.

    Only `target` has the password: neither `str()` nor `repr()` shows it.
    """

    kind: Literal["sqlite", "postgresql"]
    target: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, folder: Path) -> "StoreUrl":
        """Read `postgresql://…`, `sqlite:///path` or a path; a relative one starts at `folder`.

        Raises `SettingsError`, which repeats no address that may hold a password.
        """
        scheme, separator, rest = text.strip().partition("://")
        if separator and scheme.lower() in ("postgresql", "postgres"):
            return cls("postgresql", _checked(f"postgresql://{rest}"))
        if separator and scheme.lower() == "sqlite" and rest.startswith("/"):
            text = rest[1:]
        if not text.strip() or _MISTYPED.search(text):
            raise SettingsError(f"Base d'événements : adresse illisible ; {_REMEDY}.")
        return cls("sqlite", str((folder / text.strip()).resolve()))

    @property
    def path(self) -> Path:
        """The file of a SQLite store."""
        if self.kind != "sqlite":
            raise TypeError("a PostgreSQL store has no file")
        return Path(self.target)

    def __str__(self) -> str:
        if self.kind == "sqlite":
            return self.target
        parts = urlsplit(self.target)
        user, at, place = parts.netloc.rpartition("@")
        shown = {name: value for name, value in self._parameters().items() if name not in _SECRETS}
        address = f"postgresql://{user.partition(':')[0]}{at}{place}{parts.path}"
        return f"{address}?{urlencode(shown, quote_via=quote)}" if shown else address

    def redacted(self, text: str) -> str:
        """Take this address's password out of a text, such as a driver's message."""
        written = urlsplit(self.target).netloc.rpartition("@")[0].partition(":")[2]
        given = self._parameters()
        secrets = {written, unquote(written), *(given.get(name, "") for name in _SECRETS)}
        for secret in sorted(secrets - {""}, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _parameters(self) -> dict[str, str]:
        """Read what follows the question mark as libpq does: a plus stands for itself."""
        pairs = (pair.partition("=") for pair in self.target.partition("?")[2].split("&") if pair)
        return {unquote(name): unquote(value) for name, _, value in pairs}


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise SettingsError(f"Base d'événements : hôte ou port illisible ; {_REMEDY}.") from error
    if parts.netloc.count("@") > 1:
        raise SettingsError(
            "Base d'événements : dans un mot de passe, écrivez %40 au lieu de @ (ou PGPASSWORD)."
        )
    if not parts.path.strip("/"):
        raise SettingsError(f"Base d'événements : la base n'est pas nommée ; {_REMEDY}.")
    return url
