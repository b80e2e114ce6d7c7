from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH

from dpa.errors import MissingColumns, SourceEmpty, SourceUnreadable
from dpa.excel_source import extract_from_excel, read_excel_source
from dpa.mapping import Mapping
from dpa.sheet_grid import read_grid
from dpa.workbook_file import open_workbook

HEADER = ("transaction_id", "machine_id", "date", "volume_transferred", "status_code")
ROW = ("T1", "M1", datetime(2026, 1, 2, 3, 4, 5), 12.5, "OK")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "erp.xlsx"


def write(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    book = Workbook()
    assert book.active is not None
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_rows_know_their_sheet_and_their_number(path: Path) -> None:
    write(path, ERP=[["Export du 3 janvier"], [], HEADER, ROW, [], ("T2", *ROW[1:])])
    source = read_excel_source(path, Mapping(), None)
    raw = source.parts[0].read()
    assert (source.sheet, source.header, raw.blank_lines) == ("ERP", HEADER, 1)
    assert raw.lines.tolist() == [4, 6]
    assert [row["2"] for row in raw.cells.to_pylist()] == ["2026-01-02 03:04:05"] * 2
    assert source.notes == ("En-tête trouvé à la ligne 3.",)
    assert len(source.sha256) == 64


def test_empty_columns_without_a_name_are_left_out(path: Path) -> None:
    header = ["", *HEADER[:2], "", *HEADER[2:], ""]
    row = ["", *ROW[:2], "", *ROW[2:], "une note"]
    source = read_excel_source(write(path, ERP=[header, row]), Mapping(), None)
    assert source.header == (*HEADER, "")
    assert source.parts[0].read().cells["5"].to_pylist() == ["une note"]


def test_the_sheet_that_holds_the_header_is_chosen_and_said(path: Path) -> None:
    write(path, Notice=[["à lire"]], Janvier=[HEADER, ROW], Février=[HEADER, ("T9", *ROW[1:])])
    source = read_excel_source(path, Mapping(), None)
    assert source.sheet == "Janvier"
    assert source.notes == ("Feuille lue : « Janvier » (le classeur en a 3).",)


@pytest.mark.parametrize("asked", ["Février", "3"])
def test_a_sheet_is_asked_for_by_name_or_by_number(asked: str, path: Path) -> None:
    write(path, Notice=[["à lire"]], Janvier=[HEADER, ROW], Février=[HEADER, ("T9", *ROW[1:])])
    assert read_excel_source(path, Mapping(), asked).sheet == "Février"
    assert read_excel_source(path, Mapping(sheet=asked), None).sheet == "Février"


def test_a_name_that_is_a_number_is_a_name_first(path: Path) -> None:
    write(path, **{"2": [HEADER, ROW], "1": [HEADER, ("T9", *ROW[1:])]})
    assert read_excel_source(path, Mapping(), "1").sheet == "1"


@pytest.mark.parametrize("asked", ["Mars", "0", "3"])
def test_a_sheet_that_is_not_there_is_named_with_those_that_are(asked: str, path: Path) -> None:
    write(path, Janvier=[HEADER, ROW], Février=[HEADER, ROW])
    with pytest.raises(SourceUnreadable, match=f"« {asked} » ; .*« Janvier », « Février »"):
        read_excel_source(path, Mapping(), asked)


def test_the_mapping_may_say_where_the_header_is(path: Path) -> None:
    write(path, ERP=[HEADER, HEADER, ROW])
    source = read_excel_source(path, Mapping(header_row=2), None)
    assert source.parts[0].read().lines.tolist() == [3]


def test_the_mapping_says_the_row_of_the_sheet_that_holds_the_header(path: Path) -> None:
    write(path, Notice=[["à lire"], ["lignes"], ["en t"]], ERP=[["titre"], HEADER, ROW])
    assert read_excel_source(path, Mapping(header_row=2), None).sheet == "ERP"


def test_no_other_row_stands_for_the_one_that_the_mapping_says(path: Path) -> None:
    write(path, ERP=[HEADER, ROW, ("T2", *ROW[1:])])
    with pytest.raises(MissingColumns, match="trouvées : T1"):
        read_excel_source(path, Mapping(header_row=2), None)
    with pytest.raises(SourceEmpty, match=r"à partir de la ligne 9 \(header_row\)"):
        read_excel_source(path, Mapping(header_row=9), None)


def test_a_sheet_of_one_cell_lacks_columns(path: Path) -> None:
    write(path, ERP=[["rien"]])
    with pytest.raises(MissingColumns, match=r"trouvées : rien\."):
        read_excel_source(path, Mapping(), None)


def test_missing_columns_are_told_from_the_row_most_like_a_header(path: Path) -> None:
    write(path, ERP=[["titre"], HEADER[:4], ["T1", "M1", "x", "y"]])
    with pytest.raises(MissingColumns, match=r"absentes : status_code ;.*volume_transferred\."):
        read_excel_source(path, Mapping(), None)


def test_a_mapping_names_the_columns_of_a_foreign_workbook(path: Path) -> None:
    write(path, ERP=[("No", "Engin", "Jour", "Poids"), ("1", "M1", "02/01/2026", "12,5")])
    mapping = Mapping.model_validate(
        {
            "columns": {
                "transaction_id": "No",
                "machine_id": "Engin",
                "date": "Jour",
                "volume_transferred": "Poids",
            },
            "defaults": {"status_code": "OK"},
        }
    )
    source = read_excel_source(path, mapping, None)
    assert source.conventions.decimal == ","
    assert source.columns["status_code"] is None


def test_a_header_without_rows_is_empty(path: Path) -> None:
    write(path, ERP=[["titre"], HEADER, []])
    with pytest.raises(SourceEmpty, match=r"« ERP » : l'en-tête \(ligne 2\)"):
        read_excel_source(path, Mapping(), None)


def test_sheets_without_cells_are_empty(path: Path) -> None:
    write(path, A=[], B=[])
    with pytest.raises(SourceEmpty, match="aucune cellule remplie dans les feuilles « A », « B »"):
        read_excel_source(path, Mapping(), None)


def test_what_the_cells_do_not_show_is_said(path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADER, ROW, ("T2", "M1", "=TODAY()", 1, "OK"), ("T3", *ROW[1:])):
        sheet.append(row)
    sheet.row_dimensions[2].hidden = True
    sheet.merge_cells("B3:B4")
    sheet.merge_cells("A1:A1")
    book.save(path)
    assert read_excel_source(path, Mapping(), None).notes == (
        "Lignes masquées, lues comme les autres : 1.",
        "Zones fusionnées, dont seule la première cellule a une valeur : 1.",
        "Formules sans valeur enregistrée, lues vides : 1 ; ouvrez le classeur dans Excel et "
        "enregistrez-le.",
    )


def test_an_error_cell_stays_so_that_a_rule_can_name_it(path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER)
    sheet.append(ROW)
    sheet["D2"] = "#REF!"
    sheet["D2"].data_type = "e"
    book.save(path)
    raw = read_excel_source(path, Mapping(), None).parts[0].read()
    assert raw.cells["3"].to_pylist() == ["#REF!"]


@pytest.mark.parametrize(
    ("epoch", "serial"),
    [(WINDOWS_EPOCH, 46_024.354_166_666_664), (MAC_EPOCH, 44_562.354_166_666_664)],
)
def test_a_date_that_lost_its_format_is_still_a_date_and_said(
    epoch: datetime, serial: float, path: Path
) -> None:
    book = Workbook()
    book.epoch = epoch
    sheet = book.active
    assert sheet is not None
    for row in (HEADER, ROW, ("T2", "M1", serial, 1, "OK"), ("T3", "M1", 20260102, 1, "OK")):
        sheet.append(row)
    book.save(path)
    source = read_excel_source(path, Mapping(), None)
    assert source.parts[0].read().cells["2"].to_pylist() == [
        "2026-01-02 03:04:05",
        "2026-01-02 08:30:00",
        "20260102",
    ]
    assert source.notes == ("Dates écrites en numéro de série, lues comme dates : 1.",)


def test_an_analyst_gets_the_sheet_as_a_table_of_text(path: Path) -> None:
    write(path, Notice=[["à lire"]], Autre=[["Relevé"], [], ("Dépôt", "Poids"), ("Edéa", 12.5)])
    frame = extract_from_excel(path, "Autre")
    assert frame.to_dict("list") == {"Dépôt": ["Edéa"], "Poids": ["12.5"]}
    assert frame.index.tolist() == [4]
    assert frame.index.name == "ligne"
    assert extract_from_excel(str(path), 2).equals(frame)


def test_an_analyst_is_told_of_a_sheet_without_rows(path: Path) -> None:
    with pytest.raises(SourceEmpty, match="n'est suivi d'aucune ligne"):
        extract_from_excel(write(path, A=[("a", "b")]))


def test_an_opendocument_sheet_counts_days_as_excel_does() -> None:
    workbook = open_workbook(Path(__file__).parent / "fixtures/excel/transactions.ods")
    assert read_grid(workbook, workbook.sheets[0]).facts.epoch == WINDOWS_EPOCH.date()
