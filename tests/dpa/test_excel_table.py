"""Columns show everything, and a text that is too long says so."""

import pyarrow as pa
import pytest

from dpa import excel_table
from dpa.excel_table import shortened, wrapped_lines


def test_a_long_text_is_cut_visibly_and_a_short_one_is_not() -> None:
    found = shortened(pa.table({"a": ["x" * 301, "y" * 300, None], "n": [1, 2, 3]}))
    assert found["a"].to_pylist() == ["x" * 300 + " […]", "y" * 300, None]
    assert found["n"].to_pylist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "lines"),
    [("court", 1), ("", 1), (None, 1), ("un deux trois quatre", 2), ("x" * 25, 3), ("a\nb\nc", 3)],
)
def test_wrapped_text_is_counted_by_lines(text: str | None, lines: int) -> None:
    assert wrapped_lines(pa.chunked_array([pa.array([text], pa.string())]), 12).to_pylist() == [
        lines
    ]


def test_many_different_texts_get_room_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.chunked_array([[f"{'mot ' * length}fin" for length in range(40)]])
    exact = wrapped_lines(texts, 12).to_pylist()
    monkeypatch.setattr(excel_table, "_WRAPPED_EXACTLY", 0)
    estimated = wrapped_lines(texts, 12).to_pylist()
    assert all(guess >= lines for guess, lines in zip(estimated, exact, strict=True))
    assert max(estimated) <= 2 * max(exact)
