"""The fast splitter finds what the careful one finds."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpa.csv_blocks import cut_block
from dpa.csv_records import cut_lines

Found = tuple[list[Any], list[int], list[Any], int]


def fast(text: str, delimiter: str, width: int) -> Found:
    found = cut_block(text.encode(), 7, delimiter, width)
    columns = [column.to_pylist() for column in found.cells.columns]
    fields = [list(row) for row in zip(*columns, strict=True)]
    return fields, found.lines.tolist(), found.malformed, found.blank_lines


def careful(text: str, delimiter: str, width: int) -> Found:
    lines = text.removesuffix("\n").split("\n")
    found = cut_lines(lines, range(7, 7 + len(lines)), delimiter, width)
    return found.fields, found.lines, found.malformed, found.blank_lines


PIECES = ["a", "é", "1", '"', '""', ",", ",", ";", "\n", "\n", "\r", "\0", " ", "\u00a0", "\u2003",
          "\x85", "\x1c", "°", "\ufeff", '"a,b"', '\n"a","b"\n', "\na,b\n", "\n,\n"]  # fmt: skip
LINES = [
    "1,2",
    '"1","2"',
    '1,"2"',
    '"1,2",3',
    '1,"x',
    'y"',
    'y",z',
    "1",
    "1,2,3",
    "",
    ",",
    '"",""',
    " , ",
    ",2",
    '1,"a ""b"""',
    '1,2" tube',
    "°,\u00a0",
    '"',
]


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map("".join),
        st.lists(st.sampled_from(LINES), min_size=1, max_size=25).map("\n".join),
    ).filter(bool),
    st.sampled_from([",", ";"]),
    st.integers(1, 3),
)
@example('"1","2\n3"\n4,5\n', ",", 2)
@example("1,2\n\n3,4", ",", 2)
@example(",", ",", 2)
def test_fast_and_careful_splitters_agree(text: str, delimiter: str, width: int) -> None:
    assert fast(text, delimiter, width) == careful(text, delimiter, width)


@pytest.mark.parametrize("newline_at_end", ["", "\n"])
def test_plain_lines_keep_their_order_and_numbers_around_the_others(newline_at_end: str) -> None:
    text = '1,a\n2,"b\nb"\n3,c\n4\n\n5,"d"' + newline_at_end
    fields, lines, malformed, blank_lines = fast(text, ",", 2)
    assert fields == [["1", "a"], ["2", "b\nb"], ["3", "c"], ["5", "d"]]
    assert lines == [7, 8, 10, 13]
    assert [line.line for line in malformed] == [11]
    assert blank_lines == 1
