"""The bar never changes what passes through it."""

import io
import sys

import pytest

from dpa.progress import tracked


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
