"""Steps are told as a bar or as JSON lines."""

import json

import pytest

from pmd.cli.progress import steps


def told(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, float]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [(line["step"], line["percent"]) for line in lines]


def test_a_program_gets_the_share_that_is_done_as_each_step_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with steps(2, "json") as progress:
        for step in ("lecture", "essai", "un de trop"):
            progress(step)
    assert told(capsys) == [("lecture", 0), ("essai", 50), ("un de trop", 100)]


def test_a_bar_is_silent_outside_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with steps(1, "bar") as progress:
        progress("lecture")
    assert capsys.readouterr().err == ""
