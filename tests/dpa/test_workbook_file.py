import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from dpa.errors import SourceEmpty, SourceError, SourceUnreadable
from dpa.workbook_file import open_workbook

FIXTURES = Path(__file__).parent / "fixtures" / "excel"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "erp.xlsx"


def saved(path: Path, *sheets: str) -> Path:
    book = Workbook()
    assert book.active is not None
    book.active["A1"] = 1
    for name in sheets:
        book.create_sheet(name)["A1"] = 1
    book.create_chartsheet("Graphique")
    book.save(path)
    return path


def repacked(path: Path, changes: dict[str, bytes]) -> Path:
    """Rewrite members of a zipped workbook, or add them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | changes).items():
            archive.writestr(name, content)
    return path


def test_a_workbook_names_its_sheets_but_no_chart(path: Path) -> None:
    workbook = open_workbook(saved(path, "L'ERP & co"))
    assert (workbook.kind, workbook.sheets) == ("xlsx", ["Sheet", "L'ERP & co"])
    assert workbook.facts.keys() == {"Sheet", "L'ERP & co"}


@pytest.mark.parametrize("suffix", ["xls", "ods"])
def test_other_formats_are_recognised_by_their_content(suffix: str, tmp_path: Path) -> None:
    copy = tmp_path / "sans_extension"
    copy.write_bytes((FIXTURES / f"transactions.{suffix}").read_bytes())
    workbook = open_workbook(copy)
    assert (workbook.kind, workbook.sheets) == (suffix, ["Lisez-moi", "Transactions"])


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"a;b\n1;2\n", "du texte ; .*extension .csv"),
        ("a\tb".encode("utf-16"), "du texte"),
        (b"<HTML><body><table>", "une page HTML ; ouvrez-la dans Excel"),
        (b"\x09\x08\x10\x00\x00", "un classeur d'avant Excel 97"),
        (b"\x00\x01\x00\x00Standard ACE DB\x00", "une base Access ; .*.accdb"),
        (b"\x7fELF\x00\x01\x02", "un fichier d'un autre type"),
        (b"PK\x03\x04" + b"\x00" * 40, "tronqué ou abîmé"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\x00" * 600, "abîmé ou d'un format inconnu"),
    ],
)
def test_what_is_no_workbook_is_named(content: bytes, cause: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(SourceUnreadable, match=cause):
        open_workbook(path)


@pytest.mark.parametrize("content", [b"", b" \r\n"])
def test_an_empty_file_is_empty(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(SourceEmpty, match="le fichier est vide"):
        open_workbook(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="introuvable"):
        open_workbook(path)


def test_another_archive_is_no_workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "x")
    with pytest.raises(SourceUnreadable, match="une autre archive"):
        open_workbook(path)


def test_a_binary_workbook_is_refused_by_its_name(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.bin", "x")
    with pytest.raises(SourceUnreadable, match=r"\.xlsb"):
        open_workbook(path)


def test_a_password_is_named_in_each_format(tmp_path: Path) -> None:
    locked = [FIXTURES / "protege.xlsx", tmp_path / "a.xls", tmp_path / "a.ods"]
    plain = (FIXTURES / "transactions.xls").read_bytes()
    # The record after the first one (BOF, 16 bytes of data) becomes FILEPASS.
    stream = plain.index(b"\x09\x08\x10\x00\x00\x06")
    locked[1].write_bytes(plain[: stream + 20] + b"\x2f\x00" + plain[stream + 22 :])
    locked[2].write_bytes((FIXTURES / "transactions.ods").read_bytes())
    repacked(locked[2], {"META-INF/manifest.xml": b"<manifest:encryption-data/>"})
    for path in locked:
        with pytest.raises(SourceUnreadable, match="protégé par un mot de passe"):
            open_workbook(path)


def test_a_lone_cell_far_away_is_refused_before_memory_is_filled(path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    book.active["A1"] = 1
    book.active["XFD1048576"] = 2
    book.save(path)
    with pytest.raises(SourceUnreadable, match="1048576 lignes et 16384 colonnes"):
        open_workbook(path)


def test_a_lone_cell_far_away_is_refused_in_opendocument_too(tmp_path: Path) -> None:
    path = tmp_path / "a.ods"
    path.write_bytes((FIXTURES / "transactions.ods").read_bytes())
    content = (
        b'<table:table table:name="a"><table:table-row table:number-rows-repeated="1000000">'
        b'<table:table-cell table:number-columns-repeated="5000" office:value="1"/>'
        b"</table:table-row></table:table>"
    )
    with pytest.raises(SourceUnreadable, match="1000000 lignes et 5000 colonnes"):
        open_workbook(repacked(path, {"content.xml": content}))


def test_too_many_shared_strings_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpa.workbook_file.MAX_SHARED_STRINGS", 3)
    strings = b"<sst>" + b"<si><t>x</t></si>" * 4 + b"</sst>"
    with pytest.raises(SourceUnreadable, match="plus de 3 textes"):
        open_workbook(repacked(saved(path), {"xl/sharedStrings.xml": strings}))


def test_a_file_that_is_too_large_is_refused_unread(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpa.workbook_file.MAX_FILE_BYTES", 100)
    with pytest.raises(SourceUnreadable, match="Mo ; enregistrez la feuille en CSV"):
        open_workbook(saved(path))


@pytest.mark.parametrize("member", ["xl/workbook.xml", "xl/_rels/workbook.xml.rels"])
def test_broken_xml_is_refused(member: str, path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="abîmé"):
        open_workbook(repacked(saved(path), {member: b"<workbook"}))


def test_a_cut_workbook_is_refused_wherever_it_is_cut(path: Path) -> None:
    whole = saved(path).read_bytes()
    for size in range(8, len(whole), len(whole) // 12):
        path.write_bytes(whole[:size])
        with pytest.raises(SourceError):
            open_workbook(path)


def test_a_relation_may_be_absolute(path: Path) -> None:
    saved(path)
    with zipfile.ZipFile(path) as archive:
        links = archive.read("xl/_rels/workbook.xml.rels")
    absolute = links.replace(b'Target="worksheets/', b'Target="/xl/worksheets/')
    assert open_workbook(repacked(path, {"xl/_rels/workbook.xml.rels": absolute})).facts.keys()
