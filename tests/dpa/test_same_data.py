"""The same transactions as text, in workbooks and in databases give the same checked rows."""

import csv
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import Workbook

from dpa.checking import checked_parts
from dpa.dwh_url import DwhUrl
from dpa.engine import LocalEngine
from dpa.mapping import Mapping
from dpa.parts import CheckedPart
from dpa.sources import read_transactions

from .conftest import Desk

FIXTURES = Path(__file__).parent / "fixtures"
CSV = FIXTURES / "access" / "transactions.csv"
OTHERS = [
    "access/transactions_2000.mdb",
    "access/transactions_2007.accdb",
    "access/transactions_2010.accdb",
    "excel/transactions.xls",
    "excel/transactions.ods",
]
PLACE = ["source_line"]
WRITTEN = ["raw_row", "value"]
"""A number or a day may be written otherwise: 12.0 in one file, 12 in another."""


def checked(path: Path, mapping: Mapping | None = None) -> list[CheckedPart]:
    with LocalEngine() as engine:
        return list(checked_parts(read_transactions(path, mapping or Mapping()), engine))


def accepted(parts: list[CheckedPart]) -> pd.DataFrame:
    frames = [part.accepted.drop(columns=PLACE).astype({"machine_id": "str"}) for part in parts]
    return pd.concat(frames).sort_values("transaction_id", ignore_index=True)


def rejected(parts: list[CheckedPart]) -> list[tuple[str, ...]]:
    frame = pd.concat([part.rejects for part in parts]).drop(columns=[*PLACE, *WRITTEN])
    return sorted(frame.itertuples(index=False, name=None))


def assert_same(ours: list[CheckedPart], theirs: list[CheckedPart]) -> None:
    pd.testing.assert_frame_equal(accepted(ours), accepted(theirs), check_exact=True)
    assert rejected(ours) == rejected(theirs)
    for count in ("read", "duplicates", "skipped", "blank_lines"):
        assert sum(getattr(part, count) for part in ours) == sum(
            getattr(part, count) for part in theirs
        )


def test_the_rows_hold_what_makes_them_a_test() -> None:
    parts = checked(CSV)
    assert sum(part.read for part in parts) == 50
    assert sum(part.duplicates for part in parts) == 1
    assert {row[0] for row in rejected(parts)} >= {
        "VOLUME_MANQUANT",
        "VOLUME_NEGATIF",
        "STATUT_INCONNU",
        "MACHINE_MANQUANTE",
        "ID_EN_CONFLIT",
    }


@pytest.mark.parametrize("name", OTHERS)
def test_a_workbook_or_a_database_gives_the_rows_of_the_csv(name: str) -> None:
    assert_same(checked(FIXTURES / name), checked(CSV))


def test_a_warehouse_that_has_the_csv_finds_nothing_new_in_the_others(
    desk: Desk, dwh_url: DwhUrl
) -> None:
    first = desk.run(erp=CSV, dwh=dwh_url).summary
    assert (first.read, first.loaded) == (50, first.inserted)
    for name in OTHERS:
        again = desk.run(erp=FIXTURES / name, dwh=dwh_url).summary
        assert (again.read, again.loaded, again.rejected) == (50, 0, first.rejected)
        assert again.duplicates == first.loaded + first.duplicates
        assert again.rejects_by_rule == first.rejects_by_rule


@pytest.mark.parametrize("suffix", [".xlsx", ".xlsm"])
@pytest.mark.parametrize("typed", [True, False])
def test_typed_cells_and_texts_of_a_workbook_give_the_rows_of_the_csv(
    suffix: str, typed: bool, tmp_path: Path
) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for number, row in enumerate(csv.reader(CSV.read_text(encoding="utf-8").splitlines())):
        if typed and number:
            moment = datetime.fromisoformat(row[2])
            sheet.append([*row[:2], moment, float(row[3]) if row[3] else None, row[4]])
        else:
            sheet.append(row)
    path = tmp_path / f"erp{suffix}"
    book.save(path)
    assert_same(checked(path), checked(CSV))


def test_french_numbers_and_typed_ones_may_stand_side_by_side(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["transaction_id", "machine_id", "date", "volume_transferred", "status_code"])
    sheet.append(["T1", "M1", "02/01/2026", "12,5", "OK"])
    sheet.append(["T2", "M1", datetime(2026, 1, 2), 12.5, "OK"])
    path = tmp_path / "erp.xlsx"
    book.save(path)
    rows = accepted(checked(path))
    assert rows["volume_transferred"].tolist() == [12.5, 12.5]
    assert rows["date"].nunique() == 1
