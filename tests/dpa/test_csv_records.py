"""Cutting CSV text into records."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpa.csv_records import MAX_RECORD_LINES, Malformed, detect_delimiter, split_records


def test_records_know_their_physical_line() -> None:
    found = split_records('a,b\n1,"x\ny"\n\n2,z\n')
    assert found.header == ["a", "b"]
    assert found.fields == [["1", "x\ny"], ["2", "z"]]
    assert found.lines == [2, 5]
    assert (found.blank_lines, found.malformed) == (1, [])


def test_crlf_and_a_missing_last_newline_change_nothing() -> None:
    assert split_records("a,b\r\n1,2\r\n3,4").fields == [["1", "2"], ["3", "4"]]


def test_cr_alone_ends_lines_where_nothing_else_does() -> None:
    found = split_records("a,b\r1,2\r\r3,4\r")
    assert (found.fields, found.lines) == ([["1", "2"], ["3", "4"]], [2, 4])
    assert split_records("a,b\n1,x\ry\n").fields == [["1", "x\ry"]]


def test_a_quoted_cell_may_be_longer_than_the_csv_module_likes() -> None:
    note = "x" * 200_000
    assert split_records(f'a,b\n1,"{note}"\n').fields == [["1", note]]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(mark: str) -> None:
    assert detect_delimiter(mark.join(["a", "b", '"c,d;e"'])) == mark


def test_a_ragged_line_costs_only_itself() -> None:
    found = split_records("a,b\n1\n1,2\n1,2,3\n")
    assert found.fields == [["1", "2"]]
    assert found.malformed == [
        Malformed(2, "LIGNE_IRREGULIERE", "1"),
        Malformed(4, "LIGNE_IRREGULIERE", "1,2,3"),
    ]


def test_an_unclosed_quote_costs_only_its_line() -> None:
    found = split_records('a,b\n1,"x\n2,y\n3,"z"\n4,"w\n')
    assert found.fields == [["2", "y"], ["3", "z"]]
    assert [(bad.line, bad.rule_code) for bad in found.malformed] == [
        (2, "GUILLEMET_NON_FERME"),
        (5, "GUILLEMET_NON_FERME"),
    ]


def test_text_after_a_closing_quote_is_refused() -> None:
    found = split_records('a,b\n1,"x"y\n2,z\n')
    assert found.malformed == [Malformed(2, "GUILLEMET_NON_FERME", '1,"x"y')]
    assert found.lines == [3]


def test_a_quoted_line_with_too_many_fields_is_ragged() -> None:
    assert split_records('a,b\n"1",2,3\n').malformed[0].rule_code == "LIGNE_IRREGULIERE"


def test_a_quote_in_the_middle_of_a_field_is_plain_text() -> None:
    assert split_records('a,b\n1,12" tube\n').fields == [["1", '12" tube']]


def test_a_quote_open_for_too_long_was_never_closed() -> None:
    filling = "x\n" * MAX_RECORD_LINES
    found = split_records(f'a,b\n1,"x\n{filling}y"\n')
    assert found.malformed[0].line == 2
    assert found.fields == []


def test_lines_before_the_header_and_spaces_are_blank() -> None:
    found = split_records("\n  \na,b\n1,2\n   \n")
    assert (found.blank_lines, found.lines) == (3, [4])


def test_one_column_needs_no_delimiter_and_keeps_no_blank_row() -> None:
    found = split_records("a\n1\n\n2\n")
    assert (found.fields, found.blank_lines) == ([["1"], ["2"]], 1)


@pytest.mark.parametrize("line", [",", ", ", ",,,,", '"",""'])
def test_a_line_of_delimiters_alone_is_blank(line: str) -> None:
    found = split_records(f"a,b\n1,2\n{line}\n3,4\n")
    assert (found.blank_lines, found.lines, found.malformed) == (1, [2, 4], [])


@pytest.mark.parametrize("text", ["", "\n\n", "   \n"])
def test_a_text_without_content_has_no_header(text: str) -> None:
    assert split_records(text).header == []


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.sampled_from([",", ";", "\t"]))
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str, str]], delimiter: str
) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    flat = [tuple(cell.replace("\n", " ") for cell in row) for row in rows]
    writer.writerows(flat)
    found = split_records(buffer.getvalue(), delimiter)
    full = [(line, row) for line, row in enumerate(flat, start=2) if "".join(row).strip()]
    assert [tuple(fields) for fields in found.fields] == [row for _, row in full]
    assert found.lines == [line for line, _ in full]
    assert found.blank_lines == len(flat) - len(full)


@given(st.text(st.sampled_from('ab",\n'), max_size=60))
def test_no_line_is_lost_whatever_the_text(text: str) -> None:
    found = split_records("a,b\n" + text)
    placed = {bad.line for bad in found.malformed} | set(found.lines)
    assert len(placed) == len(found.malformed) + len(found.lines)
    inner = sum(cell.count("\n") for fields in found.fields for cell in fields)
    lines = len(("a,b\n" + text).removesuffix("\n").split("\n"))
    assert len(placed) + found.blank_lines + inner + 1 == lines
