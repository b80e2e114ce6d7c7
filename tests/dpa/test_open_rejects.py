"""Open rejects can be listed, written out again when their workbook is lost, and abandoned."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import load_workbook

from dpa.cli import main
from dpa.dwh_url import DwhUrl
from dpa.errors import RejectsClosed, ReportNotWritten, UsageError, WarehouseError, WarehouseForeign
from dpa.open_rejects import abandon_rejects, export_rejects, list_rejects

from .conftest import NOON, Desk
from .test_rejects_workbook import TOP, dirty

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension.*:UserWarning:openpyxl")
__all__ = ["dirty"]

STATES = "SELECT reject_key, status FROM rejets ORDER BY reject_key"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def loaded(dirty: Desk, dwh_url: DwhUrl) -> Desk:
    """A foreign export with four rejects, in a warehouse of either kind; its workbook is lost."""
    dirty.settings = replace(dirty.settings, dwh=dwh_url)
    dirty.run()
    dirty.settings.rejects_workbook.unlink()
    return dirty


def rows(path: Path) -> list[tuple[str, ...]]:
    book = load_workbook(path)
    found = list(book["À corriger"].iter_rows(min_row=TOP, values_only=True))
    book.close()
    return found


def test_a_lost_workbook_is_written_again_as_it_was_even_without_its_files(dirty: Desk) -> None:
    dirty.run()
    before = rows(dirty.settings.rejects_workbook)
    for lost in (dirty.settings.rejects_workbook, dirty.settings.erp, dirty.settings.mapping):
        assert lost is not None
        lost.unlink()
    out = dirty.folder / "rejets.xlsx"
    told = export_rejects(out, dirty.settings.dwh, None, 1)
    assert told == f"{out} : 4 lignes à corriger (erp.csv)\n"
    assert rows(out) == before


def test_the_workbook_written_again_can_be_given_back(loaded: Desk) -> None:
    out = loaded.folder / "rejets.xlsx"
    export_rejects(out, loaded.settings.dwh, None, 1)
    book = load_workbook(out)
    book["À corriger"]["D5"] = "12,5"
    book.save(out)
    book.close()
    summary = loaded.run(resubmit=out, mapping=None).summary
    assert (summary.read, summary.loaded, summary.rejected, summary.open_rejects) == (4, 1, 3, 3)


def test_rows_that_are_not_read_alike_go_to_workbooks_of_their_own(loaded: Desk) -> None:
    loaded.erp("T9,M1,hier,1,OK")
    loaded.run(mapping=None)
    out = loaded.folder / "rejets.xlsx"
    told = export_rejects(out, loaded.settings.dwh, None, 1)
    assert sorted(re.findall(r"(\d) lignes? à corriger", told)) == ["1", "4"]
    assert {row[0] for row in rows(out)[:1] + rows(out.with_name("rejets_2.xlsx"))[:1]} == {
        "N°",
        "transaction_id",
    }


def test_files_that_are_read_alike_share_a_workbook_and_a_run_can_be_chosen(desk: Desk) -> None:
    runs = []
    for day in ("hier", "demain"):
        desk.erp(f"T-{day},M1,{day},1,OK")
        runs.append(desk.run().summary.run_id)
    out = desk.folder / "rejets.xlsx"
    export_rejects(out, desk.settings.dwh, None, 1)
    assert [row[0] for row in rows(out)[1:3]] == ["T-hier", "T-demain"]
    one = desk.folder / "un.xlsx"
    export_rejects(one, desk.settings.dwh, runs[1], 1)
    assert [row[0] for row in rows(one)[1:2]] == ["T-demain"]
    assert list_rejects(desk.settings.dwh, runs[0], 1).startswith("1 rejet ouvert\n")


def test_an_existing_file_is_kept(loaded: Desk) -> None:
    out = loaded.folder / "rejets.xlsx"
    out.write_bytes(b"corrections en cours")
    told = export_rejects(out, loaded.settings.dwh, None, 1)
    assert told.startswith(str(out.with_name("rejets_2.xlsx")))
    assert out.read_bytes() == b"corrections en cours"


def test_without_an_open_reject_nothing_is_written(loaded: Desk) -> None:
    abandon_rejects(loaded.settings.dwh, "tous", None, "essai", NOON, 1)
    out = loaded.folder / "rejets.xlsx"
    assert "rien à écrire" in export_rejects(out, loaded.settings.dwh, None, 1)
    assert not out.exists()


def test_an_export_that_cannot_be_written_says_so(loaded: Desk) -> None:
    (loaded.folder / "dossier").write_text("un fichier")
    with pytest.raises(ReportNotWritten, match="restent dans l'entrepôt"):
        export_rejects(loaded.folder / "dossier" / "r.xlsx", loaded.settings.dwh, None, 1)


def test_the_list_names_file_line_rule_and_value(loaded: Desk) -> None:
    told = list_rejects(loaded.settings.dwh, None, 1).splitlines()
    assert told[0] == "4 rejets ouverts"
    assert told[1].startswith("  n° 1 : erp.csv, ligne 3 : VOLUME_NON_NUMERIQUE « 12,5 t », lot ")
    assert len(told) == 5


def test_a_long_list_is_counted_and_control_characters_are_shown(desk: Desk) -> None:
    desk.erp(*(f"T{n},M1,2026-01-05,\x1b[2J{n},OK" for n in range(45)))
    desk.run()
    told = list_rejects(desk.settings.dwh, None, 1)
    assert told.endswith("  et 5 de plus ; --export FICHIER les écrit tous\n")
    assert "\x1b" not in told
    assert "« \\x1b[2J0 »" in told


def test_abandoned_rejects_are_closed_with_their_reason_and_the_counts_stay(loaded: Desk) -> None:
    before = loaded.query("SELECT rows_read, rows_loaded, rows_rejected FROM dim_lot")
    told = abandon_rejects(loaded.settings.dwh, "1,3-4", None, " essai de l'ERP ", NOON, 1)
    assert told == "3 rejets abandonnés : essai de l'ERP\n1 rejet encore ouvert\n"
    assert loaded.query(STATES) == [
        (1, "abandonné"), (2, "ouvert"), (3, "abandonné"), (4, "abandonné"),
    ]  # fmt: skip
    assert loaded.query(
        'SELECT "État", "Abandonné le (Douala)", "Raison de l\'abandon", "Clos par" FROM v_rejets '
        'WHERE "Rejet" = 1'
    )[0][0::2] == ("abandonné", "essai de l'ERP")
    assert loaded.query("SELECT rows_read, rows_loaded, rows_rejected FROM dim_lot") == before
    assert list_rejects(loaded.settings.dwh, None, 1).startswith("1 rejet ouvert\n")


def test_an_abandoned_line_met_again_stays_abandoned(loaded: Desk) -> None:
    abandon_rejects(loaded.settings.dwh, "tous", None, "essai", NOON, 1)
    summary = loaded.run().summary
    assert (summary.rejected, summary.open_rejects, summary.rejects_workbook) == (4, 0, None)


def test_an_abandoned_line_is_no_longer_taken_back(loaded: Desk) -> None:
    out = loaded.folder / "rejets.xlsx"
    export_rejects(out, loaded.settings.dwh, None, 1)
    abandon_rejects(loaded.settings.dwh, "2", None, "essai", NOON, 1)
    with pytest.raises(RejectsClosed, match=r"lignes 6 \(abandonné\) déjà closes.*Rien n'a été"):
        loaded.run(resubmit=out, mapping=None)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ("2,9", "n° 9 introuvable"),
        ("1,2", "n° 1 abandonné"),
    ],
)
def test_one_reject_that_is_not_open_leaves_all_as_they_were(
    loaded: Desk, chosen: str, told: str
) -> None:
    abandon_rejects(loaded.settings.dwh, "1", None, "essai", NOON, 1)
    before = loaded.query(STATES)
    with pytest.raises(RejectsClosed, match=f"{told}.*Rien n'a été modifié"):
        abandon_rejects(loaded.settings.dwh, chosen, None, "essai", NOON, 1)
    assert loaded.query(STATES) == before


def test_a_reject_of_another_run_is_not_abandoned_under_the_name_of_one(loaded: Desk) -> None:
    loaded.erp("T9,M1,hier,1,OK")
    run_id = loaded.run(mapping=None).summary.run_id
    with pytest.raises(RejectsClosed, match=f"pas tous ouverts dans le lot {run_id}"):
        abandon_rejects(loaded.settings.dwh, "1", run_id, "essai", NOON, 1)


def test_a_run_that_the_warehouse_does_not_know_is_a_misuse(dirty: Desk) -> None:
    dirty.run()
    dwh = dirty.settings.dwh
    for asked in (
        lambda: list_rejects(dwh, "ZZZ", 1),
        lambda: export_rejects(dirty.folder / "r.xlsx", dwh, "ZZZ", 1),
        lambda: abandon_rejects(dwh, "tous", "ZZZ", "essai", NOON, 1),
    ):
        with pytest.raises(UsageError, match="--lot ZZZ : aucun lot"):
            asked()


def test_a_warehouse_that_is_not_there_is_told_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "absent.sqlite"
    with pytest.raises(WarehouseError, match="pas d'entrepôt à ce chemin"):
        list_rejects(DwhUrl.of_file(path), None, 1)
    assert not path.exists()


@pytest.mark.parametrize("chosen", ["", "un", "3-", "5-2", "1;;2", "-1", "1-999999999"])
def test_unreadable_numbers_are_a_misuse(tmp_path: Path, chosen: str) -> None:
    with pytest.raises(UsageError, match="--abandon"):
        abandon_rejects(DwhUrl.of_file(tmp_path / "d"), chosen, None, "essai", NOON, 1)


def test_a_reason_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--reason"):
        abandon_rejects(DwhUrl.of_file(tmp_path / "d"), "1", None, "  ", NOON, 1)


def test_a_missing_warehouse_is_refused_and_not_made(tmp_path: Path) -> None:
    url = DwhUrl.of_file(tmp_path / "absent.sqlite")
    with pytest.raises(WarehouseForeign, match="pas d'entrepôt à jour"):
        abandon_rejects(url, "1", None, "essai", NOON, 1)
    assert not url.path.exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--abandon", "1"], "--abandon et --reason vont ensemble"),
        (["--reason", "x"], "--abandon et --reason vont ensemble"),
        (["--export", "r.csv"], r"doit finir par \.xlsx"),
        (["--export", "r.xlsx", "--abandon", "1", "--reason", "x"], "s'excluent"),
        (["--abandon", "", "--reason", "x"], "écrivez des numéros"),
    ],
)
def test_misuse_of_the_command_ends_with_code_2(
    desk: Desk, capsys: Capture, flags: list[str], told: str
) -> None:
    assert main(["rejets", f"--dwh={desk.settings.dwh}", *flags], desk.environ) == 2
    assert re.search(told, capsys.readouterr().err)


def test_the_command_lists_exports_and_abandons(desk: Desk, capsys: Capture) -> None:
    desk.erp("T1,M1,hier,1,OK")
    desk.run()
    command = ["rejets", f"--dwh={desk.settings.dwh}"]
    out = desk.folder / "r.xlsx"
    assert main(command, desk.environ) == 0
    assert main([*command, f"--export={out}"], desk.environ) == 0
    assert out.exists()
    assert main([*command, "--abandon=1", "--reason=double saisie"], desk.environ) == 0
    assert "1 rejet abandonné : double saisie" in capsys.readouterr().out
    assert main([*command, "--abandon=1", "--reason=double saisie"], desk.environ) == 1
