"""Rows made from Arrow columns are the ones that XlsxWriter would have written."""

import io
import re
import xml.etree.ElementTree as ET
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from xlsxwriter import Workbook

from dpa import sheet_rows
from dpa.sheet_rows import SheetRows, escaped, fill

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"
ODD = [
    "plain",
    "=1+1",
    "a<b>&\"c'",
    " lead",
    "trail ",
    "two\nlines",
    "tab\t",
    "_x0041_",
    "_x41_",
    "",
]
CELLS = pa.table(
    {
        "text": pa.array([*ODD, "\x01\x1f\r\ufffe", None, "é😀"]),
        "coded": pa.array(["x & y", "z", None] * 4 + ["z"]).dictionary_encode(),
        "integer": pa.array([*range(-2, 10), None], pa.int64()),
        "float": pa.array([0.1 + 0.2, 1e-9, 1e20, 12.5, None, 3.0, *[0.0] * 7], pa.float64()),
        "day": pa.array([date(1950, 1, 1), None, *[date(2026, 2, 28)] * 11], pa.date32()),
        "moment": pa.array([datetime(2026, 1, 5, 23, 59, 59)] * 13, pa.timestamp("s")),
    }
)
FORMATS = ("@", "@", "0", "0.00", "dd/mm/yyyy", "dd/mm/yyyy hh:mm:ss")


def model_package(cells: pa.Table, models: int = 1) -> io.BytesIO:
    """A workbook whose first sheet has headings, model rows and a table."""
    package = io.BytesIO()
    book = Workbook(package, {"in_memory": True})
    sheet = book.add_worksheet("Données")
    headings = [{"header": name} for name in cells.column_names]
    sheet.add_table(3, 0, 4, cells.num_columns - 1, {"columns": headings})
    for model in range(models):
        for at, pattern in enumerate(FORMATS[: cells.num_columns]):
            form = book.add_format({"num_format": pattern, "bold": model == 1})
            sheet.write_blank(4 + model, at, None, form)
    book.close()
    return package


def filled(rows: SheetRows, path: Path, models: int = 1) -> Path:
    fill(model_package(rows.cells, models), path, {0: rows})
    return path


def written_by_xlsxwriter(cells: pa.Table, path: Path) -> Path:
    """The same sheet written by XlsxWriter alone, cell by cell, with inline strings."""
    book = Workbook(path, {"constant_memory": True})
    sheet = book.add_worksheet("Données")
    forms = [book.add_format({"num_format": pattern}) for pattern in FORMATS]
    for row, values in enumerate(cells.to_pylist(), start=4):
        for at, value in enumerate(values.values()):
            if value is None:
                sheet.write_blank(row, at, None, forms[at])
            elif isinstance(value, str):
                sheet._write_string(row, at, value, forms[at])
            elif isinstance(value, date):
                sheet.write_datetime(row, at, value, forms[at])
            else:
                sheet.write_number(row, at, value, forms[at])
    book.close()
    return path


def cells_of(path: Path) -> dict[str, tuple[Any, ...]]:
    """Reference, type, and text or number of each cell below the headings."""
    with zipfile.ZipFile(path) as package:
        root = ET.fromstring(package.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    found = {}
    for cell in root.iter(f"{MAIN}c"):
        text = cell.find(f"{MAIN}is/{MAIN}t")
        number = cell.findtext(f"{MAIN}v")
        if not cell.attrib["r"].endswith("4") or cell.get("t") != "s":
            value = None if text is None else text.text or ""
            if text is not None and value != (value or "").strip():
                assert text.get(SPACE) == "preserve"
            plain = None if number is None else pytest.approx(float(number), rel=1e-15)
            found[cell.attrib["r"]] = (cell.get("t"), value, plain)
    return found


def test_each_cell_is_the_one_of_xlsxwriter(tmp_path: Path) -> None:
    ours = cells_of(filled(SheetRows(4, CELLS), tmp_path / "ours.xlsx"))
    # XlsxWriter leaves out cells without text, which we keep with their format.
    theirs = cells_of(written_by_xlsxwriter(CELLS, tmp_path / "theirs.xlsx"))
    assert len(ours) == CELLS.num_rows * CELLS.num_columns
    assert ours == theirs


def test_openpyxl_reads_back_the_values_and_their_formats(tmp_path: Path) -> None:
    book: Any = load_workbook(filled(SheetRows(4, CELLS), tmp_path / "ours.xlsx"))
    sheet = book["Données"]
    assert sheet.dimensions == f"A4:F{4 + CELLS.num_rows}"
    assert sheet.tables["Table1"].ref == sheet.dimensions
    assert [cell.number_format for cell in sheet[5]] == list(FORMATS)
    assert [row[0].value for row in sheet.iter_rows(min_row=5, max_row=6)] == ["plain", "=1+1"]
    assert sheet["A6"].data_type in ("s", "inlineStr")
    assert sheet["E7"].value == datetime(2026, 2, 28)
    assert sheet["F5"].value == datetime(2026, 1, 5, 23, 59, 59)
    book.close()


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cells_of(filled(SheetRows(4, CELLS), tmp_path / "whole.xlsx"))
    monkeypatch.setattr(sheet_rows, "BATCH_ROWS", 2)
    cells = pa.concat_tables([CELLS.slice(0, 5), CELLS.slice(5)])
    assert cells_of(filled(SheetRows(4, cells), tmp_path / "cut.xlsx")) == whole


def test_rows_take_their_height_and_cells_the_style_of_their_model(tmp_path: Path) -> None:
    cells = CELLS.select(["text", "coded"]).slice(0, 3)
    rows = SheetRows(4, cells, pa.array([None, 45, None]), {0: pa.array([0, 1, 0])})
    book: Any = load_workbook(filled(rows, tmp_path / "styled.xlsx", models=2))
    sheet = book["Données"]
    assert [sheet.row_dimensions[row].height for row in (5, 6, 7)] == [None, 45, None]
    assert [[cell.font.bold for cell in row] for row in sheet.iter_rows(min_row=5)] == [
        [False, False],
        [True, False],
        [False, False],
    ]
    book.close()


def test_rows_that_comments_made_give_way_to_the_real_ones(tmp_path: Path) -> None:
    cells = CELLS.select(["text"]).slice(0, 3)
    package = io.BytesIO()
    book = Workbook(package, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_blank(4, 0, None, book.add_format({"bold": True}))
    for row in (5, 6):
        sheet.write_comment(row, 0, "motif")
    book.close()
    path = tmp_path / "commented.xlsx"
    fill(package, path, {0: SheetRows(4, cells)})
    with zipfile.ZipFile(path) as written:
        xml = written.read("xl/worksheets/sheet1.xml").decode()
    assert re.findall(r'<row r="(\d+)"', xml) == ["5", "6", "7"]


def test_the_size_of_a_sheet_is_bounded_by_what_its_texts_may_become() -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 0, None], pa.int32()), pa.array(["é"]))
    cells = pa.table({"coded": coded, "text": ["a", "b", ""]})
    # Two bytes twice and one byte twice, each of which could take seven; a row and its two cells.
    assert sheet_rows._largest_size(SheetRows(4, cells)) == (4 + 2) * 7 + 3 * 3 * 90


def test_a_sheet_that_may_pass_the_zip_format_takes_the_larger_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet_rows, "_ZIP32_BYTES", 100)
    large = filled(SheetRows(4, CELLS), tmp_path / "large.xlsx")
    assert len(cells_of(large)) == CELLS.num_rows * CELLS.num_columns
    # The mark of a 64-bit size in the sheet's own header (PKWARE APPNOTE 4.5.3).
    with zipfile.ZipFile(large) as package:
        start = package.getinfo("xl/worksheets/sheet1.xml").header_offset
    assert large.read_bytes()[start:].split(b"sheet1.xml", 1)[1][:2] == b"\x01\x00"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escaped_text_is_well_formed_and_reads_back(text: str) -> None:
    element = ET.fromstring(f"<t>{escaped(text)}</t>")  # noqa: S314

    def character(found: "re.Match[str]") -> str:
        return chr(int(found[1], 16))

    assert re.sub(r"_x([0-9A-Fa-f]{4})_", character, element.text or "") == text
