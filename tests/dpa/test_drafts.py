"""A file is replaced whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpa.drafts import replacing, unused


def test_a_block_that_ends_well_puts_the_draft_in_place(tmp_path: Path) -> None:
    target = tmp_path / "neuf" / "rapport.xlsx"
    with replacing(target) as draft:
        draft.write_bytes(b"nouveau")
        assert not target.exists()
    assert target.read_bytes() == b"nouveau"
    assert list(target.parent.iterdir()) == [target]


def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "rapport.xlsx"
    target.write_bytes(b"ancien")

    def write() -> None:
        with replacing(target) as draft:
            draft.write_bytes(b"nouv")
            raise OSError("disque plein")

    with pytest.raises(OSError, match="disque plein"):
        write()
    assert target.read_bytes() == b"ancien"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
def test_a_link_stays_and_a_device_is_refused(tmp_path: Path) -> None:
    target, link, device = tmp_path / "vrai.xlsx", tmp_path / "lien.xlsx", tmp_path / "appareil"
    link.symlink_to(target)
    with replacing(link) as draft:
        draft.write_bytes(b"nouveau")
    assert link.is_symlink()
    assert target.read_bytes() == b"nouveau"
    loop = tmp_path / "boucle"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="boucle"), replacing(loop):
        pass
    os.mkfifo(device)
    with pytest.raises(OSError, match="pas un fichier ordinaire"), replacing(device):
        pass
    assert device.is_fifo()


def test_the_draft_of_a_dead_program_is_removed_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "rapport.xlsx"
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    orphan = tmp_path / f".rapport.{dead}.tmp.xlsx"
    alive = tmp_path / f".rapport.{os.getppid()}.tmp.xlsx"
    foreign = tmp_path / f".autre.{dead}.tmp.xlsx"
    for path in (orphan, alive, foreign):
        path.touch()
    with replacing(target) as draft:
        draft.touch()
    assert sorted(tmp_path.iterdir()) == sorted([target, alive, foreign])


def test_a_name_in_use_gets_a_number(tmp_path: Path) -> None:
    wanted = tmp_path / "rejets.xlsx"
    assert unused(wanted) == wanted
    wanted.touch()
    (tmp_path / "rejets_2.xlsx").touch()
    assert unused(wanted) == tmp_path / "rejets_3.xlsx"
