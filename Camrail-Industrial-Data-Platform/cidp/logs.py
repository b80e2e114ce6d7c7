"""Where log lines go, and how: facts in French, control characters escaped."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PEOPLE = "{time:HH:mm:ss} {level: <7} {message}"
_FILE = "{time:YYYY-MM-DDTHH:mm:ss.SSSZZ} {level} {process} {name} {message}"


def escaped(text: str) -> str:
    """Show control characters (`\\x0a`, `\\u2028`), so that data cannot forge a log line."""
    return _CONTROL.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def configure_logs(folder: Path, name: str) -> None:
    """Send lines to stderr, and to `folder/name.log`: rotated at 10 MB, kept 30 days.

    For launchers only. Without a writable folder the lines still go to stderr.
    """
    logger.remove()
    logger.configure(patcher=_escape)
    logger.add(sys.stderr, level="INFO", format=_PEOPLE, backtrace=False, diagnose=False)
    try:
        logger.add(
            folder / f"{name}.log",
            level="INFO",
            format=_FILE,
            rotation="10 MB",
            retention="30 days",
            encoding="utf-8",
            backtrace=False,
            diagnose=False,
        )
    except OSError as error:
        logger.warning("Journal {} impossible à écrire : {}", f"{name}.log", error.strerror)


def _escape(record: "Record") -> None:
    record["message"] = escaped(record["message"])
