import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger
from waiting import until

from cidp import supervisor as supervisor_module
from cidp.child_process import ChildProcess
from cidp.errors import ChildFailed, ChildTimedOut
from cidp.supervisor import StopAsked, Supervisor

STAYS = "import time\nwhile True: time.sleep(0.05)"
ENDS = "import sys\nprint('au revoir é')\nsys.exit(3)"
STUBBORN = (
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('prêt')\n"
    "while True: time.sleep(0.05)"
)
MakeChild = Callable[[str, str], ChildProcess]


@pytest.fixture
def make_child(tmp_path: Path) -> Iterator[MakeChild]:
    """Make a child from the text of its program; none survives the test."""
    made = []

    def make(name: str, text: str) -> ChildProcess:
        script = tmp_path / f"{name}.py"
        script.write_text(text, encoding="utf-8")
        made.append(ChildProcess(name, [str(script)], tmp_path / "logs" / f"{name}.log"))
        return made[-1]

    yield make
    for child in made:
        child.kill()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def group(stop: threading.Event) -> Iterator[Supervisor]:
    group = Supervisor(os.environ, stop)
    yield group
    group.stop_all()


def test_a_child_that_ends_while_the_group_comes_up_ends_it(
    group: Supervisor, make_child: MakeChild
) -> None:
    group.start(make_child("finit", ENDS))
    with pytest.raises(ChildFailed, match=r"(?s)finit .*code 3.*au revoir é"):
        group.wait_for(lambda: False, 240, "rien")


def test_a_child_that_falls_is_started_again(
    group: Supervisor, make_child: MakeChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "BACK_OFF_S", (0.05,) * 6)
    monkeypatch.setattr(supervisor_module, "POLL_S", 0.02)
    child = make_child("reste", STAYS)
    group.start(child)
    first = child.pid
    fallen: list[int] = []

    def look() -> None:
        if child.pid == first:
            child.kill()
        elif child.running:
            fallen.append(group.falls(child))
            group.stop(child)
            raise StopAsked

    group.attend(look)
    with pytest.raises(StopAsked):
        group.watch(240)
    assert fallen == [1]
    assert not child.running


def test_a_child_that_is_not_essential_may_fall_without_end(
    group: Supervisor, make_child: MakeChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "BACK_OFF_S", (0.01,))
    monkeypatch.setattr(supervisor_module, "POLL_S", 0.02)
    child = make_child("finit", ENDS)
    group.start(child, essential=False)
    lines: list[str] = []
    sink = logger.add(lines.append, level="ERROR", format="{message}")

    def look() -> None:
        if group.falls(child) > 2:
            raise StopAsked

    group.attend(look)
    try:
        with pytest.raises(StopAsked):
            group.watch(240)
    finally:
        logger.remove(sink)
    assert lines[0].endswith("finit.log : | au revoir é | Nouveau départ dans 0.01 s.\n")


def test_an_essential_child_that_falls_without_end_is_named_with_the_end_of_its_log(
    group: Supervisor, make_child: MakeChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "BACK_OFF_S", (0.01,))
    stays, ends = make_child("reste", STAYS), make_child("finit", ENDS)
    group.start(stays)
    group.start(ends)
    with pytest.raises(ChildFailed, match=r"(?s)finit .*code 3.*au revoir é"):
        group.watch(None)
    assert stays.running
    group.stop_all()
    assert not stays.running


def test_a_stop_ends_every_wait(
    group: Supervisor, make_child: MakeChild, stop: threading.Event
) -> None:
    child = make_child("reste", STAYS)
    group.start(child)
    stop.set()
    with pytest.raises(StopAsked):
        group.wait_for(lambda: False, 60, "rien")
    with pytest.raises(StopAsked):
        group.watch(None)
    with pytest.raises(StopAsked):
        group.run(make_child("travail", STAYS), 60)
    with pytest.raises(StopAsked):
        group.check()


def test_the_watch_ends_by_itself_after_its_duration(
    group: Supervisor, make_child: MakeChild
) -> None:
    child = make_child("reste", STAYS)
    group.start(child)
    with pytest.raises(StopAsked):
        group.watch(0.1)
    group.stop_all()
    assert child.code is not None


def test_what_is_not_ready_in_time_is_named(group: Supervisor) -> None:
    with pytest.raises(ChildTimedOut, match="API : toujours pas prêt après 0 s"):
        group.wait_for(lambda: False, 0.1, "API")


def test_a_job_returns_its_code_and_prints_where_it_is_told(
    group: Supervisor, make_child: MakeChild, tmp_path: Path
) -> None:
    job = make_child("travail", ENDS)
    with (tmp_path / "sortie").open("wb") as output:
        assert group.run(job, 240, output) == 3
    assert (tmp_path / "sortie").read_text(encoding="utf-8").strip() == "au revoir é"
    assert job.tail() == ""


def test_what_is_attended_to_goes_on_while_a_job_runs(
    group: Supervisor, make_child: MakeChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "POLL_S", 0.02)
    looks: list[bool] = []
    job = make_child("travail", STAYS)

    def look() -> None:
        looks.append(job.running)
        if len(looks) == 3:
            job.kill()

    others: list[bool] = []
    group.attend(lambda: others.append(job.running))
    group.attend(look)
    group.run(job, 240)
    assert looks[:3] == others[:3] == [True] * 3


def test_a_job_that_lasts_too_long_is_ended(group: Supervisor, make_child: MakeChild) -> None:
    job = make_child("travail", STAYS)
    with pytest.raises(ChildTimedOut, match="travail"):
        group.run(job, 0.1)
    assert not job.running


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM cannot be ignored there")
def test_a_child_that_ignores_the_stop_is_killed(
    group: Supervisor, make_child: MakeChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "STOP_S", 0.3)
    child = make_child("tetu", STUBBORN)
    group.start(child)
    until(lambda: "prêt" in child.tail())
    group.stop_all()
    assert child.code == -signal.SIGKILL
