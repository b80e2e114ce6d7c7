import struct
from pathlib import Path

import pytest

from dpa.jet_file import JetError, JetFile
from dpa.jet_table import (
    Column,
    Definition,
    _cut_jet3,
    _cut_jet4,
    catalog,
    raw_rows,
    read_definition,
)

FIXTURES = Path(__file__).parent / "fixtures" / "access"
MDB = (FIXTURES / "transactions_2000.mdb").read_bytes()

LONG = Column("n", 4, 0, True, False, 0, 4, 0)
FIRST = Column("a", 10, 1, False, False, 0, 0, 0)
SECOND = Column("b", 10, 2, False, False, 1, 0, 0)
FLAG = Column("f", 1, 3, True, False, 4, 0, 0)
COLUMNS = (LONG, FIRST, SECOND, FLAG)


def test_the_catalog_lists_what_a_user_sees() -> None:
    file = JetFile((FIXTURES / "types_2019.accdb").read_bytes())
    assert [entry.name for entry in catalog(file)] == [
        "Types",
        "Supprimees",
        "Deplacees",
        "Calculees",
        "DateEtendue",
        "Grand",
        "Vide",
    ]


def transactions(file: JetFile) -> Definition:
    return read_definition(file, catalog(file)[0].page)


def test_a_definition_names_its_columns() -> None:
    found = transactions(JetFile(MDB))
    assert [column.name for column in found.columns] == [
        "transaction_id",
        "machine_id",
        "date",
        "volume_transferred",
        "status_code",
    ]
    assert found.rows == 50


@pytest.mark.parametrize("announced", [49, 51])
def test_another_number_of_rows_than_announced_is_refused(announced: int) -> None:
    file = JetFile(MDB)
    at = transactions(file).page * 4096 + 16
    file = JetFile(MDB[:at] + struct.pack("<I", announced) + MDB[at + 4 :])
    with pytest.raises(JetError, match=f"annonce {announced} lignes, 50 sont lisibles"):
        list(raw_rows(file, transactions(file)))


def jet4_row(mask: int, texts: tuple[bytes, bytes] = (b"ab", b"c")) -> bytes:
    first, second = texts
    start = 2 + 4
    ends = [start, start + len(first), start + len(first) + len(second)]
    offsets = b"".join(struct.pack("<H", end) for end in reversed(ends))
    return (
        struct.pack("<HI", 4, 7) + first + second + offsets + struct.pack("<H", 2) + bytes([mask])
    )


def test_a_row_gives_its_values_in_the_order_of_the_columns() -> None:
    assert _cut_jet4(jet4_row(0b1111), COLUMNS) == [b"\x07\0\0\0", b"ab", b"c", True]


def test_the_mask_of_a_row_tells_what_is_null() -> None:
    assert _cut_jet4(jet4_row(0b0010), COLUMNS) == [None, b"ab", None, False]


def test_a_column_that_is_younger_than_the_row_is_null() -> None:
    younger = Column("z", 10, 9, False, False, 5, 0, 0)
    assert _cut_jet4(jet4_row(0b1111), (*COLUMNS, younger))[-1] is None
    unmasked = Column("z", 10, 3, False, False, 5, 0, 0)
    assert _cut_jet4(jet4_row(0b1111), (LONG, FIRST, unmasked))[-1] is None


def test_values_that_leave_their_row_are_refused() -> None:
    with pytest.raises(JetError, match="hors de sa ligne"):
        _cut_jet4(jet4_row(0b1111), (Column("n", 4, 0, True, False, 4, 8, 0), FIRST))
    row = bytearray(jet4_row(0b1111))
    row[-5:-3] = b"\xff\x00"
    with pytest.raises(JetError, match="se chevauchent"):
        _cut_jet4(bytes(row), COLUMNS)


@pytest.mark.parametrize("cut", [_cut_jet3, _cut_jet4])
def test_a_row_shorter_than_its_mask_is_refused(cut: object) -> None:
    assert callable(cut)
    with pytest.raises(JetError, match="plus courte"):
        cut(b"\x40\x00\x00", COLUMNS)


def jet3_row(first: bytes, second: bytes) -> bytes:
    """Lay out a row of Access 97, whose offsets are single bytes with a table of jumps."""
    start = 1 + 4
    ends = [start, start + len(first), start + len(first) + len(second)]
    fixed = bytes([4]) + struct.pack("<I", 7)
    length = len(fixed) + len(first) + len(second) + 3 + 1 + 1
    jumps = bytearray()
    for hundreds in range(1, (length + (length - 1) // 256 - 1) // 256 + 1):
        # The first value whose offset is beyond that many times 256; 255 when none is.
        jumps.append(next((at for at, end in enumerate(ends) if end >= hundreds * 256), 255))
    offsets = bytes(end % 256 for end in reversed(ends))
    return fixed + first + second + offsets + bytes(reversed(jumps)) + bytes([2, 0b1111])


@pytest.mark.parametrize("sizes", [(2, 1), (0, 0), (200, 30), (254, 100), (10, 250), (300, 300)])
def test_long_rows_of_access_97_have_jumps(sizes: tuple[int, int]) -> None:
    first, second = b"x" * sizes[0], b"y" * sizes[1]
    assert _cut_jet3(jet3_row(first, second), COLUMNS) == [b"\x07\0\0\0", first, second, True]
