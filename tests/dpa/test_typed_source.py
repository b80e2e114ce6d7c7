import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dpa.errors import MissingColumns
from dpa.mapping import Mapping
from dpa.typed_source import PART_ROWS, TypedRows, transaction_source

HEADER = ("transaction_id", "machine_id", "date", "volume_transferred", "status_code")


def rows_of(volumes: list[str], typed: list[bool]) -> TypedRows:
    count = len(volumes)
    columns = [[f"T{n}" for n in range(count)], ["M"] * count, ["2026-01-02"] * count, volumes]
    cells = pa.table([*columns, ["OK"] * count], [str(at) for at in range(5)])
    numbers = [np.zeros(count, dtype=bool) for _ in HEADER]
    numbers[3] = np.array(typed)
    return TypedRows(cells, np.arange(2, count + 2), numbers, blank_lines=4)


def test_typed_volumes_take_the_decimal_mark_of_the_texts_beside_them() -> None:
    rows = rows_of(["12.5", "1.250,75", "x.y"], [True, False, False])
    source = transaction_source(Path("a.xlsx"), "0", "F", HEADER, rows, Mapping())
    assert source.conventions.decimal == ","
    assert source.parts[0].read().cells["3"].to_pylist() == ["12,5", "1.250,75", "x.y"]


def test_typed_volumes_take_the_decimal_mark_of_the_mapping() -> None:
    rows = rows_of(["12.5", "3"], [True, True])
    source = transaction_source(Path("a.xlsx"), "0", "F", HEADER, rows, Mapping(decimal=","))
    assert source.parts[0].read().cells["3"].to_pylist() == ["12,5", "3"]


def test_typed_dates_are_read_beside_the_formats_of_the_mapping() -> None:
    rows = rows_of(["1"], [True])
    mapping = Mapping(date_formats=("%d-%b-%y",))
    source = transaction_source(Path("a.xlsx"), "0", "F", HEADER, rows, mapping)
    assert source.conventions.date_formats == ("%d-%b-%y", "%Y-%m-%d")


def test_rows_are_cut_into_parts_and_blank_lines_counted_once() -> None:
    count = PART_ROWS + 3
    rows = rows_of(["1"] * count, [True] * count)
    source = transaction_source(Path("a.xlsx"), "0", "F", HEADER, rows, Mapping())
    parts = [part.read() for part in source.parts]
    assert [part.rows for part in parts] == [PART_ROWS, 3]
    assert [part.blank_lines for part in parts] == [4, 0]
    assert parts[1].lines.tolist() == [PART_ROWS + 2, PART_ROWS + 3, PART_ROWS + 4]


def test_a_default_stands_for_an_absent_volume() -> None:
    rows = rows_of(["1"], [True])
    header = (*HEADER[:3], "autre", HEADER[4])
    mapping = Mapping.model_validate({"defaults": {"volume_transferred": "0"}})
    source = transaction_source(Path("a.xlsx"), "0", "F", header, rows, mapping)
    assert source.columns["volume_transferred"] is None
    assert source.defaults == {"volume_transferred": "0"}
    with pytest.raises(MissingColumns, match="volume_transferred"):
        transaction_source(Path("a.xlsx"), "0", "F", header, rows, Mapping())


def test_a_part_travels_without_the_rows_of_the_others() -> None:
    rows = rows_of(["1"] * (PART_ROWS + 1), [True] * (PART_ROWS + 1))
    part = transaction_source(Path("a.xlsx"), "0", "F", HEADER, rows, Mapping()).parts[1]
    sent = pickle.dumps(part)
    assert len(sent) < 10_000
    received = pickle.loads(sent)  # noqa: S301 (written two lines above)
    assert received.read().cells.equals(part.read().cells)


def test_texts_that_nothing_proves_are_doubtful_whatever_the_typed_numbers_beside_them() -> None:
    rows = rows_of(["1,234", "12,345", "1234.5"], [False, False, True])
    source = transaction_source(Path("a.xlsx"), "0", "F", HEADER, rows, Mapping())
    assert (source.conventions.decimal, source.doubtful.triples) == (",", 2)
    rows = rows_of(["1,234", "12,5", "1234.5"], [False, False, True])
    assert (
        transaction_source(Path("a.xlsx"), "0", "F", HEADER, rows, Mapping()).doubtful.triples == 0
    )
