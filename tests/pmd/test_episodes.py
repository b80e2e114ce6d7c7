import numpy as np
import pytest

from pmd.episodes import HOURS_PER_MONTH, false_alarms, warnings


def names(text: str) -> np.ndarray:
    return np.array(list(text), dtype=object)


def flags(text: str) -> np.ndarray:
    return np.array([mark == "x" for mark in text])


HOURS = np.array([0.0, 10, 20, 30, 0, 10])
GROUPS = names("AAAABB")
FAILED_H = np.array([np.nan, 30, 30, 30, 15, 15])
TYPES = np.array(["", "leak", "leak", "leak", "wear", "wear"], dtype=object)


def test_the_lead_time_is_from_the_first_alarm_to_the_failure() -> None:
    told = warnings(GROUPS, HOURS, FAILED_H, TYPES, flags("..xx.x"))
    assert told["failure_type"].tolist() == ["leak", "wear"]
    assert told["lead_h"].tolist() == [10, 5]


def test_an_alarm_that_comes_before_the_horizon_announces_nothing() -> None:
    told = warnings(GROUPS, HOURS, FAILED_H, TYPES, flags("x....."))
    assert told["lead_h"].isna().tolist() == [True, True]


def test_two_failures_of_one_locomotive_are_two() -> None:
    failed_h = np.array([5.0, 12, 31, 31, 15, 15])
    told = warnings(GROUPS, HOURS, failed_h, TYPES, flags("x..x.."))
    assert told["lead_h"].fillna(-1).tolist() == [5, -1, 1, -1]


@pytest.mark.parametrize(
    ("alarms", "labels", "expected"),
    [
        ("x.x...", "......", {"A": 2, "B": 0}),
        ("xxx...", "......", {"A": 1, "B": 0}),
        ("xxx...", "..x...", {"A": 0, "B": 0}),
        ("...xx.", "......", {"A": 1, "B": 1}),
        ("......", "xx....", {"A": 0, "B": 0}),
    ],
)
def test_alarms_in_a_row_are_one_and_false_when_no_failure_follows(
    alarms: str, labels: str, expected: dict[str, int]
) -> None:
    counted = false_alarms(GROUPS, HOURS, flags(labels).astype(np.int64), flags(alarms))
    assert counted["false_alarms"].to_dict() == expected


def test_the_order_of_the_rows_changes_nothing() -> None:
    order = np.array([3, 5, 0, 2, 4, 1])
    labels, alarms = flags("...x..").astype(np.int64), flags("xx.xx.")
    sorted_rows = false_alarms(GROUPS, HOURS, labels, alarms)
    shuffled = false_alarms(GROUPS[order], HOURS[order], labels[order], alarms[order])
    assert sorted_rows.equals(shuffled)


def test_months_are_those_observed() -> None:
    hours = HOURS * HOURS_PER_MONTH
    counted = false_alarms(GROUPS, hours, np.zeros(6, dtype=np.int64), flags("......"))
    assert counted["months"].to_dict() == pytest.approx({"A": 30, "B": 10})
