"""The command that makes, lists and revokes the keys of the key file."""

import argparse
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cidp.auth import ALL_SCOPES, ApiKey, key_digest, utc_now
from cidp.cli import FrenchParser, add_command, positive
from cidp.errors import CidpError, SettingsError
from cidp.key_sources import check_distinct, read_key_file, write_key_file
from cidp.settings import launch_environment, service_path

KEY_BYTES = 32
MAX_DAYS = 36_500


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    flags = _parser().parse_args(argv)
    try:
        path = _key_file(flags.file)
        run = {"make": _make, "list": _list, "revoke": _revoke}[flags.command]
        sys.stdout.write(run(path, flags))
    except CidpError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _key_file(flag: Path | None) -> Path:
    if flag is not None:
        return flag
    name = launch_environment(os.environ).get("API_KEYS_FILE")
    if not name:
        raise SettingsError("Quel fichier de clés ? Définissez API_KEYS_FILE, ou donnez --file.")
    return service_path(name)


def _make(path: Path, flags: argparse.Namespace) -> str:
    """Add a random key to the file; its text is shown this once."""
    secret, now = secrets.token_hex(KEY_BYTES), utc_now().replace(microsecond=0)
    key = ApiKey(
        id=flags.id,
        sha256=key_digest(secret),
        scopes=tuple(flags.scopes),
        created_at=now,
        expires_at=now + timedelta(days=flags.days) if flags.days else None,
        requests_per_minute=flags.per_minute,
    )
    with _alone(path):
        keys = (*(read_key_file(path) if path.exists() else ()), key)
        check_distinct(keys)
        write_key_file(path, keys)
    sys.stderr.write(
        f"Clé « {key.id} » ajoutée à {path.name} ; elle n'est montrée que cette fois :\n"
    )
    return f"{secret}\n"


def _list(path: Path, flags: argparse.Namespace) -> str:
    keys, now = read_key_file(path), utc_now()
    rows = [("ID", "DROITS", "ÉTAT", "CRÉÉE", "EXPIRE", "PAR MINUTE")]
    rows += [
        (
            key.id,
            " ".join(key.scopes),
            key.ended(now) or "valable",
            _day(key.created_at),
            _day(key.expires_at),
            str(key.requests_per_minute or "sans limite"),
        )
        for key in keys
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )


def _revoke(path: Path, flags: argparse.Namespace) -> str:
    """Mark the key as revoked; it stays listed, so that its id names no other key."""
    with _alone(path):
        keys = read_key_file(path)
        if flags.id not in [key.id for key in keys if key.revoked_at is None]:
            raise SettingsError(f"{path.name} n'a pas de clé « {flags.id} » à révoquer.")
        now = utc_now().replace(microsecond=0)
        write_key_file(
            path,
            [k.model_copy(update={"revoked_at": now}) if k.id == flags.id else k for k in keys],
        )
    return f"Clé « {flags.id} » révoquée ; une API en marche la refuse dans la seconde.\n"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep another command from writing between our reading and our writing."""
    lock = path.with_name(f".{path.name}.lock")
    with _said(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.open("x").close()
        except FileExistsError:
            raise SettingsError(
                f"Une autre commande écrit {path.name} ; si aucune ne tourne, supprimez {lock}."
            ) from None
        try:
            yield
        finally:
            lock.unlink()


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{path} ne peut pas être écrit ({error.strerror}).") from error


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d}" if instant else "-"


def _days(text: str) -> float:
    days = positive(text)
    if days > MAX_DAYS:
        raise argparse.ArgumentTypeError(f"au plus {MAX_DAYS} jours, reçu {text!r}")
    return days


def _rate(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"un entier de 1 à 1000000 est attendu, reçu {text!r}")
    return int(text)


def _key_id(text: str) -> str:
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise argparse.ArgumentTypeError(f"1 à 64 caractères imprimables sont attendus : {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(prog="keys", description="Fait, liste et révoque les clés de l'API.")
    commands = parser.add_subparsers(
        title="commandes", dest="command", metavar="COMMANDE", required=True
    )
    make = add_command(commands, "make", "Ajoute une clé et montre son texte.")
    make.add_argument("id", metavar="ID", type=_key_id, help="nom de la clé dans le journal")
    make.add_argument(
        "--scopes", nargs="+", choices=ALL_SCOPES, required=True, help="droits de la clé"
    )
    make.add_argument("--days", type=_days, metavar="JOURS", help="durée de validité")
    make.add_argument(
        "--per-minute", type=_rate, metavar="N", help="requêtes par minute (sans limite)"
    )
    listed = add_command(commands, "list", "Liste les clés, jamais leur texte.")
    revoke = add_command(commands, "revoke", "Révoque une clé.")
    revoke.add_argument("id", metavar="ID", help="nom de la clé")
    for command in (make, listed, revoke):
        command.add_argument(
            "--file", type=Path, metavar="FICHIER", help="fichier de clés (API_KEYS_FILE)"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
