from pathlib import Path

import pytest

from dpa.jet_file import JetError, JetFile
from dpa.jet_table import Column, Kind, catalog, raw_rows, read_definition
from dpa.jet_values import column_texts, unreadable_reason

FIXTURES = Path(__file__).parent / "fixtures" / "access"
FILES = ["types_2000.mdb", "types_2019.accdb"]
TYPES = {
    "booleen": ["VRAI", "FAUX", "FAUX", "VRAI"],
    "octet": ["255", "0", "", "1"],
    "entier": ["-32768", "0", "", "1"],
    "long": ["2147483647", "0", "", "1"],
    "monetaire": ["-922337203685477.5808", "1.5", "", "0.0001"],
    "simple": ["0.1", "16777216", "", "-0.5"],
    "double": ["0.0000001", "123456789.123", "", "45"],
    "decimal": ["-1234567890123456789012345.678", "0.5", "", "12"],
    "date": ["1899-12-29 06:00:00", "1765-06-14 12:45:00", "", "2026-01-31 23:59:59"],
    "texte": ["Edéa", "Ngaoundéré 🚂 貨物", "", ""],
    "memo": ["court", "貨物 " + "é" * 300, "", "0123456789" * 2000],
    "guid": ["{01234567-89AB-CDEF-0123-456789ABCDEF}", "", "", ""],
    "objet": ["(objet binaire de 3 octets)", "(objet binaire de 5000 octets)", "", ""],
}


def table_of(name: str, table: str) -> dict[str, list[str]]:
    file = JetFile((FIXTURES / name).read_bytes())
    entry = next(entry for entry in catalog(file) if entry.name == table)
    definition = read_definition(file, entry.page)
    rows = list(raw_rows(file, definition))
    return {
        column.name: column_texts(file, column, [row[at] for row in rows]).to_pylist()
        for at, column in enumerate(definition.columns)
        if not unreadable_reason(column)
    }


@pytest.mark.parametrize("name", FILES)
def test_each_type_is_written_exactly(name: str) -> None:
    assert table_of(name, "Types") == TYPES


@pytest.mark.parametrize("name", FILES)
def test_deleted_rows_are_gone_and_the_others_are_there(name: str) -> None:
    kept = [n for n in range(300) if n % 3]
    assert table_of(name, "Supprimees") == {
        "n": [str(n) for n in kept],
        "texte": [f"ligne {n}" for n in kept],
    }


@pytest.mark.parametrize("name", FILES)
def test_rows_that_moved_are_found_where_they_went(name: str) -> None:
    assert table_of(name, "Deplacees") == {
        "n": [str(n) for n in range(200)],
        "texte": ["x" if n % 10 else "貨" * 250 for n in range(200)],
    }


def test_a_big_integer_is_exact() -> None:
    assert table_of("types_2019.accdb", "Grand") == {"n": ["9007199254740993"]}


def column(code: int, is_calculated: bool = False) -> Column:
    return Column("c", code, 0, True, is_calculated, 0, 8, 0)


@pytest.mark.parametrize(
    ("unread", "reason"),
    [
        (column(Kind.LONG, is_calculated=True), "colonne calculée"),
        (column(Kind.EXTENDED_DATE), "date étendue"),
        (column(Kind.ATTACHMENT), "pièce jointe ou valeurs multiples"),
        (column(99), "type 99 inconnu"),
        (column(Kind.LONG), None),
    ],
)
def test_what_cannot_be_read_right_has_a_reason(unread: Column, reason: str | None) -> None:
    assert unreadable_reason(unread) == reason


@pytest.mark.parametrize(
    ("code", "value", "cause"),
    [
        (Kind.LONG, b"\x01", "longueur inattendue"),
        (Kind.DATE, b"\x00\x00\x00\x00\x00\x00\xf8\x7f", "hors du calendrier"),
        (Kind.DATE, b"\x00\x00\x00\x00\x00\x00\xf0\x7e", "hors du calendrier"),
    ],
)
def test_a_value_of_another_type_is_refused(code: int, value: bytes, cause: str) -> None:
    file = JetFile((FIXTURES / "types_2000.mdb").read_bytes())
    with pytest.raises(JetError, match=cause):
        column_texts(file, column(code), [value])
