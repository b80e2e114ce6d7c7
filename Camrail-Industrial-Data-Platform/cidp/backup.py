"""The command that saves warehouse, events, models and keys, and brings them back."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cidp.auth import utc_now
from cidp.backup_archive import Manifest, new_archive, newest, opened, seal
from cidp.backup_places import KeysPlace, Place, RegistryPlace, database_place
from cidp.cli import FrenchParser, add_command
from cidp.errors import BackupError, CidpError
from cidp.settings import Settings, launch_environment
from cidp.store_url import StoreUrl

LABELS = {"warehouse": "entrepôt", "events": "événements", "models": "modèles", "keys": "clés"}
_INTO = {
    "warehouse": "supply_chain_dwh.sqlite",
    "events": "events.sqlite",
    "models": "models",
    "keys": "keys.yaml",
}
Places = Mapping[str, Place]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    flags = _parser().parse_args(argv)
    try:
        said = {"make": _make, "check": _check, "restore": _restore}[flags.command](flags)
    except CidpError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(said)
    return 0


def _make(flags: argparse.Namespace) -> str:
    """Save every place that holds something into a new archive."""
    places = _chosen(_places(flags), flags.only)
    full = {name: place for name, place in places.items() if not place.is_empty()}
    if not full:
        raise BackupError("Rien à sauvegarder : " + ", ".join(map(str, places.values())) + ".")
    now = utc_now()
    with new_archive(flags.to, now) as archive:
        for name, place in full.items():
            (archive / name).mkdir()
            place.save(archive / name)
        manifest = seal(archive, {name: place.kind for name, place in full.items()}, now)
    absent = [
        f"  {LABELS[name]} : absent ({places[name]})\n" for name in places if name not in full
    ]
    if "keys" not in places and not flags.only:
        absent.append(f"  {LABELS['keys']} : aucun fichier réglé (API_KEYS_FILE, --keys)\n")
    damaged = [f"  ATTENTION : {fault}\n" for place in full.values() for fault in _faults(place)]
    return f"{newest(flags.to)}\n{_told(manifest)}{''.join(absent + damaged)}"


def _faults(place: Place) -> list[str]:
    return place.faults() if isinstance(place, RegistryPlace) else []


def _check(flags: argparse.Namespace) -> str:
    archive = newest(flags.archive) if flags.latest else flags.archive
    return f"{archive} : archive intacte\n{_told(opened(archive))}"


def _restore(flags: argparse.Namespace) -> str:
    """Check the archive, then every place, and only then write the first of them."""
    archive = newest(flags.archive) if flags.latest else flags.archive
    manifest = opened(archive)
    places = _chosen(_places(flags), flags.only or list(manifest.parts))
    for name, place in places.items():
        _refuse(name, place, manifest, replace=flags.replace)
    for name, place in places.items():
        place.restore(archive / name)
    done = "".join(f"  {LABELS[name]} : {place}\n" for name, place in places.items())
    return f"{archive} : restauré\n{done}"


def _refuse(name: str, place: Place, manifest: Manifest, *, replace: bool) -> None:
    """Raise `BackupError` when a place cannot take what the archive has for it."""
    if name not in manifest.parts:
        raise BackupError(f"Cette archive n'a pas « {LABELS[name]} ».")
    kind = manifest.parts[name].kind
    if kind != place.kind:
        raise BackupError(
            f"« {LABELS[name]} » a été sauvegardé de {kind} et ne va pas dans {place} : donnez une"
            f" autre adresse avec --{name}."
        )
    if not replace and not place.is_empty():
        raise BackupError(
            f"{place} contient déjà des données : choisissez un autre endroit (--into, --{name}),"
            " ou remplacez-les avec --replace."
        )


def _told(manifest: Manifest) -> str:
    lines = []
    for name, part in manifest.parts.items():
        size = sum(file.bytes for file in part.files.values())
        shown = f"{size / 1_000_000:.2f}".replace(".", ",")
        lines.append(
            f"  {LABELS.get(name, name)} : {part.kind}, fichiers {len(part.files)}, {shown} Mo\n"
        )
    return "".join(lines)


def _places(flags: argparse.Namespace) -> dict[str, Place]:
    """Give every place: that of its option, of --into, or of the settings.

    Two parts in one database are saved once, as the warehouse.
    """
    settings = Settings.from_environ(launch_environment(os.environ))
    into: Path | None = getattr(flags, "into", None)
    known = {
        "warehouse": settings.etl.warehouse(),
        "events": settings.store.address,
    }
    urls = {
        name: _address(getattr(flags, name), name)
        or (StoreUrl("sqlite", str(into / _INTO[name])) if into else url)
        for name, url in known.items()
    }
    if urls["events"] == urls["warehouse"]:
        del urls["events"]
    places = {name: database_place(url) for name, url in urls.items()}
    models = flags.models or (into / _INTO["models"] if into else settings.model.folder)
    keys = flags.keys or (into / _INTO["keys"] if into else settings.keys_file)
    return {
        **places,
        "models": RegistryPlace(models),
        **({"keys": KeysPlace(keys)} if keys else {}),
    }


def _address(text: str | None, name: str) -> StoreUrl | None:
    return StoreUrl.parse(text, Path.cwd(), f"--{name}") if text else None


def _chosen(places: Places, names: Sequence[str] | None) -> dict[str, Place]:
    missing = [name for name in names or () if name not in places]
    if missing:
        raise BackupError(
            f"« {LABELS.get(missing[0], missing[0])} » n'a pas de place dans les réglages : donnez"
            f" --{missing[0]}, ou --into pour restaurer ailleurs."
        )
    return {name: place for name, place in places.items() if not names or name in names}


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="backup",
        description="Sauvegarde l'entrepôt, les événements, les modèles et les clés, et les rend.",
    )
    commands = parser.add_subparsers(
        title="commandes", dest="command", metavar="COMMANDE", required=True
    )
    make = add_command(
        commands, "make", "Sauvegarde dans une archive neuve, pendant que tout tourne."
    )
    make.add_argument(
        "--to", type=Path, metavar="DOSSIER", required=True, help="dossier des archives"
    )
    check = add_command(commands, "check", "Compare une archive avec son manifeste.")
    restore = add_command(commands, "restore", "Contrôle une archive, puis la restaure.")
    for command in (check, restore):
        command.add_argument(
            "archive", type=Path, metavar="ARCHIVE", help="l'archive, ou leur dossier (--latest)"
        )
        command.add_argument("--latest", action="store_true", help="la dernière de ce dossier")
    restore.add_argument("--into", type=Path, metavar="DOSSIER", help="restaure tout ailleurs")
    restore.add_argument(
        "--replace", action="store_true", help="remplace les données qui y sont déjà"
    )
    for command in (make, restore):
        _add_places(command)
    return parser


def _add_places(command: FrenchParser) -> None:
    command.add_argument(
        "--only", nargs="+", choices=tuple(LABELS), metavar="PARTIE", help=", ".join(LABELS)
    )
    for name in ("warehouse", "events"):
        command.add_argument(f"--{name}", metavar="BASE", help="fichier SQLite ou postgresql://…")
    command.add_argument("--models", type=Path, metavar="DOSSIER", help="registre des modèles")
    command.add_argument("--keys", type=Path, metavar="FICHIER", help="fichier de clés")


if __name__ == "__main__":
    sys.exit(main())
