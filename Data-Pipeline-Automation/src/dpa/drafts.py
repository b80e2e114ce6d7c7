"""Files are written as drafts beside their target, then put in its place at once."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

import psutil


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the draft to write; a block that ends well puts it at `path`, whole and on the disk.

    A block that raises leaves `path` as it was. No draft stays behind, and those of killed programs
    are removed. A link stays, and what it leads to is replaced. Raises OSError, of a device too.
    """
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "ce n'est pas un fichier ordinaire", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(path)
    draft = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield draft
        with draft.open("rb+") as handle:
            os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink()


def unused(path: Path) -> Path:
    """Give `path`, or `name_2`, `name_3`… beside it: the first that does not exist yet."""
    numbered = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in count(2))
    return next(name for name in chain([path], numbered) if not name.exists())


def _remove_orphans(path: Path) -> None:
    """Remove the drafts of programs that no longer run."""
    name = re.compile(rf"\.{re.escape(path.stem)}\.(\d+)\.tmp{re.escape(path.suffix)}")
    for sibling in path.parent.iterdir():
        found = name.fullmatch(sibling.name)
        if found and not psutil.pid_exists(int(found[1])):
            with suppress(OSError):
                sibling.unlink()
