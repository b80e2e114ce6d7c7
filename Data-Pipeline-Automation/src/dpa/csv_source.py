"""CSV exports, in the dialects of French Excel and SAP, become parts that can be read apart."""

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from dpa.csv_blocks import cut_block
from dpa.csv_records import DELIMITERS, detect_delimiter, is_whole, parse_line
from dpa.errors import SourceEmpty, SourceUnreadable
from dpa.files import reading, sha256_of
from dpa.header import defaults_of, resolve_columns, resolve_conventions
from dpa.mapping import Mapping
from dpa.parts import RawPart, TransactionSource

FIRST_BYTES: Final = 1 << 18
"""Size of the first part, which also shows how the file writes its numbers."""
PART_BYTES: Final = 1 << 23
MAX_HEADER_BYTES: Final = 1 << 26
"""A text whose header has not ended by then is no export."""
_SEARCHED_LINES: Final = 10_000
_MARKS: Final = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_OTHERWISE: Final = " ou indiquez son « encoding » dans un fichier de correspondance (--mapping)"
_CP1252_NOTE: Final = "Encodage détecté : cp1252 (Windows), car le fichier n'est pas en UTF-8."
_SEPARATOR_LINE: Final = re.compile(f"(?i)sep=([{re.escape(''.join(DELIMITERS))}])")
"""With this first line, Excel declares the delimiter of a CSV."""

_MARKED_NUMBER: Final = re.compile("[0-9][.,]|[.,][0-9]")

Stamp = tuple[int, int]
"""Size, and time of the last change in nanoseconds."""


@dataclass(frozen=True)
class Dialect:
    """How a text is written; `encoding` is that of its bytes after any byte order mark."""

    encoding: str
    newline: str
    delimiter: str
    width: int


@dataclass(frozen=True)
class CsvRange:
    """Bytes of a text that begin and end between two records; `blank_before` lines were empty."""

    path: Path
    stamp: Stamp
    start: int
    stop: int
    first_line: int
    header: tuple[str, ...]
    dialect: Dialect
    blank_before: int = 0

    def read(self) -> RawPart:
        """Read the range; raises SourceUnreadable, also when the file has changed meanwhile."""
        with reading(self.path) as file:
            if _stamp(file) != self.stamp:
                raise SourceUnreadable(
                    f"{self.path} : le fichier a changé pendant sa lecture ; relancez quand plus "
                    "aucun programme ne l'écrit."
                )
            file.seek(self.start)
            data = file.read(self.stop - self.start)
        text = _unix_utf8(data, self.dialect)
        block = cut_block(text, self.first_line, self.dialect.delimiter, self.dialect.width)
        blank_lines = self.blank_before + block.blank_lines
        return RawPart(self.header, block.cells, block.lines, block.malformed, blank_lines)


@dataclass(frozen=True)
class _Header:
    """The header's cells; its line is number `line`, and the rows begin at the byte `stop`."""

    cells: tuple[str, ...]
    line: int
    stop: int
    blank_before: int
    dialect: Dialect


class _Undecodable(Exception):
    """A byte that is no text."""

    def __init__(self, line: int, byte: int) -> None:
        self.line, self.byte = line, byte


def read_csv_source(path: Path, mapping: Mapping, hashed: bool = True) -> TransactionSource:
    """Look a CSV export over: dialect, columns, digest, and parts to be read later.

    Without `hashed`, for those who keep no trace of the file, the digest stays empty. Raises
    SourceUnreadable, SourceEmpty or MissingColumns; a bad row never raises.
    """
    if not hashed:
        return _looked_over(path, mapping)
    # Hashing leaves the interpreter free for the rest.
    with ThreadPoolExecutor(1, thread_name_prefix="dpa-digest") as pool:
        digest = pool.submit(sha256_of, path)
        return replace(_looked_over(path, mapping), sha256=digest.result())


def _looked_over(path: Path, mapping: Mapping) -> TransactionSource:
    """Look an export over, but for its digest."""
    with reading(path) as file:
        mark_bytes, encoding = _encoding(path, file.read(4), mapping.encoding)
        try:
            return _planned(path, file, mapping, mark_bytes, encoding)
        except _Undecodable as fault:
            undecodable = _undecodable(path, fault, encoding)
            if mapping.encoding != "auto" or mark_bytes or _begins_as_utf8(file):
                raise undecodable from fault
        try:
            found = _planned(path, file, mapping, 0, "cp1252")
        except _Undecodable as fault:
            raise undecodable from fault
        return replace(found, notes=(_CP1252_NOTE, *found.notes))


def _encoding(path: Path, head: bytes, declared: str) -> tuple[int, str]:
    """Give the size of the byte order mark, and the encoding of what follows."""
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    found = _MARKS.get(mark, "")
    if declared == "utf-8" and found.startswith("utf-16"):
        raise SourceUnreadable(
            f"{path} : le fichier est en UTF-16 ; enregistrez le fichier en UTF-8{_OTHERWISE}."
        )
    if declared == "auto" or found.startswith(declared):
        return len(mark), found or _without_mark(head)
    return 0, "utf-16-le" if declared == "utf-16" else declared


def _without_mark(head: bytes) -> str:
    """Tell UTF-16 by the zero bytes that stand beside ASCII."""
    zeros = [byte == 0 for byte in head]
    if zeros == [False, True] * 2:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False] * 2 else "utf-8"


def _begins_as_utf8(file: BufferedReader) -> bool:
    """Tell whether the first accent of a text is UTF-8: then a wrong byte is a damaged one."""
    file.seek(0)
    for block in iter(partial(file.read, PART_BYTES), b""):
        if found := re.search(rb"[\x80-\xff]", block):
            head = (block + file.read(3))[found.start() :][:4]
            return head.decode("utf-8", errors="replace")[0] != "\ufffd"
    return True


def _planned(
    path: Path,
    file: BufferedReader,
    mapping: Mapping,
    mark_bytes: int,
    encoding: str,
) -> TransactionSource:
    """Plan the reading of a text in a known encoding; raises _Undecodable beside SourceError."""
    header = _header(path, file, mark_bytes, encoding, mapping)
    columns = resolve_columns(path, header.cells, mapping)
    parts = list(_ranges(path, file, header))
    rows = (raw for part in parts if (raw := part.read()).rows)
    sample = next(rows, None)
    if sample is None:
        raise SourceEmpty(f"{path} : l'en-tête n'est suivi d'aucune ligne.")
    place = columns["volume_transferred"]
    volumes = () if place is None else _marked_volumes(chain([sample], rows), place)
    conventions, notes = resolve_conventions(mapping, volumes)
    return TransactionSource(
        path=path,
        sha256="",
        sheet="",
        header=header.cells,
        columns=columns,
        conventions=conventions,
        defaults=defaults_of(mapping),
        parts=parts,
        notes=notes,
    )


def _marked_volumes(rows: Iterable[RawPart], place: int) -> Iterator[str]:
    """Give the volumes with a mark of the first part that has any; whole numbers prove nothing."""
    for raw in rows:
        marked = list(filter(_MARKED_NUMBER.search, raw.cells.column(place).to_pylist()))
        if marked:
            yield from marked
            return


def _header(
    path: Path, file: BufferedReader, start: int, encoding: str, mapping: Mapping
) -> _Header:
    """Read the header: the line that the mapping says, or the first one that holds anything.

    A line above it that declares the delimiter counts, other lines do not.
    """
    newline, top = _newline(file, encoding), mapping.header_row or 1
    delimiter: str = "" if mapping.delimiter == "auto" else mapping.delimiter
    blank_before, stop = 0, start
    for number, line in enumerate(_first_lines(path, file, start, encoding, newline, top), 1):
        stop += len((line + newline).encode(encoding))
        text = line.removesuffix("\r")
        if not text.strip():
            blank_before += 1
        elif found := _SEPARATOR_LINE.fullmatch(text):
            delimiter = delimiter or found[1]
        elif number >= top:
            mark = delimiter or detect_delimiter(text)
            cells = tuple(cell.strip() for cell in parse_line(text, mark) or ())
            dialect = Dialect(encoding, newline, mark, len(cells))
            return _Header(cells, number, stop, blank_before, dialect)
    raise SourceEmpty(
        f"{path} : le fichier est vide."
        if top == 1
        else f"{path} : rien à la ligne {top}, où l'en-tête est attendu (header_row)."
    )


def _newline(file: BufferedReader, encoding: str) -> str:
    """Tell what ends the lines: LF (CRLF too), or CR in a text that has no LF."""
    file.seek(0)
    blocks = iter(partial(file.read, PART_BYTES), b"")
    found = any(_after_last_newline(block, len(block), "\n", encoding) for block in blocks)
    return "\n" if found else "\r"


def _first_lines(
    path: Path, file: BufferedReader, start: int, encoding: str, newline: str, top: int
) -> list[str]:
    """Give the first lines of a text: past line `top`, and one that is not blank, if there is."""
    size = FIRST_BYTES
    while size <= MAX_HEADER_BYTES:
        file.seek(start)
        raw = file.read(size)
        ended = len(raw) < size
        end = len(raw) if ended else _after_last_newline(raw, len(raw), newline, encoding)
        text = _decode(raw[:end], encoding, newline)
        if ended or (text.strip() and text.count(newline) >= top):
            return text.removesuffix(newline).split(newline)
        size *= 4
    raise SourceUnreadable(
        f"{path} : pas de ligne d'en-tête dans les {MAX_HEADER_BYTES >> 20} premiers Mo ; ce "
        "n'est pas un export texte."
    )


def _after_last_newline(raw: bytes, before: int, newline: str, encoding: str) -> int:
    """Give the byte after the last line end of `raw[:before]`; 0 when there is none."""
    mark = newline.encode(encoding)
    end = before
    while (found := raw.rfind(mark, 0, end)) >= 0:
        if found % len(mark) == 0:
            return found + len(mark)
        end = found + len(mark) - 1
    return 0


def _decode(raw: bytes, encoding: str, newline: str, lines_before: int = 0) -> str:
    """Decode whole lines; raise _Undecodable with the line of the first wrong byte."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = lines_before + raw[: error.start].decode(encoding).count(newline) + 1
        raise _Undecodable(line, raw[error.start]) from error


def _ranges(path: Path, file: BufferedReader, header: _Header) -> Iterator[CsvRange]:
    """Cut what follows the header where a record certainly ends."""
    # A process that works elsewhere must find the same file.
    found, dialect, stamp = path.absolute(), header.dialect, _stamp(file)
    start, line, blank_before = header.stop, header.line + 1, header.blank_before
    size, ended = FIRST_BYTES, False
    while not ended:
        file.seek(start)
        raw = file.read(size)
        ended = len(raw) < size
        end = len(raw) if ended else _certain_end(raw, dialect)
        if end:
            stop, size = start + end, PART_BYTES
            yield CsvRange(found, stamp, start, stop, line, header.cells, dialect, blank_before)
            start, line, blank_before = stop, line + _line_count(raw, end, dialect, line), 0
        else:
            size += PART_BYTES


def _line_count(raw: bytes, end: int, dialect: Dialect, first_line: int) -> int:
    """Count the line ends of `raw[:end]`; raises _Undecodable."""
    if dialect.encoding == "utf-8" and raw.isascii():
        # Three times as fast as bytes.count, which stops at every line.
        codes = np.frombuffer(raw, np.uint8, end)
        return int(np.count_nonzero(codes == ord(dialect.newline)))
    text = _decode(raw[:end], dialect.encoding, dialect.newline, first_line - 1)
    return text.count(dialect.newline)


def _certain_end(raw: bytes, dialect: Dialect) -> int:
    """Give the last place in `raw` where a record certainly ends; 0 when none was found.

    `raw` begins with a record.
    """
    newline, encoding = dialect.newline, dialect.encoding
    end = _after_last_newline(raw, len(raw), newline, encoding)
    if raw.find(b'"', 0, end) < 0:
        return end
    unit = len(newline.encode(encoding))
    for _ in range(_SEARCHED_LINES):
        top = _after_last_newline(raw, max(end - unit, 0), newline, encoding)
        line = raw[top : max(end - unit, 0)].decode(encoding, errors="replace").removesuffix("\r")
        if end == 0 or is_whole(line, dialect.delimiter, dialect.width):
            break
        end = top
    else:
        return 0
    return end


def _stamp(file: BufferedReader) -> Stamp:
    facts = os.fstat(file.fileno())
    return facts.st_size, facts.st_mtime_ns


def _unix_utf8(raw: bytes, dialect: Dialect) -> bytes:
    """Give the range as UTF-8 whose lines end with LF."""
    encoding = dialect.encoding
    utf8 = raw if encoding == "utf-8" else raw.decode(encoding).encode()
    if dialect.newline == "\r":
        return utf8.replace(b"\r", b"\n")
    return utf8.replace(b"\r\n", b"\n") if b"\r" in utf8 else utf8


def _undecodable(path: Path, fault: _Undecodable, encoding: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"{path} : ligne {fault.line}, octet {fault.byte:#04x} illisible en {encoding} ; "
        f"enregistrez le fichier en UTF-8{_OTHERWISE}."
    )
