import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from dpa.sheet_grid import Grid, read_grid
from dpa.workbook_file import open_workbook

FIXTURES = Path(__file__).parent / "fixtures" / "excel"


def grid_of(path: Path, cells: dict[str, Any], book: Workbook | None = None) -> Grid:
    book = book or Workbook()
    assert book.active is not None
    for place, value in cells.items():
        book.active[place] = value
    book.save(path)
    return read_grid(open_workbook(path), "Sheet")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.xlsx"


def test_rows_keep_their_number_and_empty_columns_on_the_left_are_left_out(path: Path) -> None:
    grid = grid_of(path, {"C3": "titre", "D5": 1.5})
    assert grid.cells.to_pydict() == {
        "0": ["", "", "titre", "", ""],
        "1": ["", "", "", "", "1.5"],
    }
    assert grid.is_number[1].tolist() == [False] * 4 + [True]
    assert grid.row(2) == ["titre", ""]


def test_an_empty_sheet_has_no_cell(path: Path) -> None:
    grid = grid_of(path, {})
    assert (grid.cells.num_rows, grid.cells.num_columns) == (0, 0)


def test_serial_dates_follow_the_calendar_of_the_workbook(path: Path) -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    grid = grid_of(path, {"A1": datetime(2026, 1, 2, 3, 4, 5), "A2": 1.0}, book)
    assert grid.cells["0"].to_pylist() == ["2026-01-02 03:04:05", "1"]


def test_errors_keep_their_name_wherever_the_table_stands(path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    names = ["#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"]
    for row, name in enumerate(names, start=4):
        book.active.cell(row, 5, name).data_type = "e"
    grid = grid_of(path, {"C4": "x"}, book)
    assert grid.cells["2"].to_pylist()[3:] == names


def test_errors_of_an_xls_keep_their_name() -> None:
    grid = read_grid(open_workbook(FIXTURES / "transactions.xls"), "Transactions")
    assert grid.cells.columns[-1].to_pylist()[3:7] == ["remarque", "", "#N/A", ""]


def test_the_value_that_was_saved_with_a_formula_counts(path: Path) -> None:
    grid = grid_of(path, {"A1": "=1+1", "A2": "x"})
    assert grid.cells["0"].to_pylist() == ["", "x"]
    assert grid.facts.unsaved_formulas == 1


def test_merged_areas_are_given_by_their_rows(path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.merge_cells("A1:C1")
    book.active.merge_cells("A3:A5")
    assert grid_of(path, {"A1": "t", "A3": "v", "A6": "w"}, book).merged == ((1, 1), (3, 5))


def test_a_number_keeps_all_its_digits(path: Path) -> None:
    grid_of(path, {"A1": 1.5})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = members["xl/worksheets/sheet1.xml"]
    members["xl/worksheets/sheet1.xml"] = sheet.replace(b"1.5", b"3.3333333333333335")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert read_grid(open_workbook(path), "Sheet").row(0) == ["3.3333333333333335"]
