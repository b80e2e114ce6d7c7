"""Log messages for people on stderr and, rotated, in a file."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger
from tqdm import tqdm

from dpa.files import cause

if TYPE_CHECKING:
    from loguru import Record

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def escaped(text: str) -> str:
    """Show control characters, so that no data forges a log line or moves a cursor."""
    return _CONTROL.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escape_message(record: "Record") -> None:
    record["message"] = escaped(record["message"])


def _leave_message(record: "Record") -> None:
    """Undo `_escape_message`: loguru keeps a patcher until it gets another."""


def _above_the_bar(line: str) -> None:
    """Write to stderr without cutting through a progress bar."""
    tqdm.write(line, file=sys.stderr, end="")


@contextmanager
def configured(folder: Path) -> Iterator[None]:
    """Log to stderr, and to `folder`/dpa.log (10 MB a file, kept 30 days) while inside.

    What a driver said in its own words is DEBUG: it goes to the file only.

    A folder that cannot be written costs the file, not the run.
    """
    logger.remove()
    logger.configure(patcher=_escape_message)
    logger.add(_above_the_bar, level="INFO", format="{level: <7} | {message}", colorize=False)
    try:
        logger.add(
            folder / "dpa.log",
            level="DEBUG",
            format="{time:YYYY-MM-DDTHH:mm:ss.SSSZ} | {level: <7} | {message}",
            rotation="10 MB",
            retention="30 days",
            encoding="utf-8",
        )
    except OSError as error:
        logger.warning("Journal {} inaccessible ({})", folder / "dpa.log", cause(error))
    try:
        yield
    finally:
        logger.remove()
        logger.configure(patcher=_leave_message)
