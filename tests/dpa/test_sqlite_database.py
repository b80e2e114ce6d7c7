"""What SQLite needs of its own: instants as text, and refusals read from its sentences."""

from datetime import datetime, timedelta
from pathlib import PurePosixPath, PureWindowsPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpa.errors import WarehouseError, WarehouseLocked
from dpa.sqlite_database import SqliteDatabase, file_uri, iso_texts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-631_152_000, 4_133_980_799), max_size=20))
def test_instants_are_written_as_python_writes_them(seconds: list[int]) -> None:
    expected = [
        (datetime(1970, 1, 1) + timedelta(seconds=second)).isoformat() for second in seconds
    ]
    assert iso_texts(np.array(seconds, dtype=np.int64)).to_pylist() == expected


@pytest.mark.parametrize(
    ("told", "kind", "cause"),
    [
        ("IO: Failed to step query: database is locked", WarehouseLocked, "verrouillé"),
        ("IO: disk I/O error", WarehouseError, "erreur de lecture ou d'écriture"),
        ("database or disk is full", WarehouseError, "libérez de la place"),
        ("attempt to write a readonly database", WarehouseError, "vos droits"),
        ("no such table: a", WarehouseError, r"a refusé \(no such table: a\)"),
    ],
)
def test_a_refusal_is_told_in_french(told: str, kind: type[WarehouseError], cause: str) -> None:
    refusal = SqliteDatabase.refusal(told, None)
    assert type(refusal) is kind
    with pytest.raises(kind, match=cause):
        raise refusal


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/data/a b?.sqlite"), "file:///data/a%20b%3F.sqlite?mode=rw"),
        (PureWindowsPath(r"C:\data\a#b.sqlite"), "file:///C:/data/a%23b.sqlite?mode=rw"),
        (
            PureWindowsPath(r"\\serveur\partage\a.sqlite"),
            "file:////serveur/partage/a.sqlite?mode=rw",
        ),
    ],
)
def test_a_path_is_no_address(path: PurePosixPath | PureWindowsPath, uri: str) -> None:
    assert file_uri(path, create=False) == uri
