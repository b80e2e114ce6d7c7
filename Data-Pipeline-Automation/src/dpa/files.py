"""Reads files, and says in French why a file cannot be used."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

from dpa.errors import SourceUnreadable

_CAUSES: Final = {
    errno.EACCES: "accès refusé",
    errno.EPERM: "accès refusé",
    errno.ENOENT: "dossier introuvable",
    errno.EEXIST: "un fichier porte le nom d'un dossier du chemin",
    errno.ENOTDIR: "un fichier porte le nom d'un dossier du chemin",
    errno.EISDIR: "c'est un dossier",
    errno.ENAMETOOLONG: "nom trop long",
    errno.ELOOP: "liens en boucle",
    errno.ENOSPC: "disque plein",
    errno.EFBIG: "fichier plus gros que le système ne l'admet",
    errno.EROFS: "disque en lecture seule",
    errno.EBUSY: "fichier occupé par un autre programme",
}


def cause(error: OSError) -> str:
    """Name the cause of a system error in French; in the system's words when it is a rare one."""
    return _CAUSES.get(error.errno or 0, str(error.strerror or error))


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        if path.is_dir():
            raise SourceUnreadable(f"{path} est un dossier ; indiquez un fichier.")
        yield
    except FileNotFoundError as error:
        raise SourceUnreadable(
            f"{path} : fichier introuvable ; vérifiez le chemin (dossier courant : {Path.cwd()})."
        ) from error
    except OSError as error:
        raise SourceUnreadable(
            f"{path} : lecture impossible ({cause(error)}) ; fermez le fichier s'il est ouvert "
            "ailleurs et vérifiez vos droits."
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """Open a file to read it bit by bit; raise SourceUnreadable, naming it and the remedy."""
    with _refusing(path):
        if path.exists() and not path.is_file():
            raise SourceUnreadable(
                f"{path} : ce n'est pas un fichier ; enregistrez d'abord les données sur le disque."
            )
        with path.open("rb") as file:
            yield file


def read_bytes(path: Path) -> bytes:
    """Read a file whole; raise SourceUnreadable, naming it and the remedy."""
    with _refusing(path):
        return path.read_bytes()


def read_head(path: Path, size: int) -> bytes:
    """Read the first `size` bytes of a file; raise SourceUnreadable like `read_bytes`."""
    with _refusing(path), path.open("rb") as file:
        return file.read(size)


def sha256_of(path: Path) -> str:
    """Digest a file without holding it whole; raise SourceUnreadable like `reading`."""
    with reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
