"""The bar never changes what passes through it."""

import io
import json
import sys

import pytest

from dpa.progress import announce, tracked


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_items_pass_and_nothing_is_shown_outside_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(tracked(iter("abc"), 3, "Contrôle", "parties")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_more_items_than_estimated_leave_the_bar_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert len(list(tracked(range(5), 3, "Contrôle", "parties"))) == 5
    last = sys.stderr.getvalue().rsplit("\r", 1)[-1]
    assert "Contrôle 100 %" in last
    assert "3/3 parties" in last


def told(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, float | None]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [(line["step"], line["percent"]) for line in lines]


def test_a_program_gets_a_line_for_each_whole_per_cent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(tracked(iter("abc"), 3, "Contrôle", "parties", "json")) == ["a", "b", "c"]
    assert told(capsys) == [("Contrôle", 0), ("Contrôle", 33), ("Contrôle", 66), ("Contrôle", 100)]


def test_a_long_step_has_no_more_lines_than_per_cents(capsys: pytest.CaptureFixture[str]) -> None:
    list(tracked(range(10_000), 10_000, "Contrôle", "parties", "json"))
    assert len(told(capsys)) == 101


@pytest.mark.parametrize("total", [0, 2])
def test_a_wrong_estimate_never_passes_the_whole(
    capsys: pytest.CaptureFixture[str], total: int
) -> None:
    list(tracked(range(5), total, "Contrôle", "parties", "json"))
    percents = [percent or 0 for _, percent in told(capsys)]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_a_step_without_a_measure_is_told_to_programs_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    announce("Rapport Excel", "bar")
    assert told(capsys) == []
    announce("Rapport Excel", "json")
    assert told(capsys) == [("Rapport Excel", None)]
