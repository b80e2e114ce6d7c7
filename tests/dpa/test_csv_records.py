"""Cutting CSV lines into records."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpa.csv_records import (
    MAX_RECORD_LINES,
    Malformed,
    Records,
    cut_lines,
    detect_delimiter,
    is_whole,
)


def cut(text: str, delimiter: str = ",", width: int = 2) -> Records:
    """Cut the lines that stand below a header."""
    return cut_from(2, text.removesuffix("\n").split("\n"), delimiter, width)


def cut_from(first: int, lines: list[str], delimiter: str, width: int) -> Records:
    return cut_lines(lines, range(first, first + len(lines)), delimiter, width)


def test_records_know_their_physical_line() -> None:
    found = cut('1,"x\ny"\n\n2,z\n')
    assert found.fields == [["1", "x\ny"], ["2", "z"]]
    assert found.lines == [2, 5]
    assert (found.blank_lines, found.malformed) == (1, [])


def test_a_quoted_cell_may_be_longer_than_the_csv_module_likes() -> None:
    note = "x" * 200_000
    assert cut(f'1,"{note}"\n').fields == [["1", note]]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(mark: str) -> None:
    assert detect_delimiter(mark.join(["a", "b", '"c,d;e"'])) == mark


def test_a_ragged_line_costs_only_itself() -> None:
    found = cut("1\n1,2\n1,2,3\n")
    assert found.fields == [["1", "2"]]
    assert found.malformed == [
        Malformed(2, "LIGNE_IRREGULIERE", "1"),
        Malformed(4, "LIGNE_IRREGULIERE", "1,2,3"),
    ]


def test_an_unclosed_quote_costs_only_its_line() -> None:
    found = cut('1,"x\n2,y\n3,"z"\n4,"w\n')
    assert found.fields == [["2", "y"], ["3", "z"]]
    assert [(bad.line, bad.rule_code) for bad in found.malformed] == [
        (2, "GUILLEMET_NON_FERME"),
        (5, "GUILLEMET_NON_FERME"),
    ]


def test_text_after_a_closing_quote_is_refused() -> None:
    found = cut('1,"x"y\n2,z\n')
    assert found.malformed == [Malformed(2, "GUILLEMET_NON_FERME", '1,"x"y')]
    assert found.lines == [3]


def test_a_quoted_line_with_too_many_fields_is_ragged() -> None:
    assert cut('"1",2,3\n').malformed[0].rule_code == "LIGNE_IRREGULIERE"


def test_a_quote_in_the_middle_of_a_field_is_plain_text() -> None:
    assert cut('1,12" tube\n').fields == [["1", '12" tube']]


def test_a_quote_open_for_too_long_was_never_closed() -> None:
    filling = "x\n" * MAX_RECORD_LINES
    found = cut(f'1,"x\n{filling}y"\n')
    assert found.malformed[0].line == 2
    assert found.fields == []


def test_a_line_left_out_closes_no_quote_and_lets_none_pass_it() -> None:
    found = cut_lines(['1,"x', 'y"'], [2, 4], ",", 2)
    assert [(bad.line, bad.rule_code) for bad in found.malformed] == [
        (2, "GUILLEMET_NON_FERME"),
        (4, "LIGNE_IRREGULIERE"),
    ]


def test_one_column_needs_no_delimiter_and_keeps_no_blank_row() -> None:
    found = cut("1\n\n2\n", width=1)
    assert (found.fields, found.blank_lines) == ([["1"], ["2"]], 1)


@pytest.mark.parametrize("line", [",", ", ", ",,,,", '"",""', "   "])
def test_a_line_of_delimiters_alone_is_blank(line: str) -> None:
    found = cut(f"1,2\n{line}\n3,4\n")
    assert (found.blank_lines, found.lines, found.malformed) == (1, [2, 4], [])


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.sampled_from([",", ";", "\t"]))
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str, str]], delimiter: str
) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    flat = [tuple(cell.replace("\n", " ") for cell in row) for row in rows]
    writer.writerows(flat)
    lines = buffer.getvalue().split("\n")[:-1]
    found = cut_from(2, lines, delimiter, 3)
    full = [(line, row) for line, row in enumerate(flat, start=2) if "".join(row).strip()]
    assert [tuple(fields) for fields in found.fields] == [row for _, row in full]
    assert found.lines == [line for line, _ in full]
    assert found.blank_lines == len(flat) - len(full)


TEXTS = st.text(st.sampled_from('ab",\n'), max_size=60)


@given(TEXTS)
def test_no_line_is_lost_whatever_the_text(text: str) -> None:
    lines = text.split("\n")
    found = cut_from(1, lines, ",", 2)
    placed = {bad.line for bad in found.malformed} | set(found.lines)
    assert len(placed) == len(found.malformed) + len(found.lines)
    inner = sum(cell.count("\n") for fields in found.fields for cell in fields)
    assert len(placed) + found.blank_lines + inner == len(lines)


@given(TEXTS, st.integers(1, 3))
def test_a_text_may_be_cut_after_any_whole_line(text: str, width: int) -> None:
    lines = text.split("\n")
    together = cut_from(1, lines, ",", width)
    for end in range(1, len(lines)):
        if is_whole(lines[end - 1], ",", width):
            above = cut_from(1, lines[:end], ",", width)
            below = cut_from(end + 1, lines[end:], ",", width)
            assert above.fields + below.fields == together.fields
            assert above.lines + below.lines == together.lines
            assert above.malformed + below.malformed == together.malformed
