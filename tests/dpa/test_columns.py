"""The dictionary of the report speaks of columns that exist."""

import sqlite3

import pytest

from dpa.columns import NOTES, ColumnNote
from dpa.report_columns import MACHINES, REJECTS, SITE_DAYS, TRANSACTIONS
from dpa.sql_files import SQL_ROOT

LABELS = {
    "Transactions": {column.label for column in TRANSACTIONS},
    "Stats_Sites": {column.label for column in SITE_DAYS},
    "Top machines": {column.label for column in MACHINES},
    "Rejets": {column.label for column in REJECTS},
}


def technical_names() -> set[str]:
    connection = sqlite3.connect(":memory:")
    for function in ("douala_time", "utc_time"):
        connection.create_function(function, 1, str)
    for name in ("schema.sql", "views.sql"):
        connection.executescript((SQL_ROOT / name).read_text(encoding="utf-8"))
    relations = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    columns = {
        row[1]
        for relation in relations
        for row in connection.execute(f"PRAGMA table_info({relation})")
    }
    connection.close()
    return columns | set(relations)


@pytest.mark.parametrize("note", NOTES, ids=lambda note: f"{note.sheet}-{note.label}")
def test_a_note_names_a_heading_and_a_column_of_the_warehouse(note: ColumnNote) -> None:
    assert note.label in LABELS[note.sheet]
    assert note.name in technical_names()


@pytest.mark.parametrize("sheet", LABELS)
def test_every_heading_has_its_note(sheet: str) -> None:
    assert {note.label for note in NOTES if note.sheet == sheet} == LABELS[sheet]
