import struct
from pathlib import Path

import pytest

from dpa.jet_file import JetError, JetFile, JetProtected, is_access

FIXTURES = Path(__file__).parent / "fixtures" / "access"
MDB = (FIXTURES / "transactions_2000.mdb").read_bytes()
ACCDB = (FIXTURES / "transactions_2010.accdb").read_bytes()


def patched(data: bytes, at: int, mask: bytes) -> bytes:
    """Flip bits of the header; its RC4 mask lets them through."""
    flipped = bytes(byte ^ bit for byte, bit in zip(data[at:], mask, strict=False))
    return data[:at] + flipped + data[at + len(mask) :]


@pytest.mark.parametrize("data", [MDB, ACCDB])
def test_an_open_database_is_recognised(data: bytes) -> None:
    assert is_access(data[:128])
    assert JetFile(data).text_encoding == "utf-16-le"


def test_the_version_is_in_the_low_byte() -> None:
    assert struct.unpack_from("<I", ACCDB, 0x14)[0] == 0x0103
    assert JetFile(ACCDB).version == 3


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(JetError, match="version 7 inconnue"):
        JetFile(ACCDB[:0x14] + b"\x07" + ACCDB[0x15:])


@pytest.mark.parametrize("data", [MDB, ACCDB])
def test_a_password_is_recognised(data: bytes) -> None:
    with pytest.raises(JetProtected, match="mot de passe"):
        JetFile(patched(data, 0x42, b"s\x00e\x00c\x00"))


@pytest.mark.parametrize("data", [MDB, ACCDB])
def test_an_encryption_is_recognised(data: bytes) -> None:
    with pytest.raises(JetProtected, match="chiffrée"):
        JetFile(patched(data, 0x3E, b"\x01"))


def test_a_database_of_access_97_has_a_code_page() -> None:
    jet3 = MDB[:0x14] + b"\x00" + MDB[0x15:]
    # The password of Jet 3 has no mask of its own: clear the one of the Jet 4 file.
    header = JetFile(MDB)._header
    jet3 = patched(jet3, 0x42, header[0x42 : 0x42 + 20])
    page = struct.unpack_from("<H", header, 0x3C)[0]
    assert JetFile(patched(jet3, 0x3C, struct.pack("<H", page ^ 1252))).text_encoding == "cp1252"


def test_a_page_of_another_kind_is_refused() -> None:
    with pytest.raises(JetError, match="page 0 absente ou d'un autre genre"):
        JetFile(MDB).page(0, b"\x01\x01")


def test_a_page_beyond_the_end_is_refused() -> None:
    with pytest.raises(JetError, match="page 99999"):
        JetFile(MDB).page(99_999, b"\x01\x01")


def test_a_definition_that_turns_in_circles_is_refused() -> None:
    at = 2 * 4096 + 4
    looping = MDB[:at] + struct.pack("<I", 2) + MDB[at + 4 :]
    with pytest.raises(JetError, match="en boucle"):
        JetFile(looping).definition(2)


@pytest.mark.parametrize(
    ("reference", "cause"),
    [
        (struct.pack("<III", 0x80000009, 0, 0) + b"abc", "incomplet"),
        (struct.pack("<III", 0x40000009, 0, 0), "page 0"),
        (struct.pack("<III", 9, 0, 0), "incomplet"),
        (struct.pack("<III", 0x3FFFFFFF, 0, 0), "plus grand que la base"),
    ],
)
def test_a_long_text_that_does_not_hold_is_refused(reference: bytes, cause: str) -> None:
    with pytest.raises(JetError, match=cause):
        JetFile(MDB).long_value(reference)


def test_a_short_memo_lies_in_its_row() -> None:
    assert JetFile(MDB).long_value(struct.pack("<III", 0x80000003, 0, 0) + b"abcd") == b"abc"


def test_a_large_table_lists_its_pages_on_pages_of_their_own() -> None:
    number = len(MDB) // 4096
    record = b"\x01" + struct.pack("<II", number + 1, 0)
    start = 4096 - len(record)
    page = b"\x01\x01" + bytes(10) + struct.pack("<HH", 1, start)
    page += bytes(start - len(page)) + record
    usage = b"\x05\x01\x00\x00" + bytes([0b1000_1000, 0b10]) + bytes(4090)
    file = JetFile(MDB + page + usage)
    assert list(file._owned_pages(number << 8)) == [3, 7, 9]


def page_of(rows: list[tuple[bytes, int]], owner: int) -> bytes:
    """Lay out a data page; each row comes with its flags."""
    head, body, at = b"", b"", 4096
    for row, flags in rows:
        at -= len(row)
        head += struct.pack("<H", at | flags)
        body = row + body
    page = b"\x01\x01\x00\x00" + struct.pack("<III", owner, 0, 0)[:8] + struct.pack("<H", len(rows))
    page += head
    return page + bytes(4096 - len(page) - len(body)) + body


def read_rows(*pages: bytes) -> list[bytes]:
    """Read the rows of the first of these pages, put behind a database."""
    number = len(MDB) // 4096
    usage_map = b"\x00" + struct.pack("<I", number) + b"\x01"
    map_page = page_of([(usage_map, 0)], 1)
    file = JetFile(MDB + b"".join(pages) + map_page)
    return list(file.rows_of(77, (number + len(pages)) << 8))


def pointer(page: int, row: int) -> bytes:
    return struct.pack("<I", (len(MDB) // 4096 + page) << 8 | row)


def test_live_rows_are_read_and_moved_ones_followed() -> None:
    first = page_of([(b"one", 0), (b"gone", 0x8000), (pointer(1, 0), 0x4000)], 77)
    assert read_rows(first, page_of([(b"moved", 0x8000)], 77)) == [b"one", b"moved"]


def test_a_row_may_move_twice_but_not_for_ever() -> None:
    first = page_of([(pointer(1, 0), 0x4000)], 77)
    again = page_of([(pointer(1, 1), 0x4000), (b"there", 0x8000)], 77)
    assert read_rows(first, again) == [b"there"]
    with pytest.raises(JetError, match="plusieurs fois"):
        read_rows(first, page_of([(pointer(1, 0), 0x4000)], 77))


@pytest.mark.parametrize(
    ("pages", "cause"),
    [
        ([page_of([(b"x", 0)], 78)], "appartient à une autre table"),
        (
            [page_of([(pointer(1, 0), 0x4000)], 77), page_of([(b"x", 0)], 78)],
            "dans une autre table",
        ),
        ([page_of([(pointer(1, 5), 0x4000)], 77), page_of([(b"x", 0)], 77)], "absente de sa page"),
        ([page_of([(b"x", 0)], 77)[:14] + b"\x05\x00" + bytes(4080)], "hors de sa page"),
    ],
)
def test_rows_that_do_not_add_up_are_refused(pages: list[bytes], cause: str) -> None:
    with pytest.raises(JetError, match=cause):
        read_rows(*pages)


def test_a_long_text_is_read_along_its_chain() -> None:
    number = len(MDB) // 4096
    owner = struct.unpack("<I", b"LVAL")[0]
    second = page_of([(struct.pack("<I", 0) + b"def", 0)], owner)
    first = page_of([(struct.pack("<I", (number + 1) << 8) + b"abc", 0), (b"whole", 0)], owner)
    file = JetFile(MDB + first + second)
    assert file.long_value(struct.pack("<III", 6, number << 8, 0)) == b"abcdef"
    assert file.long_value(struct.pack("<III", 0x40000005, number << 8 | 1, 0)) == b"whole"
    with pytest.raises(JetError, match="incomplet"):
        file.long_value(struct.pack("<III", 9, number << 8, 0))
    data = JetFile(MDB + page_of([(b"x", 0)], 77))
    with pytest.raises(JetError, match="hors de ses pages"):
        data.long_value(struct.pack("<III", 0x40000001, number << 8, 0))
