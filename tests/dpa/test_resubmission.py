"""Corrected rejects come back as exactly the rows that were corrected."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from dpa.dwh_url import DwhUrl
from dpa.errors import RejectsClosed, SourceEmpty, SourceUnreadable
from dpa.resubmission import Resubmission, read_resubmission

from .conftest import Desk
from .test_rejects_workbook import TOP, dirty

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension.*:UserWarning:openpyxl")
__all__ = ["dirty"]


@pytest.fixture
def given(dirty: Desk) -> Path:
    """The rejects workbook of a dirty run."""
    dirty.run()
    return dirty.settings.rejects_workbook


def corrected(path: Path, change: Callable[[Any], None], sheet: str = "À corriger") -> Path:
    """Change the workbook as an analyst would, and save it under another name."""
    book: Any = load_workbook(path)
    change(book[sheet])
    rendered = path.with_name("rendu.xlsx")
    book.save(rendered)
    book.close()
    return rendered


def cells(found: Resubmission) -> list[tuple[str, ...]]:
    return [
        tuple(row.values()) for part in found.source.parts for row in part.read().cells.to_pylist()
    ]


def closing(found: Resubmission) -> dict[int, int]:
    return {line: key for line, (key, _) in found.given_back.closing.items()}


def test_an_untouched_workbook_gives_back_its_rows(given: Path) -> None:
    found = read_resubmission(given)
    assert cells(found) == [
        ("T2", "M1", "05/01/2026", "12,5 t", "=1+1", "NORMAL"),
        ("T3", "00123", "31/02/2026", "1", "", "?"),
        ("T4", "M1", "05/01/2026", "1", "Nord", "NORMAL;de trop"),
        ("T5", '"M1', "05/01/2026", "1", "", ""),
    ]
    assert closing(found) == {5: 1, 6: 2, 7: 3, 8: 4}
    assert found.source.header == ("N°", "Loco", "Date", "Tonnage", "Ligne", "Etat")
    assert found.source.sheet == "À corriger"
    assert found.source.conventions.decimal == ","
    assert found.mapping_path is not None
    assert found.mapping_path.endswith("mapping.yaml")


def test_typed_cells_sorted_and_deleted_rows_keep_to_their_rejects(given: Path) -> None:
    def change(sheet: Any) -> None:
        rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=TOP + 1)]
        rows[0][3] = 12.5
        rows[1][2], rows[1][5] = datetime(2026, 2, 28, 8, 30), "PANNE"
        rows[3][:6] = [None] * 6
        for at, row in enumerate([rows[1], rows[0], [None] * 15, rows[3]], start=TOP + 1):
            for column, value in enumerate(row, start=1):
                sheet.cell(at, column).value = value
                if isinstance(value, str):
                    sheet.cell(at, column).data_type = "s"

    found = read_resubmission(corrected(given, change))
    assert cells(found) == [
        ("T3", "00123", "2026-02-28 08:30:00", "1", "", "PANNE"),
        ("T2", "M1", "05/01/2026", "12,5", "=1+1", "NORMAL"),
    ]
    assert closing(found) == {5: 2, 6: 1}


def test_corrected_rows_are_loaded_alone_and_their_rejects_closed(
    dirty: Desk, dwh_url: DwhUrl
) -> None:
    def change(sheet: Any) -> None:
        sheet["D5"], sheet["C6"], sheet["F6"] = "12,5", "28/02/2026", "PANNE"
        sheet.delete_rows(8)

    dirty.settings = replace(dirty.settings, dwh=dwh_url)
    dirty.run()
    rendered = corrected(dirty.settings.rejects_workbook, change)
    outcome = dirty.run(resubmit=rendered, mapping=None)
    summary = outcome.summary
    assert (summary.read, summary.loaded, summary.rejected) == (3, 2, 1)
    assert summary.rejects_workbook is not None
    again = read_resubmission(Path(summary.rejects_workbook))
    assert [row[0] for row in cells(again)] == ["T4"]
    with pytest.raises(RejectsClosed, match=r"lignes 5 \(corrigé par le lot .*, 7 \(remplacé par"):
        dirty.run(resubmit=rendered, mapping=None)


def test_a_workbook_corrected_in_place_is_given_back_as_it_is(dirty: Desk, given: Path) -> None:
    corrected(given, lambda sheet: sheet.__setitem__("D5", 12.5)).replace(given)
    summary = dirty.run(resubmit=given, mapping=None).summary
    assert (summary.loaded, summary.rejected) == (1, 3)
    assert summary.rejects_workbook == str(given.with_name("rejets_a_corriger_2.xlsx"))
    assert len(closing(read_resubmission(given))) == 4


def refusals() -> dict[str, tuple[str, Callable[[Any], None], str]]:
    def add(sheet: Any) -> None:
        sheet["A12"] = "T99"

    def copy(sheet: Any) -> None:
        for at in range(1, 16):
            sheet.cell(9, at).value = sheet.cell(5, at).value

    def rename(sheet: Any) -> None:
        sheet["B4"] = "Locomotive"

    def remove_columns(sheet: Any) -> None:
        sheet.delete_cols(3, 10)

    def spoil(sheet: Any) -> None:
        sheet["A2"] = "{}"

    def empty(sheet: Any) -> None:
        sheet["A1"] = None

    def newer(sheet: Any) -> None:
        sheet["A2"] = sheet["A2"].value.replace('"version":1', '"version":2')

    return {
        "added row": ("À corriger", add, "lignes 12 sans clé valable"),
        "copied row": ("À corriger", copy, "lignes 5, 9 copies l'une de l'autre"),
        "renamed heading": ("À corriger", rename, "« Loco » n'est plus à sa place"),
        "removed columns": ("À corriger", remove_columns, "« Date » n'est plus à sa place"),
        "spoilt notes": ("_dpa", spoil, "la feuille masquée « _dpa » a été modifiée"),
        "emptied notes": ("_dpa", empty, "la feuille masquée « _dpa » a été modifiée"),
        "newer version": ("_dpa", newer, "une version plus récente"),
    }


def test_a_changed_layout_is_refused_by_name_and_reason(given: Path) -> None:
    for sheet, change, reason in refusals().values():
        rendered = corrected(given, change, sheet)
        with pytest.raises(SourceUnreadable, match=f"{rendered.name}.*{reason}"):
            read_resubmission(rendered)


def test_a_workbook_without_rows_left_is_said_so(given: Path) -> None:
    rendered = corrected(given, lambda sheet: sheet.delete_rows(5, 10))
    with pytest.raises(SourceEmpty, match="n'a plus aucune ligne"):
        read_resubmission(rendered)


def test_other_files_are_refused(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "autre.xlsx"
    Workbook().save(path)
    with pytest.raises(SourceUnreadable, match="pas un classeur de lignes à corriger"):
        read_resubmission(path)
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(SourceUnreadable, match="tronqué ou abîmé"):
        read_resubmission(path)
    with pytest.raises(SourceUnreadable, match="introuvable"):
        read_resubmission(tmp_path / "absent.xlsx")


def test_a_workbook_of_another_warehouse_is_refused(
    make_desk: Callable[[], Desk], tmp_path: Path
) -> None:
    here, there = make_desk(), make_desk()
    here.erp("T1,M1,hier,1,OK")
    there.erp("T2,M1,demain,1,OK")
    here.run()
    there.run()
    given = here.settings.rejects_workbook
    with pytest.raises(RejectsClosed, match=r"lignes 5 inconnues de cet entrepôt.*Rien n'a été"):
        there.run(resubmit=given)
    nowhere = DwhUrl.of_file(tmp_path / "absent.sqlite")
    with pytest.raises(RejectsClosed, match="lignes 5 inconnues"):
        here.run(resubmit=given, dwh=nowhere)
    assert not nowhere.path.exists()


def with_identifier(path: Path, row: int, identifier: str) -> Path:
    return corrected(path, lambda sheet: sheet.__setitem__(f"A{row}", identifier))


def test_an_identifier_typed_in_never_corrects_another_transaction(
    desk: Desk, dwh_url: DwhUrl
) -> None:
    desk.settings = replace(desk.settings, dwh=dwh_url)
    desk.erp("T1,M1,2026-01-05,10,OK", ",M1,2026-01-06,20,ERR", ",M1,2026-01-05,10,OK")
    desk.run()
    rendered = with_identifier(desk.settings.rejects_workbook, 5, "T1")
    outcome = desk.run(resubmit=with_identifier(rendered, 6, "T1 "))
    summary = outcome.summary
    assert (summary.read, summary.loaded, summary.rejected, summary.duplicates) == (2, 0, 2, 0)
    assert summary.rejects_by_rule == {"ID_EN_CONFLIT": 2}
    again = desk.run(resubmit=with_identifier(Path(str(summary.rejects_workbook)), 6, "T7"))
    summary = again.summary
    assert (summary.read, summary.loaded, summary.rejected, summary.corrected) == (2, 1, 1, 0)
    assert summary.rejects_by_rule == {"ID_DEJA_CHARGE": 1}
    assert desk.query(
        "SELECT transaction_id, volume_transferred FROM fact_transactions ORDER BY 1"
    ) == [("T1", 10.0), ("T7", 10.0)]
    assert desk.query("SELECT COUNT(*) FROM audit_corrections") == [(0,)]
    open_ones = "SELECT value, rule_code, raw_row FROM rejets WHERE status = 'ouvert'"
    ((value, rule, row),) = desk.query(open_ones)
    assert (value, rule) == ("T1", "ID_DEJA_CHARGE")
    assert '"volume_transferred": "20"' in row
    unchanged = desk.run(resubmit=Path(str(summary.rejects_workbook))).summary
    assert unchanged.rejects_by_rule == {"ID_DEJA_CHARGE": 1}


def test_an_identifier_typed_in_for_an_identical_row_is_a_duplicate(desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-05,10,OK", ",M1,2026-01-05,10,OK")
    desk.run()
    summary = desk.run(resubmit=with_identifier(desk.settings.rejects_workbook, 5, "T1")).summary
    assert (summary.read, summary.duplicates, summary.open_rejects) == (1, 1, 0)


def test_a_row_that_bore_the_identifier_itself_still_corrects(desk: Desk) -> None:
    """A late correction of the ERP whose date was mistyped is a correction all the same."""
    desk.erp("T1,M1,2026-01-05,10,OK")
    desk.run()
    desk.erp("T1,M1,hier,12,OK", "T1 ;M1 demain")
    desk.run()
    rendered = corrected(
        desk.settings.rejects_workbook, lambda sheet: sheet.__setitem__("C5", "2026-01-05")
    )
    summary = desk.run(resubmit=rendered).summary
    assert (summary.corrected, summary.rejected) == (1, 1)


def test_a_volume_that_two_hands_read_apart_is_refused_by_its_row(given: Path) -> None:
    def change(sheet: Any) -> None:
        sheet["D5"] = " 31.415 "
        sheet["D6"] = 31.415

    with pytest.raises(SourceUnreadable, match=r"lignes 5 dont le volume est ambigu.*« 31,415 »"):
        read_resubmission(corrected(given, change))
