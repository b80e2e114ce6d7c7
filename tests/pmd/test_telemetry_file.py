import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pytest

from pmd.errors import MissingColumns, UnusableFile
from pmd.telemetry_file import Source, read_table, write_atomically, write_csv


def file(folder: Path, content: bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(content)
    return path


def test_cells_are_text_beside_their_line(tmp_path: Path) -> None:
    table = read_table(file(tmp_path, b"a,b\n1,x\n\n2,y\n"))
    assert table.cells.to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}
    assert table.cells.index.tolist() == [2, 4]
    digest = hashlib.sha256(b"a,b\n1,x\n\n2,y\n").hexdigest()
    assert table.source == Source(tmp_path / "t.csv", 2, digest)


def test_bom_crlf_and_quotes_are_read(tmp_path: Path) -> None:
    table = read_table(file(tmp_path, b'\xef\xbb\xbfa [K],"b,c"\r\n"1,5",2\r\n'))
    assert list(table.cells.columns) == ["a [K]", "b,c"]
    assert table.cells["a [K]"].tolist() == ["1,5"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1", "1 champs au lieu de 2"),
        (b"1,2,3", "3 champs au lieu de 2"),
        (b'"1,2', "guillemets mal fermés"),
    ],
)
def test_a_broken_line_is_rejected_alone(tmp_path: Path, line: bytes, reason: str) -> None:
    table = read_table(file(tmp_path, b"a,b\n" + line + b"\n3,4\n"))
    assert table.cells["a"].tolist() == ["3"]
    assert table.rejects.to_dict("records") == [
        {"file": "t.csv", "line": 2, "reason": reason, "content": line.decode()}
    ]
    assert table.source.rows == 2


def test_bytes_that_are_not_utf8_spoil_their_row_alone(tmp_path: Path) -> None:
    table = read_table(file(tmp_path, b"a,b\n1,\xff\n2,y\n"))
    assert table.cells["b"].tolist() == ["\ufffd", "y"]


@pytest.mark.parametrize("content", [b"", b"\n", b" , \n1,2\n"])
def test_a_file_without_header_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnusableFile, match="vide"):
        read_table(file(tmp_path, content))


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert read_table(file(tmp_path, b"a,b\n")).source.rows == 0


def test_an_open_quote_in_the_header_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="guillemets mal fermés dans l'en-tête"):
        read_table(file(tmp_path, b'"a,b\n1,2\n'))


def test_a_repeated_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="'a'"):
        read_table(file(tmp_path, b"a,b,a\n1,2,3\n"))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UnusableFile, match="lecture impossible"):
            read_table(path)


def test_a_missing_column_is_named_beside_those_found(tmp_path: Path) -> None:
    table = read_table(file(tmp_path, b"a,b\n1,2\n"))
    with pytest.raises(MissingColumns, match=r"\['c'\].*\['a', 'b'\]"):
        table.require(["a", "c"])


def test_instants_are_written_in_utc_with_lf_ends(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": pd.to_datetime(["2026-01-01T00:00:00+01:00"], utc=True), "x": [0.5]})
    write_csv({tmp_path / "new" / "out.csv": frame})
    assert (tmp_path / "new/out.csv").read_bytes() == b"t,x\n2025-12-31T23:00:00Z,0.5\n"


def test_instants_between_two_seconds_keep_their_microseconds(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"t": pd.to_datetime(["2026-01-01T00:00:00.25Z", "2026-01-02T00:00:00.00Z"])}
    )
    write_csv({tmp_path / "t.csv": frame})
    assert read_table(tmp_path / "t.csv").cells["t"].tolist() == [
        "2026-01-01T00:00:00.250000Z", "2026-01-02T00:00:00.000000Z",
    ]  # fmt: skip


def test_a_write_that_fails_leaves_every_old_file_and_nothing_beside(tmp_path: Path) -> None:
    path, other = file(tmp_path, b"old"), tmp_path / "other.csv"

    def fail(out: BinaryIO) -> None:
        out.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UnusableFile, match=r"other\.csv : écriture impossible"):
        write_atomically({path: lambda out: out.write(b"new"), other: fail})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_place_of_a_file_changes_no_other_file(tmp_path: Path) -> None:
    path = file(tmp_path, b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnusableFile, match="folder : écriture impossible"):
        write_atomically(
            {path: lambda out: out.write(b"new"), tmp_path / "folder": lambda out: out.write(b"x")}
        )
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
def test_a_link_stays_and_a_device_is_refused(tmp_path: Path) -> None:
    path, link, device = file(tmp_path, b"old"), tmp_path / "link.csv", tmp_path / "device"
    link.symlink_to(path)
    write_atomically({link: lambda out: out.write(b"new")})
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UnusableFile, match="loop : écriture impossible"):
        write_atomically({loop: lambda out: out.write(b"x")})
    os.mkfifo(device)
    with pytest.raises(UnusableFile, match=r"device.*pas un fichier ordinaire"):
        write_atomically({path: lambda out: out.write(b"x"), device: lambda out: out.write(b"x")})
    assert device.is_fifo()
    assert path.read_bytes() == b"new"


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    path = file(tmp_path, b"old")
    with pytest.raises(UnusableFile, match=r"out\.csv"):
        write_atomically({path / "out.csv": lambda out: out.write(b"x")})


def test_a_parquet_file_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "table.PARQUET"
    when = pd.to_datetime(["2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"])
    frame = pd.DataFrame({"when": when, " x": [0.1 + 0.2, None], "name": ["é", None]})
    frame["kind"] = frame["name"].astype("category")
    frame.set_index("when").to_parquet(path)
    table = read_table(path)
    assert list(table.cells.columns) == ["x", "name", "kind", "when"]
    assert table.cells["x"].tolist()[0] == 0.1 + 0.2
    assert table.cells["when"].tolist() == list(when)
    assert table.cells["kind"].tolist()[0] == "é"
    assert table.cells.index.tolist() == [1, 2]
    assert table.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.source.rows == 2


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    for name, values in (("b", [3]), ("a", [1, 2])):
        pd.DataFrame({"x": values}).to_parquet(tmp_path / f"{name}.parquet")
    table = read_table(tmp_path)
    assert table.cells["x"].tolist() == [1, 2, 3]
    assert table.cells.index.tolist() == [1, 2, 3]
    pd.DataFrame({"y": ["z"]}).to_parquet(tmp_path / "c.parquet")
    assert list(read_table(tmp_path).cells.columns) == ["x", "y"]
    pd.DataFrame({"x": ["text"]}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(UnusableFile, match="colonnes différentes"):
        read_table(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n"])
def test_what_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(content)
    with pytest.raises(UnusableFile, match="Parquet"):
        read_table(path)


@pytest.mark.parametrize("line", ["3,4,5", '"3",4,5'])
def test_of_a_csv_only_the_wanted_columns_are_read(tmp_path: Path, line: str) -> None:
    table = read_table(file(tmp_path, f"c,a,b\n0,1,2\n{line}\n9\n".encode()), {"b", "c", "z"})
    assert table.cells.to_dict("list") == {"c": ["0", "3"], "b": ["2", "5"]}
    assert table.rejects["line"].tolist() == [4]
    assert table.columns == ("c", "a", "b")
    with pytest.raises(MissingColumns, match=r"\['z'\].*'a'"):
        table.require(["a", "z"])


def test_of_a_csv_without_a_wanted_column_the_lines_are_still_counted(tmp_path: Path) -> None:
    table = read_table(file(tmp_path, b'a,b\n1,2\n"3",4\n'), {"z"})
    assert (list(table.cells.columns), table.source.rows) == ([], 2)


def test_of_parquet_only_the_wanted_columns_are_read(tmp_path: Path) -> None:
    pd.DataFrame({" x": [1, 2], "y": [3, 4]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"w": [5], " x": [6]}).to_parquet(tmp_path / "b.parquet")
    table = read_table(tmp_path, {"x"})
    assert table.cells.to_dict("list") == {"x": [1, 2, 6]}
    assert table.columns == ("x", "y", "w")
