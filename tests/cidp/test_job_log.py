"""The end of a log, for people, and the progress that programs write into it."""

from pathlib import Path

import pytest

from cidp.job_log import MAX_LINE, READ_BYTES, TAIL_LINES, last_progress, log_tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "journal.log"


def test_without_a_log_there_is_nothing(log: Path) -> None:
    assert (log_tail(log), last_progress(log)) == ([], None)


def test_the_last_whole_lines_of_a_long_log_are_given(log: Path) -> None:
    log.write_text("".join(f"ligne {n}\n" for n in range(READ_BYTES)), encoding="utf-8")
    tail = log_tail(log)
    assert len(tail) == TAIL_LINES
    assert tail[-1] == f"ligne {READ_BYTES - 1}"


def test_a_line_can_neither_move_a_cursor_nor_fill_the_answer(log: Path) -> None:
    log.write_bytes(b"\x1b[2Jx\xff\r\n" + b"y" * 5_000)
    first, second = log_tail(log)
    assert first == "\\x1b[2Jx\N{REPLACEMENT CHARACTER}"
    assert len(second) == MAX_LINE


@pytest.mark.parametrize(
    "line",
    ['{"percent": 1}', '{"step": "a", "percent": 101}', '{"step": "a", "percent": "1"}', "{", "{}"],
)
def test_what_only_looks_like_progress_is_a_line_of_the_log(log: Path, line: str) -> None:
    log.write_text(f'{{"step":"vrai","percent":null}}\n{line}\n', encoding="utf-8")
    found = last_progress(log)
    assert found is not None
    assert (found.step, found.percent) == ("vrai", None)
    assert log_tail(log) == [line]
