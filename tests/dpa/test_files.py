"""Reading a file whole, or the French reason why not."""

import errno
from pathlib import Path

import pytest

from dpa.errors import SourceUnreadable
from dpa.files import cause, read_bytes


def test_a_file_is_read_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"a\r\n\x00")
    assert read_bytes(path) == b"a\r\n\x00"


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"absent\.csv : fichier introuvable"):
        read_bytes(tmp_path / "absent.csv")
    with pytest.raises(SourceUnreadable, match="est un dossier"):
        read_bytes(tmp_path)


def test_a_path_through_a_file_and_a_name_too_long_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(b"a")
    for path in (tmp_path / "f.csv" / "erp.csv", tmp_path / ("a" * 300)):
        with pytest.raises(SourceUnreadable):
            read_bytes(path)


def test_a_common_cause_is_told_in_french_and_a_rare_one_by_the_system() -> None:
    assert cause(PermissionError(errno.EACCES, "Permission denied")) == "accès refusé"
    assert cause(OSError(errno.EDOM, "Numerical argument out of domain")).startswith("Numerical")
    assert cause(OSError("sans numéro")) == "sans numéro"
