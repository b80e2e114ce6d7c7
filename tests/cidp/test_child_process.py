import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import until

from cidp.child_process import ChildProcess
from cidp.errors import ChildFailed

STAYS = "import time\nwhile True: time.sleep(0.05)"
STARTS_ANOTHER = (
    "import subprocess, sys, time\n"
    f"inner = subprocess.Popen([sys.executable, '-c', {STAYS!r}])\n"
    "print(inner.pid)\n"
    "time.sleep(600)"
)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[ChildProcess]:
    """A running child that has started another process and printed its id."""
    script = tmp_path / "parent.py"
    script.write_text(STARTS_ANOTHER, encoding="utf-8")
    child = ChildProcess("parent", [str(script)], tmp_path / "logs" / "parent.log")
    child.start(os.environ)
    try:
        until(lambda: child.tail().strip().isdigit())
        yield child
    finally:
        child.kill()


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # ended, and nobody has waited for it
    except psutil.NoSuchProcess:
        return True


def test_what_a_child_has_started_is_killed_with_it(parent: ChildProcess) -> None:
    inner = psutil.Process(int(parent.tail()))
    assert not has_ended(inner)
    parent.kill()
    until(lambda: has_ended(inner))
    assert not parent.running


def test_what_a_child_left_behind_when_it_stopped_is_killed(parent: ChildProcess) -> None:
    inner = psutil.Process(int(parent.tail()))
    parent.ask_to_stop()
    assert parent.wait(240)
    parent.kill()
    until(lambda: has_ended(inner))


def test_a_child_that_was_never_started_has_nothing_to_stop(tmp_path: Path) -> None:
    child = ChildProcess("absent", ["absent.py"], tmp_path / "absent.log")
    child.ask_to_stop()
    child.kill()
    assert child.wait(0)
    assert (child.running, child.code) == (False, None)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fichier"
    file.touch()
    child = ChildProcess("API", ["absent.py"], file / "api.log")
    with pytest.raises(ChildFailed, match=r"API ne démarre pas .*CAMRAIL_LOGS_DIR"):
        child.start(os.environ)


def test_the_end_of_a_long_log_is_shown_in_whole_lines(tmp_path: Path) -> None:
    child = ChildProcess("bavard", [sys.executable], tmp_path / "bavard.log")
    child.log.write_text("".join(f"ligne {n}\n" for n in range(10_000)), encoding="utf-8")
    assert child.tail().splitlines()[0] == "ligne 9988"
    assert child.tail().endswith("ligne 9999")
