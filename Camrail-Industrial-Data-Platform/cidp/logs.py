"""Where log lines go, and how: facts in French, control characters escaped."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from cidp.audit import AUDIT

if TYPE_CHECKING:
    from collections.abc import Callable

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


def configure_logs(folder: Path, name: str, *, audit: bool = False) -> None:
    """Send lines to stderr, and to `folder/name.log`: rotated at 10 MB, kept 30 days.

    With `audit`, audit lines go to `folder/audit.log` instead. For launchers only. Without a
    writable folder every line goes to stderr.
    """
    logger.remove()
    logger.configure(patcher=_escape)
    unwritable = audit and _add_file(folder / "audit.log", _is_audit)
    logger.add(
        sys.stderr,
        level="INFO",
        format=_PEOPLE,
        filter=_is_not_audit if audit and not unwritable else None,
        backtrace=False,
        diagnose=False,
    )
    for said in filter(None, (unwritable, _add_file(folder / f"{name}.log", _is_not_audit))):
        logger.warning("{}", said)


def _add_file(path: Path, kept: "Callable[[Record], bool]") -> str | None:
    """Add a rotated file for the records that `kept` wants, or return why it cannot be written."""
    try:
        logger.add(
            path,
            level="INFO",
            format=_FILE,
            filter=kept,
            rotation="10 MB",
            retention="30 days",
            encoding="utf-8",
            backtrace=False,
            diagnose=False,
        )
    except OSError as error:
        return f"Journal {path.name} impossible à écrire : {error.strerror}"
    return None


def _is_audit(record: "Record") -> bool:
    return AUDIT in record["extra"]


def _is_not_audit(record: "Record") -> bool:
    return AUDIT not in record["extra"]


def _escape(record: "Record") -> None:
    record["message"] = escaped(record["message"])
