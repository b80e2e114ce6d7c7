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
    ],
)
def test_a_long_text_that_does_not_hold_is_refused(reference: bytes, cause: str) -> None:
    with pytest.raises(JetError, match=cause):
        JetFile(MDB).long_value(reference)


def test_a_short_memo_lies_in_its_row() -> None:
    assert JetFile(MDB).long_value(struct.pack("<III", 0x80000003, 0, 0) + b"abcd") == b"abc"
