"""Every row of a source ends accepted, duplicate or rejected, however the source is cut."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpa.cells import Conventions
from dpa.checking import checked_parts, summed_parts
from dpa.columns import TRANSACTION_COLUMNS
from dpa.csv_records import Malformed
from dpa.engine import LocalEngine
from dpa.errors import SourceUnreadable
from dpa.parts import CheckedPart, LoadedPart, RawPart, TransactionSource

Row = tuple[str, ...]
GOOD: Row = ("T1", "M1", "2026-01-05", "12.5", "OK")


class InTurn:
    """An engine without threads, whose handles are the results."""

    def keep(self, function: Any, items: Iterable[Any]) -> list[Any]:
        return [function(item) for item in items]

    def map(self, function: Any, items: Iterable[Any], *same: Any) -> Iterator[Any]:
        return (function(item, *same) for item in items)

    def __enter__(self) -> "InTurn":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def raw_part(rows: Sequence[Row | None], first_line: int) -> LoadedPart:
    """A part of rows, None being a line that could not be cut."""
    placed = list(enumerate(rows, start=first_line))
    whole = [(line, row) for line, row in placed if row is not None]
    columns = [[row[at] for _, row in whole] for at in range(len(TRANSACTION_COLUMNS))]
    return LoadedPart(
        RawPart(
            header=TRANSACTION_COLUMNS,
            cells=pa.table(
                {str(at): pa.array(cells, pa.string()) for at, cells in enumerate(columns)}
            ),
            lines=np.array([line for line, _ in whole], dtype=np.int64),
            malformed=[
                Malformed(line, "LIGNE_IRREGULIERE", "?") for line, row in placed if row is None
            ],
            blank_lines=1,
        )
    )


def source(*rows: Row | None, cuts: Iterable[int] = ()) -> TransactionSource:
    bounds = [0, *sorted(cuts), len(rows)]
    parts = [raw_part(rows[a:b], a + 2) for a, b in pairwise(bounds)]
    return TransactionSource(
        path=Path("erp.csv"),
        sha256="",
        sheet="",
        header=TRANSACTION_COLUMNS,
        columns={name: at for at, name in enumerate(TRANSACTION_COLUMNS)},
        conventions=Conventions(),
        defaults={},
        parts=parts,
    )


def with_cell(at: int, cell: str) -> Row:
    return tuple(cell if i == at else old for i, old in enumerate(GOOD))


def checked(given: TransactionSource, since: date | None = None) -> CheckedPart:
    """All the parts of a source as one, in the order of the lines."""
    parts = list(checked_parts(given, InTurn(), since))
    accepted = pd.concat([part.accepted.astype({"machine_id": "str"}) for part in parts])
    rejects = pd.concat([part.rejects for part in parts])
    defaulted: Counter[str] = Counter()
    for part in parts:
        defaulted.update(part.defaulted)
    return CheckedPart(
        read=sum(part.read for part in parts),
        accepted=accepted.sort_values("source_line", ignore_index=True),
        rejects=rejects.sort_values("source_line", ignore_index=True),
        duplicates=sum(part.duplicates for part in parts),
        skipped=sum(part.skipped for part in parts),
        blank_lines=sum(part.blank_lines for part in parts),
        defaulted=dict(defaulted),
    )


def test_an_identical_repeat_is_a_duplicate_even_written_otherwise() -> None:
    found = checked(source(GOOD, ("T1", "M1", "05/01/2026", "12.50", "OK"), cuts=[1]))
    assert found.accepted["source_line"].tolist() == [2]
    assert (found.duplicates, len(found.rejects)) == (1, 0)


def test_all_rows_of_a_conflict_are_rejected_with_their_cells() -> None:
    found = checked(source(GOOD, with_cell(3, "13"), GOOD, with_cell(0, "T2"), cuts=[1, 3]))
    assert found.rejects["rule_code"].tolist() == ["ID_EN_CONFLIT"] * 3
    assert found.rejects["value"].tolist() == ["T1"] * 3
    assert found.rejects["source_line"].tolist() == [2, 3, 4]
    assert json.loads(found.rejects["raw_row"][1])["volume_transferred"] == "13"
    assert found.accepted["transaction_id"].tolist() == ["T2"]


def test_a_row_rejected_for_itself_makes_no_conflict() -> None:
    found = checked(source(GOOD, with_cell(3, "-1"), cuts=[1]))
    assert (len(found.accepted), len(found.rejects)) == (1, 1)


def test_a_reject_keeps_the_cell_as_written() -> None:
    found = checked(source(with_cell(3, " 12 t ")))
    assert found.rejects["value"].tolist() == [" 12 t "]


def test_rows_before_since_are_skipped_before_anything_else() -> None:
    early = ("T0", "M1", "2026-01-04 23:59", "12.5", "OK")
    rows = [GOOD, early, with_cell(2, "hier"), (*early[:3], "?", "?"), with_cell(2, "2026-01-05Z")]
    found = checked(source(*rows, cuts=[2]), since=date(2026, 1, 5))
    assert (found.read, found.skipped, found.duplicates) == (3, 2, 0)
    assert found.accepted["source_line"].tolist() == [2]
    assert found.rejects["rule_code"].tolist() == ["DATE_INVALIDE"] * 2


@pytest.mark.parametrize("cuts", [[], [1], [1, 2]])
def test_a_row_before_since_still_tells_a_conflict(cuts: list[int]) -> None:
    early, bad = with_cell(2, "2026-01-04"), ("T2", "M1", "2026-01-04", "?", "OK")
    found = checked(
        source(early, GOOD, bad, with_cell(0, "T2"), early, cuts=cuts), since=date(2026, 1, 5)
    )
    assert (found.read, found.skipped, found.duplicates) == (2, 3, 0)
    assert found.rejects["rule_code"].tolist() == ["ID_EN_CONFLIT"]
    assert found.accepted["transaction_id"].tolist() == ["T2"]


def test_since_is_a_day_in_douala() -> None:
    rows = [("T0", *with_cell(2, "2026-01-04T22:59:00Z")[1:]), with_cell(2, "2026-01-04T23:00:00Z")]
    assert checked(source(*rows), since=date(2026, 1, 5)).skipped == 1


def test_defaults_fill_empty_cells_and_absent_columns_and_are_counted() -> None:
    rows = source(with_cell(1, " "), with_cell(0, "T2"), cuts=[1])
    given = replace(
        rows,
        columns=rows.columns | {"status_code": None},
        defaults={"machine_id": "M9", "status_code": "WARN"},
    )
    found = checked(given)
    assert found.accepted["machine_id"].tolist() == ["M9", "M1"]
    assert found.accepted["status_code"].tolist() == ["WARN", "WARN"]
    assert found.defaulted == {"machine_id": 1, "status_code": 2}


def test_defaults_of_skipped_rows_are_not_counted() -> None:
    rows = replace(source(with_cell(1, "")), defaults={"machine_id": "M9"})
    assert checked(rows, since=date(2027, 1, 1)).defaulted == {}


def test_no_row_at_all_is_nothing_accepted_and_nothing_rejected() -> None:
    found = checked(source())
    assert (found.read, len(found.accepted), len(found.rejects)) == (0, 0, 0)


def test_every_part_has_the_types_of_the_contract() -> None:
    rows = [GOOD, GOOD, with_cell(3, "1"), with_cell(0, "T2"), with_cell(0, "T2"), ("",) * 5]
    parts = list(checked_parts(source(*rows, with_cell(0, "T3"), cuts=[2, 6]), InTurn()))
    assert len(parts) > 3
    for part in parts:
        assert part.accepted.dtypes.drop("machine_id").equals(
            parts[0].accepted.dtypes.drop("machine_id")
        )
        assert part.accepted["machine_id"].dtype == "category"
        assert part.rejects.dtypes.equals(parts[0].rejects.dtypes)
        assert part.read == len(part.accepted) + len(part.rejects) + part.duplicates


def test_what_a_part_cannot_read_ends_the_check() -> None:
    class Gone:
        def read(self) -> RawPart:
            raise SourceUnreadable("erp.csv : disparu.")

    with LocalEngine(2) as engine, pytest.raises(SourceUnreadable, match="disparu"):
        list(checked_parts(replace(source(GOOD), parts=[Gone(), Gone()]), engine))


def counted(part: CheckedPart) -> Counter[str]:
    return Counter(read=part.read, accepted=len(part.accepted), duplicates=part.duplicates)


def test_sums_of_parts_count_repeats_like_the_checked_rows() -> None:
    given = source(*[with_cell(0, f"T{number % 5}") for number in range(7)], None, cuts=[2, 4, 6])
    found = sum(summed_parts(given, InTurn(), counted), Counter[str]())
    assert found == Counter(read=8, accepted=5, duplicates=2)
    assert found == counted(checked(given))


def test_threads_change_nothing() -> None:
    rows = [(f"T{number % 90}", "M1", "2026-01-05", str(number % 7), "OK") for number in range(99)]
    given = source(*rows, cuts=range(10, 99, 10))
    with LocalEngine(4) as engine:
        parts = list(checked_parts(given, engine))
    assert sum(len(part.accepted) for part in parts) == len(checked(given).accepted)
    assert sum(part.read for part in parts) == 99


ROWS = st.lists(
    st.none()
    | st.tuples(
        st.sampled_from(["T1", "T2", "T3", " T1", ""]),
        st.sampled_from(["M1", "M2", "", "M\x07", "M1 "]),
        st.sampled_from(["2026-01-05", "05/01/2026", "2026-01-06 10:00", "", "hier"]),
        st.sampled_from(["1", "1.0", "2", "-1", "", "x", "1e999"]),
        st.sampled_from(["OK", "WARN", "ERR", "", "?"]),
    ),
    max_size=30,
)


def frames_equal(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return bool(one.astype(str).equals(other.astype(str)))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_partition_gives_the_same_rows_rejects_and_duplicates(data: st.DataObject) -> None:
    rows = data.draw(ROWS)
    since = data.draw(st.none() | st.just(date(2026, 1, 6)))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    whole, cut = checked(source(*rows), since), checked(source(*rows, cuts=cuts), since)
    assert whole.read + whole.skipped == len(rows)
    assert whole.read == len(whole.accepted) + len(whole.rejects) + whole.duplicates
    assert whole.accepted["transaction_id"].is_unique
    assert (cut.read, cut.duplicates, cut.skipped) == (whole.read, whole.duplicates, whole.skipped)
    assert frames_equal(cut.accepted, whole.accepted)
    assert frames_equal(cut.rejects, whole.rejects)
    assert cut.blank_lines == len(cuts) + 1


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_order_of_the_rows_changes_only_which_repeat_stays(data: st.DataObject) -> None:
    rows = data.draw(ROWS)
    one, other = checked(source(*rows)), checked(source(*data.draw(st.permutations(rows))))
    values = list(TRANSACTION_COLUMNS)
    assert set(one.accepted[values].astype(str).itertuples(index=False, name=None)) == set(
        other.accepted[values].astype(str).itertuples(index=False, name=None)
    )
    assert sorted(one.rejects["rule_code"]) == sorted(other.rejects["rule_code"])
    assert one.duplicates == other.duplicates
