"""The archive of a backup: one folder, whose manifest vouches for each of its files.

camrail-<instant>/manifest.json     what is inside, with the digest of each file
camrail-<instant>/manifest.sha256   the digest of the manifest
camrail-<instant>/<part>/…          the files of a part
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from cidp.errors import BackupError
from cidp.files import write_whole
from cidp.model_bundle import Count, Sha256
from cidp.pydantic_compat import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

PREFIX = "camrail-"
MANIFEST, SEAL = "manifest.json", "manifest.sha256"
_CHUNK = 1_048_576

Kind = Literal["sqlite", "postgresql", "folder", "file"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArchivedFile(_Part):
    """Digest and size of one file."""

    sha256: Sha256
    bytes: Count


class ArchivedPart(_Part):
    """What one part was saved from, and its files by their path below the part's folder."""

    kind: Kind
    files: dict[str, ArchivedFile]


class Manifest(_Part):
    """What the archive holds."""

    format: Literal[1]
    created_at: AwareDatetime
    parts: Annotated[dict[str, ArchivedPart], Field()]


@contextmanager
def new_archive(parent: Path, now: datetime) -> Iterator[Path]:
    """Give the folder to fill; it gets its name when the block ends well, and goes otherwise.

    Only its owner may look inside.
    """
    name = f"{PREFIX}{now:%Y%m%dT%H%M%SZ}"
    final, draft = parent / name, parent / f".{name}.partial"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            raise BackupError(f"{final} existe déjà : attendez une seconde et relancez.")
        draft.mkdir(mode=0o700)
    except OSError as error:
        raise BackupError(f"{draft} ne peut pas être écrit ({error.strerror}).") from error
    try:
        yield draft
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def seal(archive: Path, kinds: Mapping[str, Kind], now: datetime) -> Manifest:
    """Write the manifest of the files that lie in the archive."""
    parts = {
        name: ArchivedPart(kind=kind, files=_measured(archive / name))
        for name, kind in kinds.items()
    }
    manifest = Manifest(format=1, created_at=now, parts=parts)
    content = manifest.model_dump_json().encode()
    write_whole(archive / MANIFEST, content)
    write_whole(archive / SEAL, f"{hashlib.sha256(content).hexdigest()}\n".encode())
    return manifest


def opened(archive: Path) -> Manifest:
    """Check every file of an archive against its manifest; raises `BackupError` by name."""
    manifest = _read_manifest(archive)
    for name, part in manifest.parts.items():
        folder = archive / name
        if not _is_inside(name) or not all(map(_is_inside, part.files)):
            raise _damaged(archive / MANIFEST, "il nomme un fichier hors de l'archive")
        try:
            found = _measured(folder)
        except OSError as error:
            raise _damaged(folder, f"illisible ({error.strerror})") from error
        for path in sorted(found.keys() | part.files.keys()):
            if path not in found:
                raise _damaged(folder / path, "absent")
            if path not in part.files:
                raise _damaged(folder / path, "le manifeste ne le connaît pas")
            if found[path] != part.files[path]:
                raise _damaged(folder / path, "son empreinte n'est pas celle du manifeste")
    return manifest


def newest(parent: Path) -> Path:
    """Return the last archive of a folder; raises `BackupError` when it has none."""
    found = sorted(path for path in parent.glob(f"{PREFIX}*") if (path / MANIFEST).is_file())
    if not found:
        raise BackupError(f"{parent} ne contient aucune archive {PREFIX}….")
    return found[-1]


def _read_manifest(archive: Path) -> Manifest:
    path = archive / MANIFEST
    try:
        content, sealed = path.read_bytes(), (archive / SEAL).read_bytes()
    except OSError as error:
        raise BackupError(
            f"{archive} n'est pas une archive complète : {Path(error.filename or path).name}"
            f" illisible ({error.strerror})."
        ) from error
    if sealed != f"{hashlib.sha256(content).hexdigest()}\n".encode():
        raise _damaged(path, f"son empreinte n'est pas celle de {SEAL}")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BackupError(
            f"{path} est d'un programme plus récent, ou n'est pas un manifeste."
        ) from error


def _damaged(path: Path, cause: str) -> BackupError:
    return BackupError(f"Archive endommagée, rien n'a été restauré : {path} : {cause}.")


def _measured(folder: Path) -> dict[str, ArchivedFile]:
    """Digest every file below `folder`, by its path with slashes."""
    os.stat(folder)  # noqa: PTH116 (a missing folder is an error, not an empty one)
    files = sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {path.relative_to(folder).as_posix(): _digested(path) for path in files}


def _digested(path: Path) -> ArchivedFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return ArchivedFile(sha256=digest.hexdigest(), bytes=size)


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts and "\\" not in path
