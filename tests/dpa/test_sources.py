"""An export goes to the reader of its kind."""

from pathlib import Path

import pytest

from dpa.errors import SourceEmpty, SourceUnreadable, UsageError
from dpa.mapping import Mapping
from dpa.sources import read_transactions

TEXT = "transaction_id,machine_id,date,volume_transferred,status_code\nT1,M1,2026-01-05,1,OK\n"


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["erp.csv", "erp.txt", "erp", "ERP.CSV", "erp.dat"])
def test_a_text_is_read_whatever_its_extension(tmp_path: Path, name: str) -> None:
    found = read_transactions(written(tmp_path, name, TEXT.encode()), Mapping())
    assert (found.sheet, len(found.parts)) == ("", 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04...", "classeur Excel ou une archive ZIP"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"...", "classeur Excel"),
        (b"\x00\x01\x00\x00Standard Jet DB\x00", "base Access"),
        (b"\x00\x01\x00\x00Standard ACE DB\x00", "base Access"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\n<!DOCTYPE html><table>", "HTML"),
        (b"<HTML>", "HTML"),
        (b"<?xml version='1.0'?>", "XML"),
    ],
)
def test_what_is_not_text_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(SourceUnreadable, match=rf"erp.csv : ce n'est pas un export texte.*{words}"):
        read_transactions(written(tmp_path, "erp.csv", data), Mapping())


@pytest.mark.parametrize("name", ["erp.xlsx", "erp.XLS", "erp.ods", "erp.mdb", "erp.accdb"])
def test_a_text_under_another_name_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceUnreadable, match=rf"{name}.*(texte|Access)"):
        read_transactions(written(tmp_path, name, TEXT.encode()), Mapping())


@pytest.mark.parametrize("name", ["erp.csv", "erp.xlsx", "erp.accdb"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceEmpty, match=f"{name} : le fichier est vide"):
        read_transactions(written(tmp_path, name, b""), Mapping())


@pytest.mark.parametrize("name", ["erp.csv", "erp.xlsx", "erp.accdb"])
def test_a_missing_file_and_a_folder_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceUnreadable, match=f"{name} : fichier introuvable"):
        read_transactions(tmp_path / name, Mapping())
    (tmp_path / name).mkdir()
    with pytest.raises(SourceUnreadable, match="est un dossier"):
        read_transactions(tmp_path / name, Mapping())


def test_a_text_has_no_sheet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--sheet Feuil1"):
        read_transactions(written(tmp_path, "erp.csv", TEXT.encode()), Mapping(), "Feuil1")
