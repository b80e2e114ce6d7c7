"""Where log lines go, and how: facts in French, control characters escaped, files as JSON."""

import re
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from loguru import logger

from cidp.audit import AUDIT

if TYPE_CHECKING:
    from loguru import Record

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PEOPLE = "{time:HH:mm:ss} {level: <7} {message}"
_LINE = "line"
"""Key of a record's extra that holds its JSON, for the sinks that are files."""


def escaped(text: str) -> str:
    """Show control characters (`\\x0a`, `\\u2028`), so that data cannot forge a log line."""
    return _CONTROL.sub(_visible, text)


def one_line(text: object) -> str:
    """Lay the lines of a text, such as the end of a child's log, on one: ` | ` stands between."""
    return " | ".join(line.strip() for line in str(text).splitlines() if line.strip())


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def configure_logs(
    folder: Path,
    name: str,
    *,
    audit: str | None = None,
    context: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Send lines to stderr for people, and as JSON to `folder/name.log`.

    Files are rotated at 10 MB and kept 30 days. With `audit`, audit lines go to `folder/audit.log`
    instead, or whatever its name. `context` gives facts to add to each line. For launchers only.
    Without a writable folder every line goes to stderr.
    """

    def patch(record: "Record") -> None:
        record["message"] = escaped(record["message"])
        record["extra"].update(context())

    logger.remove()
    logger.configure(patcher=patch)
    unwritable = _add_file(folder / f"{audit}.log", _is_audit) if audit else None
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
            format=_json_line,
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


def _json_line(record: "Record") -> str:
    """Lay the record's JSON beside it, and return the template that writes it."""
    facts = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "process": record["process"].id,
        "module": record["name"],
        "message": record["message"],
        **{key: value for key, value in record["extra"].items() if key not in {AUDIT, _LINE}},
    }
    error = record["exception"]
    if error is not None and error.type is not None:
        trace = traceback.format_exception(error.type, error.value, error.traceback)
        facts["exception"] = "".join(trace)
    record["extra"][_LINE] = orjson.dumps(facts, default=str).decode()
    return f"{{extra[{_LINE}]}}\n"


def _is_audit(record: "Record") -> bool:
    return AUDIT in record["extra"]


def _is_not_audit(record: "Record") -> bool:
    return AUDIT not in record["extra"]
