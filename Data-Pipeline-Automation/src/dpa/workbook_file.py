"""A workbook file is recognised by its content and refused by name before a parser opens it."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from xml.etree import ElementTree

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from dpa.errors import SourceEmpty, SourceUnreadable
from dpa.files import read_bytes, read_head
from dpa.sheet_facts import (
    MAX_CELLS,
    Extent,
    SheetFacts,
    measured_worksheet,
    opendocument_sheets,
)
from dpa.zip_bounds import Member, unpacked, zip_members

MAX_FILE_BYTES: Final = 200_000_000
"""Five times a full sheet of 15 columns as Excel packs it; more is not an export."""
MAX_SHARED_STRINGS: Final = 10_000_000
"""Ten different texts for every row of a full sheet; the parser keeps them all in memory."""

EPOCHS: Final = {False: date(1899, 12, 30), True: date(1904, 1, 1)}
"""Day 0 of serial dates, by whether the workbook counts as Excel for Macintosh once did."""

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
_GLOBALS_BOF: Final = bytes.fromhex("0908100000060500")
_BOF_BYTES: Final = 20
_WRITE_PROTECT: Final = b"\x86\x00"
_FILE_PASS: Final = b"\x2f\x00"
_WORKSHEETS: Final = "xl/worksheets/"
_HEAD_BYTES: Final = 4_096
_OFFICE: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

Kind = Literal["xlsx", "xls", "ods"]
FactsBySheet = dict[str, SheetFacts]


@dataclass(frozen=True)
class WorkbookFile:
    """A workbook that may be parsed; `facts` are those of each sheet whose XML tells any."""

    path: Path
    sha256: str
    kind: Kind
    data: bytes = field(repr=False)
    reader: CalamineWorkbook = field(repr=False)
    facts: FactsBySheet = field(repr=False)

    @property
    def sheets(self) -> list[str]:
        """Names of the worksheets, in order; charts and macros have no cells."""
        return [
            sheet.name
            for sheet in self.reader.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
        ]


def open_workbook(path: Path) -> WorkbookFile:
    """Recognise and open a workbook: .xlsx, .xlsm, .xls or .ods, whatever its name ends with.

    Raises SourceUnreadable or SourceEmpty, with the cause and the remedy, when it is something
    else, locked by a password, damaged, or would fill the memory.
    """
    head = read_head(path, _HEAD_BYTES)
    if not head.strip():
        raise SourceEmpty(f"{path} : le fichier est vide.")
    if not head.startswith((_ZIP, _OLE)):
        raise SourceUnreadable(f"{path} : ce n'est pas un classeur, mais {_what(head)}.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise SourceUnreadable(
            f"{path} : plus de {MAX_FILE_BYTES // 1_000_000} Mo ; enregistrez la feuille en CSV."
        )
    data = read_bytes(path)
    kind, facts = _packed(path, data) if head.startswith(_ZIP) else _legacy(path, data)
    return WorkbookFile(
        path, hashlib.sha256(data).hexdigest(), kind, data, _reader(path, data), facts
    )


def _what(head: bytes) -> str:
    """Name, with the remedy, what is not a workbook."""
    if b"<html" in head.lower() or b"<!doctype html" in head.lower() or b"<table" in head.lower():
        return "une page HTML ; ouvrez-la dans Excel et enregistrez-la en .xlsx"
    if head.startswith(b"\x09") and head[1:2] in b"\x00\x02\x04\x08":
        return "un classeur d'avant Excel 97 ; ouvrez-le dans Excel et enregistrez-le en .xlsx"
    if head[4:19] in (b"Standard Jet DB", b"Standard ACE DB"):
        return "une base Access ; donnez-lui l'extension .mdb ou .accdb"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" not in head:
        return "du texte ; s'il s'agit d'un export CSV, donnez-lui l'extension .csv"
    return "un fichier d'un autre type ; vérifiez qu'il est entier et ouvrez-le dans Excel"


def protected(path: Path) -> SourceUnreadable:
    """Refuse a workbook that a password locks."""
    return SourceUnreadable(
        f"{path} : le classeur est protégé par un mot de passe ; enregistrez-en une copie sans mot "
        "de passe (Fichier, Informations, Protéger)."
    )


def unreadable(path: Path) -> SourceUnreadable:
    """Refuse a workbook that the parser cannot follow."""
    return SourceUnreadable(
        f"{path} : le classeur est abîmé ou d'un format inconnu ; ouvrez-le dans Excel et "
        "enregistrez-le en .xlsx."
    )


def _reader(path: Path, data: bytes) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    except CalamineError as error:
        raise unreadable(path) from error


def _legacy(path: Path, data: bytes) -> tuple[Kind, FactsBySheet]:
    if _ENCRYPTED_PACKAGE in data or _has_file_pass(data):
        raise protected(path)
    return "xls", {}


def _has_file_pass(data: bytes) -> bool:
    """Tell whether an .xls is locked: FILEPASS comes first, but for a write protection (MS-XLS)."""
    at = data.find(_GLOBALS_BOF)
    if at < 0:
        return False
    at += _BOF_BYTES
    if data[at : at + 2] == _WRITE_PROTECT:
        at += 4
    return data[at : at + 2] == _FILE_PASS


def _packed(path: Path, data: bytes) -> tuple[Kind, FactsBySheet]:
    members = {member.name: member for member in zip_members(path, data)}
    if "content.xml" in members:
        return "ods", _opendocument(path, members)
    if "xl/workbook.xml" in members:
        return "xlsx", _office_open(path, members)
    what = "un classeur binaire .xlsb" if "xl/workbook.bin" in members else "une autre archive"
    raise SourceUnreadable(
        f"{path} : ce n'est pas un classeur .xlsx ou .ods, mais {what} ; ouvrez-le dans Excel et "
        "enregistrez-le en .xlsx."
    )


def _opendocument(path: Path, members: Mapping[str, Member]) -> FactsBySheet:
    manifest = members.get("META-INF/manifest.xml")
    if manifest and b"encryption-data" in _whole(path, manifest):
        raise protected(path)
    for name in members.keys() - {"content.xml", "META-INF/manifest.xml"}:
        _drain(path, members[name])
    sheets = opendocument_sheets(_whole(path, members["content.xml"]))
    for extent, _ in sheets.values():
        _refuse_too_wide(path, extent)
    # Its own day 0 is the one of Excel since 1900, unless someone changed it.
    return {name: replace(facts, epoch=EPOCHS[False]) for name, (_, facts) in sheets.items()}


def _office_open(path: Path, members: Mapping[str, Member]) -> FactsBySheet:
    facts: FactsBySheet = {}
    for name, member in members.items():
        if name.startswith(_WORKSHEETS):
            extent, facts[name] = measured_worksheet(unpacked(path, member))
            _refuse_too_wide(path, extent)
        elif _drain(path, member) > MAX_SHARED_STRINGS:
            raise SourceUnreadable(
                f"{path} : plus de {MAX_SHARED_STRINGS} textes différents ; enregistrez la feuille "
                "en CSV."
            )
    epoch = EPOCHS[_has_1904_dates(path, members["xl/workbook.xml"])]
    return {
        sheet: replace(facts[name], epoch=epoch)
        for sheet, name in _sheet_members(path, members).items()
        if name in facts
    }


def _has_1904_dates(path: Path, member: Member) -> bool:
    return any(
        element.tag.endswith("}workbookPr") and element.get("date1904") in ("1", "true")
        for element in _elements(path, member)
    )


def _drain(path: Path, member: Member) -> int:
    """Unpack a member to check its bounds; count the shared strings that it declares."""
    return sum(piece.count(b"<si") for piece in unpacked(path, member))


def _whole(path: Path, member: Member) -> bytes:
    return b"".join(unpacked(path, member))


def _refuse_too_wide(path: Path, extent: Extent) -> None:
    if extent.cells > MAX_CELLS:
        raise SourceUnreadable(
            f"{path} : une feuille s'étend sur {extent.rows} lignes et {extent.columns} colonnes ; "
            "supprimez les cellules isolées loin des données, ou copiez celles-ci dans un nouveau "
            "classeur."
        )


def _sheet_members(path: Path, members: Mapping[str, Member]) -> dict[str, str]:
    """Give the member of the archive that holds each sheet, by the workbook's own relations."""
    links = {
        link.get("Id"): link.get("Target", "")
        for link in _elements(path, members.get("xl/_rels/workbook.xml.rels"))
        if link.tag.endswith("}Relationship")
    }
    return {
        sheet.get("name", ""): _absolute(links.get(sheet.get(_OFFICE), ""))
        for sheet in _elements(path, members["xl/workbook.xml"])
        if sheet.tag.endswith("}sheet")
    }


def _absolute(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl", target))


def _elements(path: Path, member: Member | None) -> Iterable[ElementTree.Element]:
    try:
        # Expat bounds the entities that it expands, and the member's size is bounded above.
        return ElementTree.fromstring(_whole(path, member)).iter() if member else ()  # noqa: S314
    except ElementTree.ParseError as error:
        raise unreadable(path) from error
