"""Rejected rows say which, why, and how to mend them."""

import json

import numpy as np
import pyarrow as pa

from dpa.csv_records import Malformed
from dpa.rejects import NO_REJECTS, broken_cells, broken_lines, reject_rows
from dpa.rules import RULES

COLUMNS = [
    "source_line",
    "rule_code",
    "column_name",
    "value",
    "reason",
    "remedy",
    "other_rules",
    "raw_row",
]


def text(*cells: str) -> pa.Array:
    return pa.array(cells, pa.large_string())


ROWS = pa.table({"0": text("a", "b", "c"), "1": text("hier", "x", "2"), "2": text("é", "", '"')})
CELLS = {"date": text("hier", "x", "2"), "volume_transferred": text("1", "z", "2")}
FAULTS = {
    "DATE_INVALIDE": np.array([True, True, False]),
    "VOLUME_NON_NUMERIQUE": np.array([False, True, False]),
}


def test_a_numbered_heading_gives_way_to_one_that_the_file_has() -> None:
    fault = {"DATE_INVALIDE": np.array([True, False, False])}
    for header in (["n", "n (2)", "n"], ["n", "n", "n (2)"]):
        broken = broken_cells(header, ROWS, np.array([2, 3, 4]), CELLS, fault)
        assert [*json.loads(broken["raw_row"][0].as_py()).values()] == ["a", "hier", "é"]


def test_a_row_is_listed_once_with_its_first_rule_and_the_codes_of_the_others() -> None:
    broken = broken_cells(["n", "d", "n"], ROWS, np.array([2, 3, 4]), CELLS, FAULTS)
    rule = RULES["DATE_INVALIDE"]
    assert reject_rows(broken).to_dict("records") == [
        {
            "source_line": 2,
            "rule_code": "DATE_INVALIDE",
            "column_name": "date",
            "value": "hier",
            "reason": rule.sentence,
            "remedy": rule.remedy,
            "other_rules": "",
            "raw_row": '{"n": "a", "d": "hier", "n (2)": "é"}',
        },
        {
            "source_line": 3,
            "rule_code": "DATE_INVALIDE",
            "column_name": "date",
            "value": "x",
            "reason": rule.sentence,
            "remedy": rule.remedy,
            "other_rules": "VOLUME_NON_NUMERIQUE",
            "raw_row": '{"n": "b", "d": "x", "n (2)": ""}',
        },
    ]


def test_the_cells_of_a_row_are_json_whatever_they_hold() -> None:
    cells = ['"\\', "\n\t\x00\x1f\x7f", "é\u2028", ""]
    rows = pa.table([text(*cells)], ["0"])
    broken = broken_cells(
        ['a"'], rows, np.arange(4), {"date": text(*cells)}, _all("DATE_INVALIDE", 4)
    )
    assert [json.loads(row) for row in reject_rows(broken)["raw_row"]] == [
        {'a"': cell} for cell in cells
    ]


def test_each_row_keeps_the_value_of_its_own_rule() -> None:
    faults = {
        "DATE_INVALIDE": np.array([False, True, False]),
        "VOLUME_NON_NUMERIQUE": np.array([True, False, True]),
    }
    rows = reject_rows(broken_cells(["n", "d", "m"], ROWS, np.arange(3), CELLS, faults))
    assert rows["value"].tolist() == ["1", "x", "2"]
    assert rows["column_name"].tolist() == ["volume_transferred", "date", "volume_transferred"]


def _all(code: str, rows: int) -> dict[str, np.ndarray]:
    return {code: np.ones(rows, dtype=bool)}


def test_a_line_that_could_not_be_cut_is_kept_as_it_stands() -> None:
    broken = broken_lines([Malformed(9, "LIGNE_IRREGULIERE", 'a;"b')])
    row = reject_rows(broken).iloc[0]
    assert (row["source_line"], row["column_name"], row["value"]) == (9, "", 'a;"b')
    assert json.loads(row["raw_row"]) == {"ligne": 'a;"b'}


def test_rejects_stand_in_the_order_of_their_lines() -> None:
    cells = broken_cells(["n", "d", "m"], ROWS, np.array([2, 8, 9]), CELLS, FAULTS)
    lines = broken_lines([Malformed(5, "GUILLEMET_NON_FERME", "x")])
    rows = reject_rows(pa.concat_tables([cells, lines]))
    assert rows["source_line"].tolist() == [2, 5, 8]
    assert rows["rule_code"].tolist() == ["DATE_INVALIDE", "GUILLEMET_NON_FERME", "DATE_INVALIDE"]


def test_no_rejects_have_the_same_columns_and_types_as_some() -> None:
    some = reject_rows(broken_cells(["n", "d", "m"], ROWS, np.arange(3), CELLS, FAULTS))
    assert NO_REJECTS.columns.tolist() == some.columns.tolist() == COLUMNS
    assert NO_REJECTS.dtypes.equals(some.dtypes)
    assert str(some.dtypes["source_line"]) == "int64"
    assert (some.dtypes.drop("source_line") == "str").all()
