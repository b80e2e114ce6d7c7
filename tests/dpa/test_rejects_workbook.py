"""The rejects workbook shows the analyst's rows as they were, and what to correct."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from dpa.cells import Conventions
from dpa.errors import ReportNotWritten
from dpa.rejects_workbook import cut, guide_lines, write_rejects

from .conftest import Desk

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension.*:UserWarning:openpyxl")
HEADER = "N°;Loco;Date;Tonnage;Ligne;Etat"
MAPPING = """
delimiter: ";"
decimal: ","
columns: {transaction_id: N°, machine_id: Loco, date: Date, volume_transferred: Tonnage,
          status_code: Etat}
date_formats: ["%d/%m/%Y"]
status_codes: {NORMAL: OK, PANNE: ERR}
"""
TOP = 4
VIEWS = Path(__file__).parents[2] / "Camrail-Industrial-Data-Platform/cidp/views"


@pytest.fixture
def dirty(desk: Desk) -> Desk:
    """A desk with a foreign export."""
    mapping = desk.folder / "mapping.yaml"
    mapping.write_text(MAPPING, encoding="utf-8")
    desk.settings = replace(desk.settings, mapping=mapping)
    desk.erp(
        "T1;M1;05/01/2026;12,5;Nord;NORMAL",
        "T2;M1;05/01/2026;12,5 t;=1+1;NORMAL",
        "T3;00123;31/02/2026;1;;?",
        "T4;M1;05/01/2026;1;Nord;NORMAL;de trop",
        'T5;"M1;05/01/2026;1',
        header=HEADER,
    )
    return desk


@pytest.fixture
def book(dirty: Desk) -> Iterator[Any]:
    dirty.run()
    workbook = load_workbook(dirty.settings.rejects_workbook)
    yield workbook
    workbook.close()


def test_rows_stand_in_the_analysts_own_layout_with_the_reason_beside(book: Any) -> None:
    heading, *rows = book["À corriger"].iter_rows(min_row=TOP, values_only=True)
    assert heading[:6] == ("N°", "Loco", "Date", "Tonnage", "Ligne", "Etat")
    assert heading[6:10] == ("À corriger", "Règle", "Motif", "Remède")
    assert heading[10:15] == ("Fichier", "Feuille", "Ligne (2)", "Ligne d'origine", heading[14])
    assert [row[:8] for row in rows] == [
        ("T2", "M1", "05/01/2026", "12,5 t", "=1+1", "NORMAL", "Tonnage", "VOLUME_NON_NUMERIQUE"),
        ("T3", "00123", "31/02/2026", "1", None, "?", "Date, Etat",
         "DATE_INVALIDE, STATUT_INCONNU"),
        ("T4", "M1", "05/01/2026", "1", "Nord", "NORMAL;de trop", "toute la ligne",
         "LIGNE_IRREGULIERE"),
        ("T5", '"M1', "05/01/2026", "1", None, None, "toute la ligne", "GUILLEMET_NON_FERME"),
    ]  # fmt: skip
    assert [row[10:14] for row in rows[:3]] == [
        ("erp.csv", None, "3", None),
        ("erp.csv", None, "4", None),
        ("erp.csv", None, "5", "T4;M1;05/01/2026;1;Nord;NORMAL;de trop"),
    ]
    assert "Le statut n'est pas un des codes connus." in rows[1][8]


def test_bad_cells_are_coloured_and_marked(book: Any) -> None:
    sheet = book["À corriger"]
    red = {cell.coordinate for row in sheet.iter_rows(min_row=TOP + 1) for cell in row
           if cell.fill.fgColor.rgb == "FFFFC7CE"}  # fmt: skip
    assert red == {"D5", "C6", "F6", *(f"{column}{row}" for column in "ABCDEF" for row in (7, 8))}
    assert all(sheet[place].font.bold for place in red)
    notes = {cell.coordinate: cell.comment.text for row in sheet.iter_rows(min_row=TOP + 1)
             for cell in row if cell.comment}  # fmt: skip
    assert set(notes) == {"D5", "C6", "F6", "A7", "A8"}
    assert notes["D5"].startswith("Le volume n'est pas un nombre.\nSaisir un nombre seul")


def test_cells_are_text_and_the_keys_are_hidden(book: Any) -> None:
    sheet = book["À corriger"]
    assert {cell.number_format for row in sheet.iter_rows(min_row=TOP + 1) for cell in row} == {"@"}
    assert sheet["E5"].data_type != "f"
    assert sheet.column_dimensions["O"].hidden
    assert book["_dpa"].sheet_state == "veryHidden"
    assert sheet.tables["T_A_corriger"].ref == "A4:O8"
    assert sheet.freeze_panes == "A5"


def test_the_guide_says_what_to_do_and_the_command(dirty: Desk, book: Any) -> None:
    texts = [row[1] for row in book["Consigne"].iter_rows(min_row=TOP, values_only=True)]
    assert f'python main_pipeline.py --resubmit "{dirty.settings.rejects_workbook}"' in texts
    assert "Dates : JJ/MM/AAAA" in texts[1]
    assert "Séparateur décimal : la virgule" in texts[1]
    assert "Statuts : OK, WARN, ERR, NORMAL, PANNE" in texts[1]


def test_the_guide_names_the_page_and_the_button_of_the_dashboard(book: Any) -> None:
    texts = [row[1] for row in book["Consigne"].iter_rows(min_row=TOP, values_only=True)]
    (told,) = [text for text in texts if "tableau de bord, page" in text]
    shown = "".join(
        (VIEWS / name).read_text(encoding="utf-8") for name in ("navigation.py", "logistics.py")
    )
    names = re.findall("« (.+?) »", told)
    assert len(names) == 3
    assert [name for name in names if f'"{name}' not in shown] == []


def test_without_a_reject_an_earlier_workbook_stays(desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-05,1,OK")
    desk.settings.rejects_workbook.write_bytes(b"ancien")
    assert desk.run().summary.rejects_workbook is None
    assert desk.settings.rejects_workbook.read_bytes() == b"ancien"


def test_a_target_that_refuses_replacement_is_reported(desk: Desk) -> None:
    desk.erp("T1,M1,hier,1,OK")
    run_id = desk.run().summary.run_id
    taken = desk.folder / "dossier.xlsx"
    (taken / "plein").mkdir(parents=True)
    with pytest.raises(ReportNotWritten, match=r"lignes à corriger .*fermez-le"):
        write_rejects(taken, desk.settings.dwh, str(run_id), 1)
    assert list(desk.folder.glob(".*")) == []


@pytest.mark.parametrize(
    ("line", "width", "cells"),
    [
        ("a;b;c", 3, ["a", "b", "c"]),
        ("a;b", 3, ["a", "b", ""]),
        ("a,5;b;c;d;e;f", 5, ["a,5", "b", "c", "d", "e;f"]),
        ("a\tb\tc,d", 3, ["a", "b", "c,d"]),
        ("tout d'un bloc", 3, ["tout d'un bloc", "", ""]),
        ("seul", 1, ["seul"]),
    ],
)
def test_a_malformed_line_is_cut_as_far_as_possible(
    line: str, width: int, cells: list[str]
) -> None:
    assert cut(line, width) == cells


def test_rows_that_a_sheet_cannot_hold_are_counted_aloud() -> None:
    lines = guide_lines(Path("rejets.xlsx"), Conventions(), 1_234)
    assert lines[-1].startswith("1\u00a0234 autres lignes ne tiennent pas dans ce classeur")
    assert "le point" in lines[1]
