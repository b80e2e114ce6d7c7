"""The log of a child program: its last lines for people, and its progress."""

import os
from pathlib import Path

from cidp.logs import escaped
from cidp.orchestration import ProgressLine, progress_of

READ_BYTES = 65_536
TAIL_LINES = 30
MAX_LINE = 500


def log_tail(log: Path) -> list[str]:
    """Return the last lines for people, without those of its progress; none without a log."""
    lines = [line for line in _lines(log) if line.strip() and progress_of(line) is None]
    return [escaped(line)[:MAX_LINE] for line in lines[-TAIL_LINES:]]


def last_progress(log: Path) -> ProgressLine | None:
    """Return how far the program last said it is, or None."""
    return next(filter(None, map(progress_of, reversed(_lines(log)))), None)


def _lines(log: Path) -> list[str]:
    """Read the end of the log, in whole lines."""
    try:
        with log.open("rb") as file:
            start = max(file.seek(0, os.SEEK_END) - READ_BYTES, 0)
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = text.split("\n")
    return [line.rstrip("\r") for line in (lines[1:] if start else lines)]
