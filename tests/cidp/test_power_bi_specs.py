"""POWER_BI_SPECS.md describes tables that either event store has, column by column."""

import re
from pathlib import Path

import pytest
from postgres import BACK_ENDS
from stores import new_url, store_at

from cidp.settings import SERVICE_FOLDER

SPECS = (SERVICE_FOLDER / "POWER_BI_SPECS.md").read_text(encoding="utf-8")
TABLES = {
    table: re.findall(r"`(\w+)`", columns)
    for table, columns in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", SPECS, re.MULTILINE)
}


@pytest.mark.parametrize("kind", BACK_ENDS)
def test_every_column_exists(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    assert len(TABLES) == 5
    store = store_at(new_url(request, kind, tmp_path))
    with store.session(writes=False) as session:
        for table, columns in TABLES.items():
            assert session.rows(f"SELECT {', '.join(columns)} FROM {table}") == []  # noqa: S608
    store.close()


def test_measures_use_described_columns() -> None:
    used = re.findall(r"(\w+)\[(\w+)\]", SPECS)
    assert {(table, column) for table, column in used if column not in TABLES[table]} == set()
    assert len(used) > 5
