"""Unpacks a zipped workbook within bounds, so that no parser meets an archive that explodes."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dpa.errors import SourceUnreadable

MAX_MEMBERS: Final = 2_000
"""A sheet brings four members at most (itself, relations, comments, drawing): 500 sheets."""
MAX_UNPACKED_BYTES: Final = 1_000_000_000
"""A full sheet, 1,048,576 rows, of 15 columns at 60 bytes a cell; unpacked here in under 3 s."""
MAX_RATIO: Final = 200
"""Sheets shrink 5 to 50 times; a run of equal bytes shrinks 1,030 times."""
RATIO_FLOOR_BYTES: Final = 16_000_000
"""Below this, a member may shrink as much as it likes: it can do no harm."""
CHUNK_BYTES: Final = 4_000_000

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_ENCRYPTED_FLAG: Final = 0x1


@dataclass(frozen=True)
class Member:
    """One file of the archive, still packed."""

    name: str
    packed: memoryview
    is_deflated: bool
    declared_bytes: int


def zip_members(path: Path, data: bytes) -> list[Member]:
    """List the members of an archive held in `data`, in the order of its directory.

    Raises SourceUnreadable, naming `path`, when the archive is cut, locked, overlapping or
    announces more than the bounds.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries, directory_at = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _damaged(path) from error
    if len(entries) > MAX_MEMBERS:
        raise _bomb(path, f"{len(entries)} fichiers internes, {MAX_MEMBERS} au plus")
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise SourceUnreadable(
            f"{path} : le classeur est protégé par un mot de passe ; enregistrez-en une copie sans "
            "mot de passe."
        )
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise _bomb(path, f"plus de {MAX_UNPACKED_BYTES // 1_000_000} Mo une fois décompressé")
    if sum(_LOCAL_HEADER.size + entry.compress_size for entry in entries) > directory_at:
        raise _bomb(path, "fichiers internes superposés")
    return [_member(path, data, entry) for entry in entries]


def _member(path: Path, data: bytes, entry: zipfile.ZipInfo) -> Member:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _damaged(path)
    try:
        magic, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
    except struct.error as error:
        raise _damaged(path) from error
    start = entry.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
    if magic != _LOCAL_MAGIC or start + entry.compress_size > len(data):
        raise _damaged(path)
    packed = memoryview(data)[start : start + entry.compress_size]
    return Member(
        entry.filename, packed, entry.compress_type == zipfile.ZIP_DEFLATED, entry.file_size
    )


def unpacked(path: Path, member: Member) -> Iterator[bytes]:
    """Unpack a member by pieces of at most CHUNK_BYTES.

    Raises SourceUnreadable as soon as it holds more than the directory declares, or shrinks more
    than any sheet does; and at its end when it holds less.
    """
    ceiling = max(RATIO_FLOOR_BYTES, MAX_RATIO * len(member.packed))
    total = 0
    for piece in _inflated(path, member) if member.is_deflated else _slices(member.packed):
        total += len(piece)
        if total > member.declared_bytes:
            raise _bomb(path, f"{member.name} contient plus que la taille annoncée")
        if total > ceiling:
            raise _bomb(path, f"{member.name} se décompresse plus de {MAX_RATIO} fois")
        yield piece
    if total != member.declared_bytes:
        raise _damaged(path)


def _slices(packed: memoryview) -> Iterator[bytes]:
    for start in range(0, len(packed), CHUNK_BYTES):
        yield bytes(packed[start : start + CHUNK_BYTES])


def _inflated(path: Path, member: Member) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    waiting: bytes | memoryview = member.packed
    try:
        while piece := inflater.decompress(waiting, CHUNK_BYTES):
            yield piece
            waiting = inflater.unconsumed_tail
    except zlib.error as error:
        raise _damaged(path) from error


def _bomb(path: Path, reason: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"{path} : archive refusée ({reason}), elle pourrait saturer la mémoire ; ouvrez le "
        "classeur, copiez la feuille utile dans un nouveau classeur et enregistrez celui-ci."
    )


def _damaged(path: Path) -> SourceUnreadable:
    return SourceUnreadable(
        f"{path} : le classeur est tronqué ou abîmé ; reprenez le fichier d'origine, ou ouvrez-le "
        "dans Excel et enregistrez-le de nouveau."
    )
