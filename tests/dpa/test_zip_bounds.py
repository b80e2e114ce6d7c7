import io
import struct
import zipfile
from pathlib import Path

import pytest

from dpa.errors import SourceUnreadable
from dpa.zip_bounds import CHUNK_BYTES, MAX_MEMBERS, MAX_UNPACKED_BYTES, unpacked, zip_members

PATH = Path("classeur.xlsx")


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def lying(data: bytes, declared: int) -> bytes:
    """Put another size into the directory of an archive of one member."""
    at = data.index(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<I", declared) + data[at + 28 :]


def content(data: bytes) -> list[bytes]:
    return [b"".join(unpacked(PATH, member)) for member in zip_members(PATH, data)]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_members_are_unpacked_whole(method: int) -> None:
    members = {"a": b"x" * (CHUNK_BYTES + 1), "b/c": b"", "d": b"line\n" * 10}
    assert content(archive(members, method)) == list(members.values())


def test_a_member_that_shrinks_like_no_sheet_is_refused() -> None:
    with pytest.raises(SourceUnreadable, match=r"a se décompresse plus de 200 fois"):
        content(archive({"a": bytes(20_000_000)}))


def test_a_directory_that_declares_too_much_is_refused_before_unpacking() -> None:
    data = lying(archive({"a": b"x"}), MAX_UNPACKED_BYTES + 1)
    with pytest.raises(SourceUnreadable, match="plus de 1000 Mo"):
        zip_members(PATH, data)


def test_a_member_larger_than_its_directory_says_is_refused() -> None:
    with pytest.raises(SourceUnreadable, match="plus que la taille annoncée"):
        content(lying(archive({"a": b"x" * 1000}), 10))


def test_a_member_smaller_than_its_directory_says_is_damaged() -> None:
    with pytest.raises(SourceUnreadable, match="tronqué ou abîmé"):
        content(lying(archive({"a": b"x" * 1000}), 1001))


def test_thousands_of_members_are_refused() -> None:
    with pytest.raises(SourceUnreadable, match=f"{MAX_MEMBERS + 1} fichiers internes"):
        zip_members(PATH, archive({f"{n}": b"" for n in range(MAX_MEMBERS + 1)}))


def test_overlapping_members_are_refused() -> None:
    data = archive({"a": b"abcdefghij" * 50})
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entries = data[start:end] * 9
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 9, 9, len(entries), start, 0)
    with pytest.raises(SourceUnreadable, match="superposés"):
        content(data[:start] + entries + tail)


def test_a_locked_member_is_refused() -> None:
    data = archive({"a": b"x"})
    at = data.index(b"PK\x01\x02") + 8
    with pytest.raises(SourceUnreadable, match="mot de passe"):
        zip_members(PATH, data[:at] + b"\x01" + data[at + 1 :])


def test_an_unusual_compression_is_refused() -> None:
    with pytest.raises(SourceUnreadable, match="abîmé"):
        zip_members(PATH, archive({"a": b"x"}, zipfile.ZIP_BZIP2))


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_cut_archive_is_refused(kept: float) -> None:
    data = archive({"a": bytes(range(256)) * 40, "b": b"y" * 500})
    with pytest.raises(SourceUnreadable, match="tronqué ou abîmé"):
        content(data[: int(len(data) * kept)])


def test_a_damaged_stream_is_refused() -> None:
    data = bytearray(archive({"a": bytes(range(256)) * 40}))
    data[40:60] = b"\xff" * 20
    with pytest.raises(SourceUnreadable, match="tronqué ou abîmé"):
        content(bytes(data))


@pytest.mark.parametrize("offset", [10, 2**31])
def test_a_directory_that_points_elsewhere_is_refused(offset: int) -> None:
    data = archive({"a": b"x" * 100})
    at = data.index(b"PK\x01\x02") + 42
    moved = data[:at] + struct.pack("<I", offset) + data[at + 4 :]
    with pytest.raises(SourceUnreadable, match="tronqué ou abîmé"):
        content(moved)
