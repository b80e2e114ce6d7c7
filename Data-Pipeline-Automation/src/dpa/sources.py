"""An ERP export goes to the reader of its kind; what is no export is refused by name."""

from pathlib import Path
from typing import Final

from dpa.csv_source import read_csv_source
from dpa.errors import SourceUnreadable, UsageError
from dpa.files import read_head
from dpa.mapping import Mapping
from dpa.parts import TransactionSource

WORKBOOK_SUFFIXES: Final = (".xlsx", ".xlsm", ".xls", ".ods")
DATABASE_SUFFIXES: Final = (".mdb", ".accdb")
_HEAD_BYTES: Final = 512
_CONTENTS: Final = {
    b"PK\x03\x04": "un classeur Excel ou une archive ZIP ; donnez-lui l'extension .xlsx ou .ods",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "un classeur Excel ; donnez-lui l'extension .xls ou .xlsx",
    b"\x00\x01\x00\x00Standard": "une base Access ; donnez-lui l'extension .mdb ou .accdb",
    b"%PDF": "un document PDF ; exportez les données en CSV ou en classeur",
    b"\x1f\x8b": "une archive gzip ; décompressez-la d'abord",
    b"<html": "une page HTML ; ouvrez-la dans Excel et enregistrez-la en .xlsx",
    b"<!doctype html": "une page HTML ; ouvrez-la dans Excel et enregistrez-la en .xlsx",
    b"<?xml": "un document XML ; ouvrez-le dans Excel et enregistrez-le en .xlsx",
}
"""What a file that should be text is, by its first bytes in lower case."""


def read_transactions(
    path: Path, mapping: Mapping, sheet: str | None = None, hashed: bool = True
) -> TransactionSource:
    """Look an export over: text, workbook or Access database; its parts are to be read later.

    `sheet` names or numbers the sheet or table, and stands before the mapping's. Without `hashed`,
    a text is not hashed, as for those who keep no trace of it. Raises UsageError
    when a text is asked for a sheet, SourceUnreadable, SourceEmpty or MissingColumns.
    """
    suffix = path.suffix.lower()
    # The readers of workbooks and databases are slow to import.
    if suffix in WORKBOOK_SUFFIXES:
        from dpa.excel_source import read_excel_source

        return read_excel_source(path, mapping, sheet)
    if suffix in DATABASE_SUFFIXES:
        from dpa.access_source import read_access_source

        return read_access_source(path, mapping, sheet)
    _refuse_disguise(path)
    if sheet is not None:
        raise UsageError(f"--sheet {sheet} : {path} est un texte, qui n'a pas de feuille.")
    return read_csv_source(path, mapping, hashed)


def _refuse_disguise(path: Path) -> None:
    head = read_head(path, _HEAD_BYTES).lstrip().lower()
    for signature, what in _CONTENTS.items():
        if head.startswith(signature.lower()):
            raise SourceUnreadable(f"{path} : ce n'est pas un export texte, mais {what}.")
