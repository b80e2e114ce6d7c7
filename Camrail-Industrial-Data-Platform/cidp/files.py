"""Files that appear whole or not at all."""

import os
import secrets
import time
from pathlib import Path

_ATTEMPTS = 20
_PAUSE_S = 0.05


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, flush it to disk, then put it in place in one step.

    The file has the permissions of any new file, so that other users may read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _put_in_place(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _put_in_place(beside: Path, path: Path) -> None:
    """Replace `path`; Windows refuses it for the instant in which another process reads it."""
    for _ in range(_ATTEMPTS - 1):
        try:
            beside.replace(path)
        except PermissionError:
            time.sleep(_PAUSE_S)
        else:
            return
    beside.replace(path)
