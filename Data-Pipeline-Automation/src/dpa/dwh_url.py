"""The address of a warehouse: a SQLite file or a PostgreSQL database."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from dpa.errors import UsageError

_EXPECTED = "écrivez sqlite:///chemin, le chemin d'un fichier ou postgresql://hôte/base"


@dataclass(frozen=True)
class DwhUrl:
    """`target` is a file's path for sqlite, a libpq URL for postgresql; `str()` hides passwords."""

    kind: Literal["sqlite", "postgresql"]
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sqlite:///path`, a bare path or `postgresql://…`; raises UsageError.

        As in SQLAlchemy, three slashes introduce a path relative to the current folder and four an
        absolute one (on Windows `sqlite:///C:/…`).
        """
        found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(?=//)", text)
        scheme = found[1].lower() if found else ""
        if scheme in ("postgresql", "postgres"):
            return cls("postgresql", _libpq_url(text))
        if found and scheme != "sqlite":
            raise UsageError(f"--dwh : « {found[1]} » n'est pas pris en charge ; {_EXPECTED}.")
        if found and not text.lower().startswith("sqlite:///"):
            raise UsageError(f"--dwh {text} : il faut trois barres obliques, sqlite:///chemin.")
        path = text[len("sqlite:///") :] if found else text
        if path.strip() in ("", ":memory:"):
            raise UsageError(f"--dwh {text!r} : indiquez le chemin d'un fichier.")
        return cls("sqlite", path)

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Name the SQLite warehouse in that file."""
        return cls("sqlite", str(path))

    @property
    def path(self) -> Path:
        """The file of a SQLite warehouse."""
        if self.kind != "sqlite":
            raise TypeError("a PostgreSQL warehouse has no file")
        return Path(self.target)

    def __str__(self) -> str:
        return self.target if self.kind == "sqlite" else _without_password(self.target)

    def redacted(self, text: str) -> str:
        """Take this address's password out of a text, such as a driver's message."""
        if self.kind == "sqlite":
            return text
        parts = urlsplit(self.target)
        written = parts.netloc.rpartition("@")[0].partition(":")[2]
        secrets = {written, unquote(written), dict(parse_qsl(parts.query)).get("password", "")}
        for secret in sorted(secrets - {""}, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def completed(self, defaults: dict[str, str]) -> str:
        """Give a PostgreSQL target with the parameters that it does not set itself."""
        address, _, query = self.target.partition("?")
        given = dict(parse_qsl(query, keep_blank_values=True))
        return f"{address}?{urlencode({**defaults, **given}, quote_via=quote)}"


def _libpq_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise UsageError(
            "--dwh : adresse PostgreSQL illisible ; vérifiez l'hôte et le port."
        ) from error
    if not parts.path.strip("/"):
        raise UsageError("--dwh : nommez la base, postgresql://utilisateur@hôte:5432/base.")
    return f"postgresql://{text.partition('://')[2]}"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    query = [pair for pair in parse_qsl(parts.query) if pair[0] != "password"]
    shown = f"{parts.scheme}://{user.partition(':')[0]}{at}{place}{parts.path}"
    return f"{shown}?{urlencode(query, quote_via=quote)}" if query else shown
