import csv
import io
import os
import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from dpa.access_source import extract_from_access, read_access_source
from dpa.errors import MissingColumns, SourceEmpty, SourceError, SourceUnreadable
from dpa.jet_file import JetFile
from dpa.jet_table import catalog, raw_rows, read_definition
from dpa.jet_values import column_texts
from dpa.mapping import Mapping

FIXTURES = Path(__file__).parent / "fixtures" / "access"
FILES = ["transactions_2000.mdb", "transactions_2007.accdb", "transactions_2010.accdb"]
TYPED = Mapping.model_validate(
    {
        "columns": {
            "transaction_id": "long",
            "machine_id": "texte",
            "date": "date",
            "volume_transferred": "monetaire",
            "status_code": "octet",
        }
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "erp.accdb"


@pytest.mark.parametrize("name", FILES)
def test_rows_know_their_table_and_their_ordinal(name: str) -> None:
    source = read_access_source(FIXTURES / name, Mapping(), None)
    raw = source.parts[0].read()
    assert (source.sheet, source.notes) == ("Transactions", ())
    assert raw.lines.tolist() == list(range(1, 51))
    assert raw.cells.to_pylist()[0] == {
        "0": "TRX-000001",
        "1": "MACH-019",
        "2": "2026-01-01 01:01:24",
        "3": "37.27",
        "4": "OK",
    }


def test_the_table_that_has_the_columns_is_chosen_and_said() -> None:
    source = read_access_source(FIXTURES / "types_2019.accdb", TYPED, None)
    raw = source.parts[0].read()
    assert source.notes == ("Table lue : « Types » (la base en a 7).",)
    assert (raw.lines.tolist(), raw.blank_lines) == ([1, 2, 3, 4], 0)


@pytest.mark.parametrize("asked", ["Types", "TYPES", "1"])
def test_a_table_is_asked_for_by_name_or_by_number(asked: str) -> None:
    path = FIXTURES / "types_2019.accdb"
    assert read_access_source(path, TYPED, asked).sheet == "Types"
    by_mapping = TYPED.model_copy(update={"sheet": asked})
    assert read_access_source(path, by_mapping, None).sheet == "Types"


@pytest.mark.parametrize("asked", ["Absente", "0", "8"])
def test_a_table_that_is_not_there_is_named_with_those_that_are(asked: str) -> None:
    with pytest.raises(SourceUnreadable, match=f"« {asked} » ; .*« Types », « Supprimees »"):
        read_access_source(FIXTURES / "types_2019.accdb", TYPED, asked)


def test_missing_columns_are_told() -> None:
    with pytest.raises(MissingColumns, match=r"trouvées : n, texte\."):
        read_access_source(FIXTURES / "types_2000.mdb", Mapping(), "Deplacees")


def of_columns(volume: str, other: str) -> Mapping:
    names = {"transaction_id": "n", "machine_id": other, "volume_transferred": volume}
    return Mapping.model_validate(
        {"columns": names, "defaults": {"date": "2026-01-01", "status_code": "OK"}}
    )


@pytest.mark.parametrize(
    ("table", "column", "reason"),
    [
        ("Calculees", "double_de_n", "colonne calculée"),
        ("DateEtendue", "quand", "date étendue"),
    ],
)
def test_a_column_that_cannot_be_read_right_is_refused_where_it_matters(
    table: str, column: str, reason: str
) -> None:
    path = FIXTURES / "types_2019.accdb"
    with pytest.raises(SourceUnreadable, match=rf"« {column} » .*\({reason}\)"):
        read_access_source(path, of_columns(column, "n"), table)
    source = read_access_source(path, of_columns("n", "n"), table)
    assert source.notes[1:] == (f"Colonne « {column} » non lue ({reason}).",)
    assert source.parts[0].read().cells["1"].to_pylist() == [""]


def test_a_table_without_rows_is_empty() -> None:
    mapping = Mapping.model_validate(
        {
            "columns": {"transaction_id": "a"},
            "defaults": {
                "machine_id": "M1",
                "date": "2026-01-01",
                "volume_transferred": "1",
                "status_code": "OK",
            },
        }
    )
    with pytest.raises(SourceEmpty, match="« Vide » n'a aucune ligne"):
        read_access_source(FIXTURES / "types_2019.accdb", mapping, "Vide")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"a;b\n1;2\n", "du texte ; .*.csv"),
        (b"PK\x03\x04" + b"\0" * 200, "un classeur ou une archive"),
        (b"\x7fELF\0\0", "un fichier d'un autre type"),
        (b"\x00\x01\x00\x00Standard ACE DB\x00" + b"\x02" + b"\0" * 20, "tronquée ou abîmée"),
    ],
)
def test_what_is_no_database_is_named(content: bytes, cause: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(SourceUnreadable, match=cause):
        read_access_source(path, Mapping(), None)


def test_an_empty_file_is_empty(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(SourceEmpty, match="le fichier est vide"):
        read_access_source(path, Mapping(), None)


@pytest.mark.parametrize(("at", "cause"), [(0x3E, "chiffrée"), (0x42, "un mot de passe protège")])
def test_a_locked_database_is_refused_with_the_remedy(at: int, cause: str, path: Path) -> None:
    data = bytearray((FIXTURES / FILES[2]).read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(SourceUnreadable, match=rf"{cause}.* ôtez le mot de passe"):
        read_access_source(path, Mapping(), None)


def test_an_impossible_date_in_the_header_is_a_refusal(path: Path) -> None:
    data = (FIXTURES / FILES[0]).read_bytes()
    created = JetFile(data)._header[0x72:0x7A]
    mask = (a ^ b for a, b in zip(created, struct.pack("<d", float("inf")), strict=True))
    header = bytes(byte ^ bit for byte, bit in zip(data[0x72:0x7A], mask, strict=True))
    path.write_bytes(data[:0x72] + header + data[0x7A:])
    with pytest.raises(SourceUnreadable, match="tronquée ou abîmée"):
        read_access_source(path, Mapping(), None)


def test_a_database_whose_rows_do_not_add_up_is_refused(path: Path) -> None:
    data = (FIXTURES / FILES[2]).read_bytes()
    at = catalog(JetFile(data))[0].page * 4096 + 16
    path.write_bytes(data[:at] + struct.pack("<I", 51) + data[at + 4 :])
    with pytest.raises(SourceUnreadable, match=r"annonce 51 lignes, 50 sont lisibles.*Compacter"):
        read_access_source(path, Mapping(), None)


def test_a_linked_table_is_refused(path: Path) -> None:
    data = (FIXTURES / FILES[0]).read_bytes()
    file = JetFile(data)
    definition = read_definition(file, 2)
    kind_at = next(column.at for column in definition.columns if column.name == "Type")
    rows = file.rows_of(2, definition.usage_map)
    row = next(row for row in rows if "Transactions".encode("utf-16-le") in row)
    linked = bytearray(row)
    linked[2 + kind_at : 4 + kind_at] = struct.pack("<H", 6)
    path.write_bytes(data.replace(row, bytes(linked)))
    with pytest.raises(SourceUnreadable, match="« Transactions » est liée à une autre base"):
        read_access_source(path, Mapping(), "Transactions")
    with pytest.raises(SourceEmpty, match="aucune table à elle"):
        read_access_source(path, Mapping(), None)


def test_a_damaged_database_is_refused_or_read_whole_wherever_the_damage_is(path: Path) -> None:
    data = (FIXTURES / FILES[0]).read_bytes()
    outcomes = set()
    for at in range(0, len(data), 997):
        path.write_bytes(data[:at] + b"\xff\xff" + data[at + 2 :])
        with suppress(SourceError):
            outcomes.add(read_access_source(path, Mapping(), None).parts[0].read().rows)
    assert outcomes == {50}


def test_a_cut_database_is_refused(path: Path) -> None:
    data = (FIXTURES / FILES[0]).read_bytes()
    for size in range(200, len(data) - 4096, len(data) // 12):
        path.write_bytes(data[:size])
        with pytest.raises(SourceError):
            read_access_source(path, Mapping(), None)


def test_an_analyst_gets_a_table_as_text_without_what_cannot_be_read_right() -> None:
    frame = extract_from_access(FIXTURES / FILES[2])
    assert frame.loc[34].to_list()[1:] == ["MACH-004", "2026-01-02", "28.14", "OK"]
    assert frame.index.name == "ligne"
    calculated = extract_from_access(str(FIXTURES / "types_2019.accdb"), "Calculees")
    assert calculated.to_dict("list") == {"n": ["21"]}
    assert extract_from_access(FIXTURES / "types_2019.accdb", 7).empty


def exported(path: Path, table: str) -> list[dict[str, str]]:
    """Read a table with mdb-export, whose NULL is written as an empty text."""
    done = subprocess.run(
        ["mdb-export", "-D", "%Y-%m-%d", "-T", "%Y-%m-%d %H:%M:%S", path, table],
        capture_output=True,
        check=True,
        env=os.environ | {"MDB_JET3_CHARSET": "cp1252"},
    )
    return list(csv.DictReader(io.StringIO(done.stdout.decode("utf-8"), newline="")))


WRONG_IN_MDBTOOLS = {
    ("Types", "date"): "dates before 1899-12-30",
    ("Types", "texte"): "characters outside the basic plane",
    ("Types", "guid"): "the last dash is missing",
    ("Types", "objet"): "we only describe it",
    ("Calculees", "double_de_n"): "calculated columns",
    ("DateEtendue", "quand"): "extended dates",
    ("Grand", "n"): "big integers",
}
FLAGS = {"VRAI": "1", "FAUX": "0"}


def comparable(text: str) -> str:
    """Write numbers with the 12 digits that mdb-export is sure of, and days without their hour."""
    try:
        return f"{float(FLAGS.get(text, text)):.12g}"
    except ValueError:
        return text.removesuffix(" 00:00:00")


@pytest.mark.mdbtools
@pytest.mark.skipif(not shutil.which("mdb-export"), reason="mdb-export is not on the PATH")
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.*db")), ids=lambda path: path.name)
def test_tables_are_those_that_mdbtools_reads(path: Path) -> None:
    file = JetFile(path.read_bytes())
    for entry in catalog(file):
        definition = read_definition(file, entry.page)
        columns = [
            (at, column)
            for at, column in enumerate(definition.columns)
            if (entry.name, column.name) not in WRONG_IN_MDBTOOLS
        ]
        rows = list(raw_rows(file, definition))
        theirs = exported(path, entry.name) if columns else []
        for at, column in columns:
            ours = column_texts(file, column, [row[at] for row in rows]).to_pylist()
            # mdb-export gives rows that have moved in another order.
            assert sorted(map(comparable, ours)) == sorted(
                comparable(row[column.name]) for row in theirs
            )
