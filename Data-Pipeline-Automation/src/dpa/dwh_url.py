"""The address of a warehouse: a SQLite file or a PostgreSQL database."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import quote, unquote, urlencode, urlsplit

from dpa.errors import UsageError

_EXPECTED: Final = "écrivez sqlite:///chemin, le chemin d'un fichier ou postgresql://hôte/base"
_SECRETS: Final = ("password", "sslpassword")
"""Parameters of libpq that nobody may see."""

_MISTYPED: Final = re.compile(
    r"^(postgres(ql)?|sqlite)\b[:/]|^[A-Za-z][A-Za-z0-9+.-]+:/|\b(host|password|dbname|user) *=",
    re.IGNORECASE,
)
"""What a path never looks like: a scheme with a wrong number of slashes, libpq's key=value form."""


@dataclass(frozen=True)
class DwhUrl:
    """`target` is a file's path for sqlite, a libpq URL for postgresql.

    `target` alone has the password: neither `str()` nor `repr()` shows it.
    """

    kind: Literal["sqlite", "postgresql"]
    target: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sqlite:///path`, a bare path or `postgresql://…`; raises UsageError.

        As in SQLAlchemy, three slashes introduce a path relative to the current folder and four an
        absolute one (on Windows `sqlite:///C:/…`).
        """
        text = text.strip()
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
        if not found and _MISTYPED.search(text):
            # Not repeated: it may well hold a password.
            raise UsageError(f"--dwh : cette adresse n'est pas un chemin de fichier ; {_EXPECTED}.")
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
        written = urlsplit(self.target).netloc.rpartition("@")[0].partition(":")[2]
        given = _parameters(self.target)
        secrets = {written, unquote(written), *(given.get(name, "") for name in _SECRETS)}
        for secret in sorted(secrets - {""}, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def completed(self, defaults: dict[str, str]) -> str:
        """Give a PostgreSQL target with the parameters that it does not set itself."""
        address = self.target.partition("?")[0]
        return f"{address}?{urlencode({**defaults, **_parameters(self.target)}, quote_via=quote)}"


def _libpq_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise UsageError(
            "--dwh : adresse PostgreSQL illisible ; vérifiez l'hôte et le port."
        ) from error
    if parts.netloc.count("@") > 1:
        raise UsageError("--dwh : dans un mot de passe, écrivez %40 au lieu de @ (ou PGPASSWORD).")
    if not parts.path.strip("/"):
        raise UsageError("--dwh : nommez la base, postgresql://utilisateur@hôte:5432/base.")
    return f"postgresql://{text.partition('://')[2]}"


def _parameters(url: str) -> dict[str, str]:
    """Read what follows the question mark as libpq does: a plus and a hash stand for themselves."""
    pairs = (pair.partition("=") for pair in url.partition("?")[2].split("&") if pair)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    query = {name: value for name, value in _parameters(url).items() if name not in _SECRETS}
    shown = f"{parts.scheme}://{user.partition(':')[0]}{at}{place}{parts.path}"
    return f"{shown}?{urlencode(query, quote_via=quote)}" if query else shown
