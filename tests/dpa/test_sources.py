"""Reading the two input files."""

from pathlib import Path

import pytest

from dpa.errors import InvalidMachines, MissingColumns, SourceEmpty, SourceError, SourceUnreadable
from dpa.mapping import Mapping
from dpa.sources import read_machines, read_transactions

HEADER = "transaction_id,machine_id,date,volume_transferred,status_code\n"
ROW = "T1,M1,2026-01-05,12.5,OK\n"


def written(folder: Path, data: str | bytes, name: str = "f.csv") -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def mapping(**keys: object) -> Mapping:
    return Mapping.model_validate(keys)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_common_dialects_read_alike(
    tmp_path: Path, encoding: str, newline: str, delimiter: str
) -> None:
    text = (HEADER + ROW).replace(",", delimiter).replace("\n", newline)
    found = read_transactions(written(tmp_path, text.encode(encoding)), Mapping())
    assert found.table.to_dict("records") == [
        {
            "transaction_id": "T1",
            "machine_id": "M1",
            "date": "2026-01-05",
            "volume_transferred": "12.5",
            "status_code": "OK",
            "source_line": 2,
        }
    ]
    assert found.source.rows == 1


def test_cells_stay_as_written(tmp_path: Path) -> None:
    row = "007,N/A,null, 12 ,NaN\n"
    found = read_transactions(written(tmp_path, HEADER + row), Mapping())
    assert found.table.iloc[0].tolist() == ["007", "N/A", "null", " 12 ", "NaN", 2]


def test_other_columns_are_kept_in_the_records(tmp_path: Path) -> None:
    path = written(tmp_path, "note," + HEADER + "à revoir," + ROW)
    found = read_transactions(path, Mapping())
    assert found.header[0] == "note"
    assert found.records == [["à revoir", "T1", "M1", "2026-01-05", "12.5", "OK"]]


def test_a_mapping_names_columns_encoding_and_delimiter(tmp_path: Path) -> None:
    text = "Réf|Engin|Jour|Poids|État\nT1|M1|05/01/2026|12,5|bon\n"
    names = ["Réf", "Engin", "Jour", "Poids", "État"]
    columns = dict(zip(HEADER.strip().split(","), names, strict=True))
    conventions = mapping(columns=columns, encoding="cp1252", delimiter="|")
    found = read_transactions(written(tmp_path, text.encode("cp1252")), conventions)
    assert found.table["status_code"].tolist() == ["bon"]


def test_defaults_fill_empty_cells_and_absent_columns_and_are_counted(tmp_path: Path) -> None:
    header = "transaction_id,machine_id,date,volume_transferred\n"
    text = header + "T1,,2026-01-05,1\nT2,M2,2026-01-05,1\n"
    conventions = mapping(defaults={"machine_id": "M9", "status_code": "OK"})
    found = read_transactions(written(tmp_path, text), conventions)
    assert found.table["machine_id"].tolist() == ["M9", "M2"]
    assert found.table["status_code"].tolist() == ["OK", "OK"]
    assert found.defaulted == {"machine_id": 1, "status_code": 2}


def test_malformed_lines_count_as_rows(tmp_path: Path) -> None:
    found = read_transactions(written(tmp_path, HEADER + "T1,M1\n"), Mapping())
    assert (found.source.rows, len(found.table), len(found.malformed)) == (1, 0, 1)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", SourceEmpty, ["vide"]),
        (b"\n \n", SourceEmpty, ["vide"]),
        (b"\xef\xbb\xbf\n", SourceError, ["f.csv"]),
        (HEADER, SourceEmpty, ["en-tête", "aucune ligne"]),
        (HEADER + "\n\n", SourceEmpty, ["aucune ligne"]),
        ("transaction_id,date\nT1,x\n", MissingColumns, ["machine_id", "attendues", "--mapping"]),
        ("date," + HEADER + "x," + ROW, MissingColumns, ["en double", "date"]),
        (HEADER.encode() + b"T1,\xe9\n", SourceUnreadable, ["ligne 2", "0xe9", "encoding"]),
        ((HEADER + ROW).encode("utf-16"), SourceUnreadable, ["UTF-16", "--mapping"]),
        (b"PK\x03\x04\xff\xfe binary", SourceUnreadable, ["ligne 1"]),
        ('"transaction_id,machine_id\nT1,M1\n', MissingColumns, ["machine_id"]),
    ],
)
def test_an_unusable_file_is_refused_with_its_cause(
    tmp_path: Path, data: str | bytes, error: type[SourceError], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        read_transactions(written(tmp_path, data), Mapping())
    for word in ["f.csv", *words]:
        assert word in str(raised.value)


def test_a_machine_list_in_another_encoding_is_to_be_saved_again(tmp_path: Path) -> None:
    path = written(tmp_path, f"[{MACHINE}]".encode("latin-1"), "m.json")
    with pytest.raises(SourceUnreadable, match=r"octet 0xe9 .* enregistrez .* UTF-8\.$"):
        read_machines(path)


MACHINE = '{"machine_id": "M1", "site_location": "Edéa", "installation_year": 2001}'


def test_machines_are_read_with_unknown_years_and_further_keys(tmp_path: Path) -> None:
    other = MACHINE.replace("M1", " M2 ").replace("2001", 'null, "owner": "CAMRAIL"')
    text = f"[{MACHINE}, {other}]"
    found = read_machines(written(tmp_path, text, "m.json"))
    assert found.table["machine_id"].tolist() == ["M1", "M2"]
    assert found.table["installation_year"].isna().tolist() == [False, True]
    assert found.source.rows == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["vide"]),
        ("[]", ["vide"]),
        ("{", ["JSON illisible"]),
        ('{"machines": []}', ["une liste"]),
        ("[" * 100_000, ["JSON"]),
        ("[NaN]", ["JSON illisible", "NaN"]),
        ('[\n{"machine_id":', ["ligne 2, colonne 15"]),
        ("[" + "9" * 5000 + "]", ["trop de chiffres"]),
        ('[{"machine_id": "M1", "machine_id": "M2"}]', ["écrite deux fois"]),
        ("[1]", ["n° 1", "groupe de clés"]),
        ('[{"machine_id": "M1", "site_location": "Edéa"}]', ["« installation_year »", "absente"]),
        (MACHINE.join("[]").replace("2001", '"2001"'), ["n° 1", "entier"]),
        (MACHINE.join("[]").replace("2001", "3001"), ["au plus 2100"]),
        (MACHINE.join("[]").replace("2001", "true"), ["entier"]),
        (MACHINE.join("[]").replace("M1", " "), ["« machine_id »", "non vide"]),
        (MACHINE.join("[]").replace("M1", "a" * 65), ["« machine_id »", "64"]),
        (MACHINE.join("[]").replace("M1", "a\\u0007"), ["« machine_id »", "contrôle"]),
        (MACHINE.join("[]").replace("M1", "\\ud800"), ["« machine_id »", "Unicode"]),
        (MACHINE.join("[]").replace("Edéa", "Inconnu"), ["« Inconnu »", "réservé"]),
        (f"[{MACHINE}, {MACHINE}]", ["« M1 »", "n° 1 et n° 2"]),
    ],
)
def test_a_bad_machine_list_is_refused_with_its_entry(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises((InvalidMachines, SourceEmpty)) as raised:
        read_machines(written(tmp_path, text, "m.json"))
    for word in ["m.json", *words]:
        assert word in str(raised.value)
