"""Statements kept in .sql files: whole scripts, or blocks found by their name."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SQL_ROOT: Final = Path(__file__).resolve().parents[2] / "sql"


def statements(script: str) -> Iterator[str]:
    """Give the statements of a script one by one, so that a transaction can hold them all."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        # Only its reader of SQL is used: no database is opened with this library.
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def named_statements(path: Path) -> dict[str, str]:
    """Read the blocks of a file, each introduced by a line `-- name: its_name`."""
    parts = re.split(r"^-- name: (\w+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
