"""A disk that can be filled and freed: a tmpfs of our own (Linux, where this process may mount)."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def why_no_disk() -> str | None:
    """Say why no disk can be mounted here, or None."""
    if sys.platform != "linux" or os.geteuid():
        return "mounting a tmpfs takes Linux and root"
    return None


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[int], None]]:
    """Mount a tmpfs of a gigabyte on `folder` (Linux, root); the function given resizes it."""
    folder.mkdir(parents=True, exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o"]
    subprocess.run([*mounting, "size=1g,mode=755", "tmpfs", folder], check=True)

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)

    try:
        yield resize
    finally:
        with suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "--lazy", folder], check=True)


def used_bytes_of(folder: Path) -> int:
    """Give the bytes in use on the disk of `folder`."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize
