"""CSV exports, whatever their dialect, become parts."""

import hashlib
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpa import csv_source
from dpa.csv_records import cut_lines
from dpa.csv_source import read_csv_source
from dpa.errors import MissingColumns, SourceEmpty, SourceError, SourceUnreadable
from dpa.mapping import Mapping
from dpa.parts import RawPart, TransactionSource

HEADER = "transaction_id,machine_id,date,volume_transferred,status_code\n"
ROW = "T1,M1,2026-01-05,12.5,OK\n"
ACCENTED = "T1,Édéa,05/01/2026,12.5,OK\n"


def written(folder: Path, data: str | bytes) -> Path:
    path = folder / "f.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def mapping(**keys: object) -> Mapping:
    return Mapping.model_validate(keys)


def rows_of(part: RawPart) -> list[list[str]]:
    columns = [column.to_pylist() for column in part.cells.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def rows(source: TransactionSource) -> list[list[str]]:
    return [row for part in source.parts for row in rows_of(part.read())]


def lines(source: TransactionSource) -> list[int]:
    return [line for part in source.parts for line in part.read().lines.tolist()]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "FIRST_BYTES", 16)
    monkeypatch.setattr(csv_source, "PART_BYTES", 32)
    monkeypatch.setattr(csv_source, "_SEARCHED_LINES", 2)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_common_dialects_read_alike_without_being_declared(
    tmp_path: Path, encoding: str, newline: str, delimiter: str
) -> None:
    text = (HEADER + ACCENTED * 2).replace(",", delimiter).replace("\n", newline)
    data = text.encode(encoding)
    found = read_csv_source(written(tmp_path, data), Mapping())
    assert rows(found) == [["T1", "Édéa", "05/01/2026", "12.5", "OK"]] * 2
    assert lines(found) == [2, 3]
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert [note for note in found.notes if "cp1252" in note] == list(found.notes)
    assert bool(found.notes) == (encoding == "cp1252")


def test_cells_stay_as_written(tmp_path: Path) -> None:
    found = read_csv_source(written(tmp_path, HEADER + "007,N/A,null, 12 ,NaN\n"), Mapping())
    assert rows(found) == [["007", "N/A", "null", " 12 ", "NaN"]]


def test_other_columns_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "note," + HEADER + "à revoir," + ROW)
    found = read_csv_source(path, Mapping())
    assert (found.header[0], found.columns["transaction_id"]) == ("note", 1)
    assert rows(found)[0][0] == "à revoir"


def test_a_mapping_names_columns_encoding_and_delimiter(tmp_path: Path) -> None:
    text = "Réf|Engin|Jour|Poids (€)|État\nT1|M1|05/01/2026|12,5|bon\n"
    names = ["Réf", "Engin", "Jour", "Poids (€)", "État"]
    columns = dict(zip(HEADER.strip().split(","), names, strict=True))
    declared = mapping(columns=columns, encoding="iso-8859-15", delimiter="|")
    found = read_csv_source(written(tmp_path, text.encode("iso-8859-15")), declared)
    assert found.header == tuple(names)
    assert found.conventions.decimal == ","


def test_the_first_rows_tell_the_decimal_mark_and_a_declaration_beats_them(tmp_path: Path) -> None:
    path = written(tmp_path, (HEADER + ROW).replace(",", ";").replace("12.5", "12,5"))
    found = read_csv_source(path, Mapping())
    assert found.conventions.decimal == ","
    assert [note for note in found.notes if "virgule" in note]
    assert read_csv_source(path, mapping(decimal=".")).conventions.decimal == "."


def test_the_decimal_mark_is_looked_for_beyond_whole_numbers(
    tmp_path: Path, small_parts: None
) -> None:
    whole = ROW.replace("12.5", "12") + ROW.replace("12.5", "n.c.")
    text = (HEADER + whole * 4 + ROW.replace("12.5", "12#500")).replace(",", ";").replace("#", ",")
    found = read_csv_source(written(tmp_path, text), Mapping())
    assert len(found.parts) > 2
    assert found.conventions.decimal == ","


def test_an_absent_volume_column_tells_no_decimal_mark(tmp_path: Path) -> None:
    text = HEADER.replace("volume_transferred,", "") + "T1,M1,2026-01-05,OK\n"
    found = read_csv_source(written(tmp_path, text), mapping(defaults={"volume_transferred": "1"}))
    assert (found.columns["volume_transferred"], found.conventions.decimal) == (None, ".")
    assert found.defaults == {"volume_transferred": "1"}


@pytest.mark.parametrize("first", ["sep=;\n", "\nsep=;\r\n", "SEP=;\n\n"])
def test_excels_line_that_declares_the_delimiter_is_no_header(tmp_path: Path, first: str) -> None:
    text = first + (HEADER + ROW).replace(",", ";").replace("M1", "M,1,a,b,c,d,e")
    found = read_csv_source(written(tmp_path, text), Mapping())
    assert found.columns["transaction_id"] == 0
    assert lines(found) == [first.count("\n") + 2]


def test_blank_lines_above_the_header_are_counted_and_keep_the_numbers(tmp_path: Path) -> None:
    found = read_csv_source(written(tmp_path, "\n  \n" + HEADER + ROW + "\n"), Mapping())
    assert lines(found) == [4]
    assert sum(part.read().blank_lines for part in found.parts) == 3


def test_a_mapping_tells_the_line_of_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, "Export du 5;;\n\nsep=;\n" + (HEADER + ROW).replace(",", ";"))
    found = read_csv_source(path, mapping(header_row=4))
    assert (lines(found), found.columns["date"]) == ([5], 2)
    with pytest.raises(SourceEmpty, match="ligne 6"):
        read_csv_source(path, mapping(header_row=6))


def test_a_first_line_that_declares_no_delimiter_of_ours_is_a_header(tmp_path: Path) -> None:
    with pytest.raises(MissingColumns, match="sep=€"):
        read_csv_source(written(tmp_path, "sep=€\n" + HEADER), Mapping())


@pytest.mark.usefixtures("small_parts")
def test_a_header_line_far_below_is_reached(tmp_path: Path) -> None:
    path = written(tmp_path, "titre\n" * 50 + HEADER + ROW)
    assert lines(read_csv_source(path, mapping(header_row=51))) == [52]


@pytest.mark.usefixtures("small_parts")
def test_a_header_longer_than_the_first_reading_is_read_whole(tmp_path: Path) -> None:
    text = "\n" * 40 + "x" * 200 + "," + HEADER + "y," + ROW
    found = read_csv_source(written(tmp_path, text), Mapping())
    assert len(found.header) == 6
    assert lines(found) == [42]


def test_a_text_without_line_ends_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_source, "FIRST_BYTES", 16)
    monkeypatch.setattr(csv_source, "MAX_HEADER_BYTES", 64)
    with pytest.raises(SourceUnreadable, match="en-tête"):
        read_csv_source(written(tmp_path, "x" * 1000), Mapping())


def test_parts_can_be_read_by_another_process(tmp_path: Path) -> None:
    found = read_csv_source(written(tmp_path, HEADER + ROW), Mapping())
    again = pickle.loads(pickle.dumps(found.parts[0]))  # noqa: S301  # our own bytes
    assert rows_of(again.read()) == rows(found)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROW)
    found = read_csv_source(path, Mapping())
    os.utime(path, ns=(1, 1))
    with pytest.raises(SourceUnreadable, match="a changé"):
        found.parts[0].read()


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", SourceEmpty, ["vide"]),
        (b"\n \n", SourceEmpty, ["vide"]),
        (b"\xef\xbb\xbf\n", SourceEmpty, ["vide"]),
        (b"sep=;\n", SourceEmpty, ["vide"]),
        (HEADER, SourceEmpty, ["en-tête", "aucune ligne"]),
        (HEADER + "\n,,,,\n", SourceEmpty, ["aucune ligne"]),
        ("transaction_id,date\nT1,x\n", MissingColumns, ["machine_id", "--mapping", "header_row"]),
        ("date," + HEADER + "x," + ROW, MissingColumns, ["en double", "date"]),
        (b"\x00\x01\x02\x03 binary \x81", SourceUnreadable, ["ligne 1", "0x81"]),
        ('"transaction_id,machine_id\nT1,M1\n', MissingColumns, ["machine_id"]),
        # Valid UTF-8 above the wrong byte: the file is damaged, not in cp1252.
        ((HEADER + ACCENTED).encode() + b"T2,\xe9\n", SourceUnreadable, ["ligne 3", "0xe9"]),
        ((HEADER + ROW).encode() + b"\x81", SourceUnreadable, ["ligne 3", "0x81", "encoding"]),
        ((HEADER + ROW).encode("utf-16") + b"\x00", SourceUnreadable, ["utf-16-le"]),
    ],
)
def test_an_unusable_file_is_refused_with_its_cause(
    tmp_path: Path, data: str | bytes, error: type[SourceError], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        read_csv_source(written(tmp_path, data), Mapping())
    for word in ["f.csv", *words]:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("utf-8", (HEADER + "T1,\u20ac\n").encode("cp1252")),
        ("utf-8", (HEADER + ROW).encode("utf-16")),
        ("cp1252", HEADER.encode() + b"\x81\n"),
    ],
)
def test_a_declared_encoding_is_not_replaced(tmp_path: Path, encoding: str, data: bytes) -> None:
    with pytest.raises(SourceUnreadable, match="enregistrez le fichier en UTF-8"):
        read_csv_source(written(tmp_path, data), mapping(encoding=encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("marked", [True, False])
def test_a_declared_encoding_admits_its_mark(tmp_path: Path, encoding: str, marked: bool) -> None:
    codec = {"utf-8": ("utf-8-sig", "utf-8"), "utf-16": ("utf-16", "utf-16-le")}[encoding]
    data = (HEADER + ACCENTED).encode(codec[0] if marked else codec[1])
    found = read_csv_source(written(tmp_path, data), mapping(encoding=encoding))
    assert rows(found)[0][1] == "Édéa"


def test_a_pipe_is_refused_before_it_is_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "f.csv")
    with pytest.raises(SourceUnreadable, match="ce n'est pas un fichier"):
        read_csv_source(tmp_path / "f.csv", Mapping())


@pytest.mark.usefixtures("small_parts")
def test_a_wrong_byte_far_below_an_accent_in_utf8_is_a_damaged_byte(tmp_path: Path) -> None:
    path = written(tmp_path, (HEADER + ACCENTED + ROW * 9).encode() + b"T2,\xe9\n")
    with pytest.raises(SourceUnreadable, match="ligne 12, octet 0xe9"):
        read_csv_source(path, Mapping())


@pytest.mark.usefixtures("small_parts")
def test_a_first_accent_far_below_may_still_be_in_cp1252(tmp_path: Path) -> None:
    path = written(tmp_path, (HEADER + ROW * 9 + ACCENTED).encode("cp1252"))
    assert rows(read_csv_source(path, Mapping()))[-1][1] == "Édéa"


PIECES = ["a", "é", "€", '"', '"', ",", ",", "\n", "\n", '"x,y"', '\n"a","b","c","d","e"\n',
          "\nT1,M1,2026-01-05,1,OK\n", "\n,,,,\n", '\n1,2,3,"\n"\n,4,5\n',
          "\n\u0a0a\u0100"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


@pytest.mark.usefixtures("small_parts")
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    text=st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map("".join),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16"]),
)
def test_the_parts_of_any_text_are_those_of_the_whole(
    folder: Path, text: str, newline: str, encoding: str
) -> None:
    path = written(folder, (HEADER + text).replace("\n", newline).encode(encoding))
    body = text.removesuffix("\n").split("\n")
    whole = cut_lines(body, range(2, len(body) + 2), ",", 5)
    try:
        found = read_csv_source(path, Mapping())
    except SourceEmpty:
        assert whole.fields + whole.malformed == []
        return
    parts = [part.read() for part in found.parts]
    assert [row for part in parts for row in rows_of(part)] == whole.fields
    assert [line for part in parts for line in part.lines.tolist()] == whole.lines
    assert [line for part in parts for line in part.malformed] == whole.malformed
    assert sum(part.blank_lines for part in parts) == whole.blank_lines
    if len(text) > 200 and '"' not in text:
        assert len(parts) > 1
