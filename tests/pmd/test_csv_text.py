import pytest

from pmd import csv_text
from pmd.csv_text import parse_csv


def test_blocks_are_cut_between_lines_and_keep_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_text, "BLOCK_BYTES", 8)
    rows = [f"{number},é{number}" for number in range(50)]
    rows[20], rows[30], rows[40] = "broken", "", '"4,0",x'
    parsed = parse_csv("t.csv", ("a,b\n" + "\n".join(rows)).encode())
    assert parsed.cells["b"].tolist() == [
        "x" if number == 40 else f"é{number}" for number in range(50) if number not in (20, 30)
    ]
    assert parsed.cells.index.tolist() == [n + 2 for n in range(50) if n not in (20, 30)]
    assert parsed.broken == [(22, "1 champs au lieu de 2", "broken")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(end: str) -> None:
    parsed = parse_csv("t.csv", end.join(["a,b", "1,2", "3,4", ""]).encode())
    assert parsed.cells.to_numpy().tolist() == [["1", "2"], ["3", "4"]]


def test_a_text_is_the_same_beside_a_quote_or_not() -> None:
    lines = ["a,b", " 1 ,\t", "é\x00,NA", ",null"]
    plain = parse_csv("t.csv", "\n".join(lines).encode()).cells
    beside = parse_csv("t.csv", "\n".join([*lines, '"x",y']).encode()).cells
    assert plain.to_numpy().tolist() == beside.to_numpy().tolist()[:-1]
    assert plain.to_numpy().tolist() == [[" 1 ", "\t"], ["é\x00", "NA"], ["", "null"]]


def test_one_column_has_no_comma() -> None:
    assert parse_csv("t.csv", b"a\n1\n2\n").cells["a"].tolist() == ["1", "2"]
