from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpa.sheet_facts import (
    Extent,
    SheetFacts,
    column_number,
    measured_worksheet,
    opendocument_sheets,
)

SHEET = (
    b'<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="AB1"><v>1</v></c></row>'
    b'<row r="2" hidden="1"><c r="B2" t="e"><v>#N/A</v></c></row>'
    b'<row r="7"><c r="A7"><f>1+1</f><v></v></c><c r="B7"><f>2</f><v>2</v></c>'
    b'<c r="C7"><f>3</f></c></row></sheetData></worksheet>'
)


def test_a_sheet_tells_its_extent_and_what_its_values_do_not() -> None:
    assert measured_worksheet([SHEET]) == (
        Extent(rows=7, columns=28),
        SheetFacts(hidden_rows=1, has_errors=True, unsaved_formulas=2),
    )


@given(st.lists(st.integers(0, len(SHEET)), max_size=6))
def test_the_way_a_sheet_is_cut_into_pieces_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(SHEET)]
    pieces = [SHEET[a:b] for a, b in pairwise(edges)]
    assert measured_worksheet(pieces) == measured_worksheet([SHEET])


def test_an_empty_sheet_has_no_extent() -> None:
    extent, _ = measured_worksheet([b"<worksheet><sheetData/></worksheet>"])
    assert extent.cells == 0


@pytest.mark.parametrize(("letters", "number"), [("A", 1), ("Z", 26), ("AA", 27), ("XFD", 16_384)])
def test_columns_are_numbered_from_one(letters: str, number: int) -> None:
    assert column_number(letters) == number


def test_an_opendocument_table_repeats_cells_and_rows() -> None:
    content = (
        b'<office:spreadsheet><table:table table:name="L&apos;ERP">'
        b'<table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>'
        b'<table:table-row table:visibility="collapse">'
        b'<table:table-cell table:number-columns-repeated="4"/>'
        b'<table:table-cell office:value-type="float" office:value="1"><text:p>1</text:p>'
        b"</table:table-cell>"
        b'<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        b'<table:table-row table:number-rows-repeated="1048000">'
        b'<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        b"</table:table></office:spreadsheet>"
    )
    assert opendocument_sheets(content) == {"L'ERP": (Extent(4, 5), SheetFacts(hidden_rows=1))}
