"""The pages of an Access database (Jet 3, Jet 4, ACE): which a table owns, and the rows in them.

The layout is that of Brian Bruns' "The MDB file format" (HACKING of mdbtools), completed by what
Jackcess documents.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HEADER_BYTES: Final = 0x80
SIGNATURES: Final = (b"Standard Jet DB", b"Standard ACE DB")
_SIGNATURE_AT: Final = 0x04
_VERSION_AT: Final = 0x14
_MASKED_AT: Final = 0x18
_CODE_PAGE_AT: Final = 0x3C
_ENCODING_KEY_AT: Final = 0x3E
_PASSWORD_AT: Final = 0x42
_CREATED_AT: Final = 0x72
_RC4_KEY: Final = 0x6B39DAC7.to_bytes(4, "little")
_JET3, _JET4, _LAST_KNOWN = 0, 1, 6

_DATA, _DEFINITION, _USAGE = b"\x01\x01", b"\x02\x01", b"\x05\x01"
_DELETED: Final = 0x8000
_ELSEWHERE: Final = 0x4000
_OFFSET: Final = 0x1FFF
_LONG_VALUES: Final = b"LVAL"
_PAGES_AT: Final = 4


class JetError(Exception):
    """The file does not say what it should; the text is a French cause without the file's name."""


class JetProtected(JetError):
    """A password or an encryption locks the file."""


@dataclass(frozen=True)
class Layout:
    """What differs between Jet 3 (Access 97) and later formats: sizes and places, in bytes."""

    page: int
    row_count_at: int
    is_jet3: bool


_LAYOUTS: Final = {True: Layout(2_048, 8, True), False: Layout(4_096, 12, False)}


def is_access(head: bytes) -> bool:
    """Tell whether a file starts like an Access database."""
    return head[_SIGNATURE_AT : _SIGNATURE_AT + 15] in SIGNATURES


def u16(data: bytes, at: int) -> int:
    """Read an unsigned integer of two bytes."""
    value: int = struct.unpack_from("<H", data, at)[0]
    return value


def u32(data: bytes, at: int) -> int:
    """Read an unsigned integer of four bytes."""
    value: int = struct.unpack_from("<I", data, at)[0]
    return value


def _rc4(data: bytes) -> bytes:
    """Undo the mask of the header, RC4 with a key that is the same in every file."""
    box, j = list(range(256)), 0
    for i in range(256):
        j = (j + box[i] + _RC4_KEY[i % 4]) % 256
        box[i], box[j] = box[j], box[i]
    plain, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        plain.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(plain)


class JetFile:
    """An Access database held in memory; raises JetError where it is not sound."""

    def __init__(self, data: bytes) -> None:
        # Access 2010 and later put something else into the upper bytes of the version.
        self.version = data[_VERSION_AT]
        if self.version > _LAST_KNOWN:
            raise JetError(f"version {self.version} inconnue, plus récente que ce programme")
        self.layout = _LAYOUTS[self.version == _JET3]
        self._data = data
        self._header = data[:_MASKED_AT] + _rc4(data[_MASKED_AT:HEADER_BYTES])
        self._refuse_locked()

    def _refuse_locked(self) -> None:
        if u32(self._header, _ENCODING_KEY_AT):
            raise JetProtected("la base est chiffrée")
        length = 20 if self.layout.is_jet3 else 40
        password = self._header[_PASSWORD_AT : _PASSWORD_AT + length]
        if not self.layout.is_jet3:
            (created,) = struct.unpack_from("<d", self._header, _CREATED_AT)
            mask = struct.pack("<i", int(created))
            password = bytes(byte ^ mask[at % 4] for at, byte in enumerate(password))
        if any(password):
            raise JetProtected("un mot de passe protège la base")

    @property
    def text_encoding(self) -> str:
        """The encoding of text: one of Windows' code pages in Jet 3, UTF-16 since."""
        if not self.layout.is_jet3:
            return "utf-16-le"
        return f"cp{u16(self._header, _CODE_PAGE_AT)}"

    def page(self, number: int, magic: bytes) -> bytes:
        """Give a page, which must be of the kind that `magic` marks."""
        size = self.layout.page
        page = self._data[number * size : (number + 1) * size]
        if len(page) < size or not page.startswith(magic):
            raise JetError(f"page {number} absente ou d'un autre genre")
        return page

    def definition(self, number: int) -> bytes:
        """Give a table's definition, which may span several pages."""
        whole, seen = self.page(number, _DEFINITION), {number}
        following = u32(whole, 4)
        while following:
            if following in seen:
                raise JetError("définition de table en boucle")
            seen.add(following)
            page = self.page(following, _DEFINITION)
            whole += page[8:]
            following = u32(page, 4)
        return whole

    def rows_of(self, definition: int, usage_map: int) -> Iterator[bytes]:
        """Give the rows of the table defined at a page, from the pages that its usage map lists."""
        for number in self._owned_pages(usage_map):
            page = self.page(number, _DATA)
            if u32(page, 4) != definition:
                raise JetError(f"page {number} : elle appartient à une autre table")
            for at in range(u16(page, self.layout.row_count_at)):
                start, end, flags = self._bounds(page, at)
                if flags & _DELETED:
                    continue
                row = page[start:end]
                yield self._followed(row, definition) if flags & _ELSEWHERE else row

    def _bounds(self, page: bytes, at: int) -> tuple[int, int, int]:
        """Give the start, end and flags of row `at` of a page, which rows fill from its end."""
        first = self.layout.row_count_at + 2
        if at >= u16(page, first - 2):
            raise JetError("ligne absente de sa page")
        entry = u16(page, first + 2 * at)
        end = u16(page, first + 2 * at - 2) & _OFFSET if at else self.layout.page
        start = entry & _OFFSET
        if not first <= start <= end <= self.layout.page:
            raise JetError("ligne hors de sa page")
        return start, end, entry & ~_OFFSET

    def _followed(self, pointer: bytes, definition: int) -> bytes:
        """Follow the pointer that a row leaves behind when it grows and moves to another page."""
        for _ in range(2):
            page = self.page(u32(pointer, 0) >> 8, _DATA)
            if u32(page, 4) != definition:
                raise JetError("ligne déplacée dans une autre table")
            start, end, flags = self._bounds(page, pointer[0])
            if not flags & _ELSEWHERE:
                return page[start:end]
            pointer = page[start:end]
        raise JetError("ligne déplacée plusieurs fois")

    def _owned_pages(self, pointer: int) -> Iterator[int]:
        """List the pages that a usage map marks; `pointer` is a row number and a page number."""
        page = self.page(pointer >> 8, _DATA)
        start, end, _ = self._bounds(page, pointer & 0xFF)
        record = page[start:end]
        if record[0] == 0:
            yield from _marked(record[5:], u32(record, 1))
            return
        per_page = (self.layout.page - _PAGES_AT) * 8
        for order, at in enumerate(range(1, len(record) - 3, 4)):
            if number := u32(record, at):
                bitmap = self.page(number, _USAGE)[_PAGES_AT:]
                yield from _marked(bitmap, order * per_page)

    def long_value(self, reference: bytes) -> bytes:
        """Give a memo or an object: within its row, on one page, or on a chain of pages."""
        length, pointer = u32(reference, 0), u32(reference, 4)
        size = length & 0x3FFFFFFF
        if size > len(self._data):
            raise JetError("texte long plus grand que la base")
        if length & 0x80000000:
            value = reference[12:]
        elif length & 0x40000000:
            value = self._long_row(pointer)
        else:
            value = b"".join(self._chain(pointer, size))
        if len(value) < size:
            raise JetError("texte long incomplet")
        return value[:size]

    def _chain(self, pointer: int, size: int) -> Iterator[bytes]:
        got = 0
        while pointer and got < size:
            row = self._long_row(pointer)
            if len(row) <= 4:
                raise JetError("texte long interrompu")
            got += len(row) - 4
            yield row[4:]
            pointer = u32(row, 0)

    def _long_row(self, pointer: int) -> bytes:
        page = self.page(pointer >> 8, _DATA)
        if page[4:8] != _LONG_VALUES:
            raise JetError("texte long hors de ses pages")
        start, end, _ = self._bounds(page, pointer & 0xFF)
        return page[start:end]


def _marked(bitmap: bytes, first: int) -> Iterator[int]:
    for at, byte in enumerate(bitmap):
        if byte:
            yield from (first + at * 8 + bit for bit in range(8) if byte >> bit & 1)
