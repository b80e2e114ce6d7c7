import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd.labels import (
    announced_failures,
    horizon_observed,
    in_repair,
    next_failures,
    recorded_failures,
)

START = pd.Timestamp("2026-01-01", tz="UTC")


def at(hours: float) -> pd.Timestamp:
    return START + pd.Timedelta(hours=hours)


def readings(*rows: tuple[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "loco_id": [loco for loco, _ in rows],
            "timestamp": pd.Series([at(hours) for _, hours in rows], dtype="datetime64[us, UTC]"),
        }
    )


def failures(*rows: tuple[str, float]) -> pd.DataFrame:
    named = readings(*rows).set_axis(["loco_id", "failed_at"], axis=1)
    return named.assign(failure_type=[f"type {loco}" for loco, _ in rows])


def waits(rows: pd.DataFrame, failed: pd.DataFrame) -> list[float]:
    """Hours to the next failure, endless where none follows."""
    found = next_failures(rows, failed)["failed_at"] - rows["timestamp"]
    return (found / pd.Timedelta(hours=1)).fillna(float("inf")).tolist()


def orders(*rows: tuple[str, float, float | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "loco_id": [loco for loco, _, _ in rows],
            "opened_at": [at(opened) for _, opened, _ in rows],
            "closed_at": pd.to_datetime(
                [None if closed is None else at(closed) for _, _, closed in rows], utc=True
            ),
            "failure_type": ["bearing_wear"] * len(rows),
        }
    )


def test_the_wait_is_to_the_next_failure_of_the_same_locomotive() -> None:
    rows = readings(("A", 0), ("A", 10), ("A", 11), ("B", 0), ("C", 0))
    failed = failures(("A", 30), ("A", 10), ("B", 5))
    assert waits(rows, failed) == [10, 0, 19, 5, float("inf")]


def test_no_failure_at_all_is_an_endless_wait() -> None:
    assert waits(readings(("A", 0)), failures()) == [float("inf")]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 99)), min_size=1, unique=True),
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 99)), max_size=6),
)
def test_the_wait_equals_its_definition(
    rows: list[tuple[str, int]], failed: list[tuple[str, int]]
) -> None:
    expected = [
        min(
            (hour - now for other, hour in failed if other == loco and hour >= now),
            default=float("inf"),
        )
        for loco, now in rows
    ]
    assert waits(readings(*rows), failures(*failed)) == pytest.approx(expected)


def test_a_label_tells_the_failure_that_it_announces() -> None:
    rows = readings(("A", 0), ("A", 8), ("A", 31), ("B", 0))
    known = announced_failures(rows, failures(("A", 30), ("B", 25)), 24)
    assert known["failure"].tolist() == [0, 1, 0, 0]
    assert known["failure_type"].tolist() == ["", "type A", "", ""]
    assert known["failed_at"].dropna().tolist() == [at(30)]


def test_repair_lies_strictly_between_opening_and_closing() -> None:
    rows = readings(("A", 0), ("A", 1), ("A", 2), ("A", 3), ("B", 2))
    assert in_repair(rows, orders(("A", 1, 3), ("Z", 0, 9))).tolist() == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_an_open_order_lasts_for_ever() -> None:
    rows = readings(("A", 1), ("A", 2), ("A", 900))
    assert in_repair(rows, orders(("A", 1, None))).tolist() == [False, True, True]


def test_without_orders_nothing_is_in_repair() -> None:
    assert in_repair(readings(("A", 1)), None).tolist() == [False]


def test_the_last_hours_of_a_table_have_no_label() -> None:
    rows = readings(("A", 0), ("B", 6), ("A", 7), ("B", 30))
    assert horizon_observed(rows, 24, at(30)).tolist() == [True, True, False, False]


def test_a_failure_told_by_both_tables_counts_once() -> None:
    rows = readings(("A", 1), ("A", 2), ("B", 3)).assign(failure=[1, 0, 1])
    recorded = recorded_failures(rows, orders(("A", 1, None), ("C", 9, None)))
    types = dict(zip(recorded["loco_id"], recorded["failure_type"], strict=True))
    assert types == {"A": "bearing_wear", "B": "", "C": "bearing_wear"}


def test_failures_may_come_from_one_table_alone() -> None:
    rows = readings(("A", 1), ("A", 2))
    assert recorded_failures(rows.assign(failure=[0, 1]), None)["failed_at"].tolist() == [at(2)]
    assert recorded_failures(rows, orders(("A", 1, 2)))["failed_at"].tolist() == [at(1)]
