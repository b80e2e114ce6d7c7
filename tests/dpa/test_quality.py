"""Every raw row ends accepted, duplicate or rejected."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpa.cells import Conventions
from dpa.columns import TRANSACTION_COLUMNS
from dpa.quality import Checked, check

Row = tuple[str, str, str, str, str]
GOOD: Row = ("T1", "M1", "2026-01-05", "12.5", "OK")


def checked(*rows: Row, conventions: Conventions | None = None) -> Checked:
    raw = pd.DataFrame(list(rows), columns=list(TRANSACTION_COLUMNS), dtype="str")
    raw["source_line"] = range(2, len(rows) + 2)
    return check(raw, conventions or Conventions())


def with_cell(at: int, cell: str) -> Row:
    a, b, c, d, e = (cell if i == at else old for i, old in enumerate(GOOD))
    return (a, b, c, d, e)


@pytest.mark.usefixtures("string_storage")
def test_an_accepted_row_is_typed_and_knows_its_day_and_line() -> None:
    row = checked(("T1", " M1 ", "2026-01-05 00:30", "12.5", "OK")).accepted.iloc[0]
    assert row["date"] == pd.Timestamp("2026-01-04T23:30Z")
    assert (row["day"], row["machine_id"]) == ("2026-01-05", "M1")
    assert (row["volume_transferred"], row["source_line"]) == (12.5, 2)


@pytest.mark.usefixtures("string_storage")
def test_a_reject_keeps_the_cell_as_written_and_names_all_broken_rules() -> None:
    found = checked(GOOD, ("T2", "M1", "hier", " 12 t ", "BON"))
    assert found.rejects.to_dict("index") == {
        1: {
            "rule_code": "DATE_INVALIDE",
            "column_name": "date",
            "value": "hier",
            "other_rules": "VOLUME_NON_NUMERIQUE, STATUT_INCONNU",
        }
    }
    assert checked(with_cell(3, " 12 t ")).rejects["value"].tolist() == [" 12 t "]


def test_an_identical_repeat_is_a_duplicate_even_written_otherwise() -> None:
    found = checked(GOOD, ("T1", "M1", "05/01/2026", "12.50", "OK"))
    assert (len(found.accepted), found.duplicates, len(found.rejects)) == (1, 1, 0)


def test_all_rows_of_a_conflict_are_rejected() -> None:
    found = checked(GOOD, with_cell(3, "13"), GOOD, with_cell(0, "T2"))
    assert found.rejects["rule_code"].tolist() == ["ID_EN_CONFLIT"] * 3
    assert found.rejects["value"].tolist() == ["T1"] * 3
    assert found.accepted["transaction_id"].tolist() == ["T2"]


def test_a_row_rejected_for_itself_makes_no_conflict() -> None:
    found = checked(GOOD, with_cell(3, "-1"))
    assert (len(found.accepted), len(found.rejects)) == (1, 1)


def test_kilograms_become_tonnes_to_the_gram() -> None:
    found = checked(with_cell(3, "300.1"), conventions=Conventions(volume_factor=0.001))
    assert found.accepted["volume_transferred"].tolist() == [0.3001]


def test_no_row_at_all_is_nothing_accepted_and_nothing_rejected() -> None:
    found = checked()
    assert (len(found.accepted), len(found.rejects), found.duplicates) == (0, 0, 0)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["T1", "T2", "T3", "T4", ""]),
        st.sampled_from(["M1", "M2", "", "M\x07"]),
        st.sampled_from(["2026-01-05", "05/01/2026", "2026-01-06 10:00", "", "hier"]),
        st.sampled_from(["1", "1.0", "2", "-1", "", "x", "1e999"]),
        st.sampled_from(["OK", "WARN", "ERR", "", "?"]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_row_is_lost_and_order_does_not_matter(data: st.DataObject) -> None:
    rows = data.draw(ROWS)
    found = checked(*rows)
    assert len(found.accepted) + len(found.rejects) + found.duplicates == len(rows)
    assert found.accepted["transaction_id"].is_unique
    shuffled = checked(*data.draw(st.permutations(rows)))
    values = list(TRANSACTION_COLUMNS)
    assert set(shuffled.accepted[values].itertuples(index=False, name=None)) == set(
        found.accepted[values].itertuples(index=False, name=None)
    )
    assert sorted(shuffled.rejects["rule_code"]) == sorted(found.rejects["rule_code"])
