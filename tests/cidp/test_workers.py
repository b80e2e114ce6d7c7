"""Each worker has its own number, which outlives it for the one that takes its place."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cidp.settings import SERVICE_FOLDER
from cidp.workers import Worker, shared_folder

JOIN = "import sys, pathlib; from cidp.workers import Worker; Worker(pathlib.Path(sys.argv[1]))"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    joined = Worker(tmp_path)
    yield joined
    joined.close()


def other_process(folder: Path, *, stays: bool) -> subprocess.Popen[bytes]:
    """Join from another process; one that stays has joined when it is returned."""
    wait = "; print('ready', flush=True); sys.stdin.read()" if stays else ""
    child = subprocess.Popen(
        [sys.executable, "-c", JOIN + wait, str(folder)],
        cwd=SERVICE_FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    if stays:
        child.stdout.readline()
    else:
        child.communicate(timeout=240)
    return child


def test_one_worker_alone_shares_nothing() -> None:
    with shared_folder(1) as folder:
        assert folder is None


def test_the_folder_is_empty_at_the_start_and_gone_at_the_end() -> None:
    with shared_folder(2) as folder:
        assert folder is not None
        assert list(folder.iterdir()) == []
        Worker(folder).close()
        assert list(folder.iterdir()) != []
    assert not folder.exists()


def test_living_workers_have_different_numbers(worker: Worker, tmp_path: Path) -> None:
    with other_process(tmp_path, stays=True) as child:
        assert worker.number == 1
        third = Worker(tmp_path)
        assert third.number == 3
        assert third.dead() == []
        third.close()
        child.communicate(timeout=240)


def test_the_number_of_a_worker_that_ended_is_taken_again(worker: Worker, tmp_path: Path) -> None:
    other_process(tmp_path, stays=False)
    assert worker.dead() == [2]
    successor = Worker(tmp_path)
    assert successor.number == 2
    assert worker.dead() == []
    successor.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no zombies")
def test_a_process_that_nobody_has_reaped_is_dead(worker: Worker, tmp_path: Path) -> None:
    with other_process(tmp_path, stays=True) as child:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert worker.dead() == [2]


def test_a_change_that_fails_leaves_the_database_to_others(worker: Worker) -> None:
    with pytest.raises(RuntimeError), worker.changing():
        raise RuntimeError
    with worker.changing() as database:
        assert database.execute("SELECT count(*) FROM workers").fetchone() == (1,)
