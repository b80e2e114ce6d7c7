"""Text columns seen as numpy arrays."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dpa.text_buffers import by_width, byte_lengths, contiguous, has_byte, hashes, trimmed

TEXTS = st.lists(st.text(max_size=20), max_size=12)


def column(*texts: str) -> pa.Array:
    return pa.array(texts, pa.large_string())


def sliced(texts: list[str]) -> pa.Array:
    """The same texts in the middle of a longer column."""
    return column("avant", *texts, "après")[1 : len(texts) + 1]


def test_chunks_and_short_offsets_become_one_column() -> None:
    chunked = pa.chunked_array([["a"], ["b", ""]], pa.string())
    found = contiguous(chunked)
    assert found.type == pa.large_string()
    assert found.to_pylist() == ["a", "b", ""]


@given(TEXTS)
def test_lengths_are_those_of_the_encoded_texts(texts: list[str]) -> None:
    assert byte_lengths(sliced(texts)).tolist() == [len(text.encode()) for text in texts]


@given(TEXTS)
def test_every_text_is_in_the_group_of_its_width(texts: list[str]) -> None:
    found = {
        position: row.tobytes()
        for positions, matrix in by_width(sliced(texts))
        for position, row in zip(positions.tolist(), matrix, strict=True)
    }
    assert found == {position: text.encode() for position, text in enumerate(texts)}


def test_groups_of_other_widths_may_be_left_out() -> None:
    assert [positions.tolist() for positions, _ in by_width(column("a", "bb", "c"), {1})] == [
        [0, 2]
    ]
    assert list(by_width(column("a", "b"), {2})) == []


def test_only_texts_with_space_at_an_edge_are_copied() -> None:
    clean = column("a b", "", "c")
    assert trimmed(clean) is clean
    assert trimmed(column(" a ", "b\u00a0", "\u2003c", "é", " ")).to_pylist() == [
        "a",
        "b",
        "c",
        "é",
        "",
    ]


@given(TEXTS)
def test_equal_texts_have_equal_hashes_whatever_stands_beside_them(texts: list[str]) -> None:
    alone = [hashes(column(text))[0] for text in texts]
    assert hashes(sliced(texts)).tolist() == alone


def test_like_identifiers_have_different_hashes() -> None:
    texts = [f"TRX-{number}" for number in range(50_000)] + ["", "\0", "\0\0"]
    assert len(np.unique(hashes(column(*texts)))) == len(texts)


def test_bytes_are_looked_for_in_the_column_alone() -> None:
    table = np.isin(np.arange(256), [ord("v")])
    assert has_byte(column("avant"), table)
    assert not has_byte(sliced(["a"]), table)
