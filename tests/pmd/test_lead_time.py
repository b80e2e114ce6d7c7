import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd.episodes import false_alarms
from pmd.lead_time import Episodes

NO = np.nan


def flags(text: str) -> np.ndarray:
    return np.array([mark == "x" for mark in text])


def episodes(failed_h: list[float], step_h: float = 3, groups: str | None = None) -> Episodes:
    """Rows `step_h` apart, of one locomotive unless told."""
    names = np.array(list(groups or "A" * len(failed_h)), dtype=object)
    return Episodes.of(names, np.arange(len(failed_h)) * step_h, np.array(failed_h))


@pytest.mark.parametrize(
    ("alarms", "lead"),
    [
        ("......", 0),
        (".....x", 1),
        ("..xxxx", 10),
        ("..x.x.", 10),
        ("x..x.x", 7),
        ("xxxx..", 0),
        ("xxx...", 0),
    ],
)
def test_the_lead_is_from_the_start_of_the_alarm_that_lasts(alarms: str, lead: float) -> None:
    """The failure comes at hour 16, told by the last row alone; silences of 6 h are borne."""
    assert episodes([NO, NO, NO, NO, NO, 16]).leads(flags(alarms)).tolist() == [lead]


def test_an_alarm_before_the_last_failure_warns_of_that_one() -> None:
    told = episodes([NO, 4, NO, NO, 13, NO])
    assert told.leads(flags("xxxxxx")).tolist() == [4, 7]
    assert told.failures == 2


def test_alarms_of_another_locomotive_do_not_count() -> None:
    told = episodes([NO, NO, 7, NO, NO, 16], groups="AAABBB")
    assert told.leads(flags("xxx...")).tolist() == [7, 0]


def test_a_locomotive_that_does_not_fail_has_no_lead() -> None:
    told = episodes([NO, NO])
    assert (told.failures, len(told.leads(flags("xx")))) == (0, 0)
    assert told.lead_at_budget(np.array([0.1, 0.2])) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans(), st.booleans()), min_size=2))
def test_false_alarms_are_those_of_the_control_room(rows: list[tuple[str, bool, bool]]) -> None:
    groups = np.array([group for group, _, _ in rows], dtype=object)
    hours = np.arange(len(rows), dtype=np.float64)
    failing, alarms = (np.array([row[part] for row in rows]) for part in (1, 2))
    told = Episodes.of(groups, hours, np.where(failing, 1e6, NO))
    counted = false_alarms(groups, hours, failing.astype(np.int64), alarms)
    expected = counted["false_alarms"].sum()
    rate = told.false_alarms_per_month(alarms)
    assert (rate or 0) * told.months == pytest.approx(expected if told.months else 0)


def test_the_lead_at_the_budget_is_that_of_the_last_affordable_threshold() -> None:
    """Two false alarms in about a month: the threshold between their scores affords one."""
    failed_h: list[float] = [NO] * 300
    failed_h[290:] = [900.0] * 10
    scores = np.zeros(300)
    scores[50], scores[100] = 0.5, 0.3
    scores[280:] = np.linspace(0.2, 0.9, 20)
    told = episodes(failed_h)
    assert told.months == pytest.approx(299 * 3 / 730.5)
    best = scores > 0.3
    assert told.lead_at_budget(scores) == pytest.approx(told.leads(best)[0], abs=6)


def test_the_order_of_the_rows_changes_nothing() -> None:
    groups, hours = np.array(list("AABB"), dtype=object), np.array([0.0, 3, 0, 3])
    failed_h, alarms = np.array([NO, 5, NO, 4]), flags("xx.x")
    order = np.array([3, 0, 2, 1])
    first = Episodes.of(groups, hours, failed_h).leads(alarms)
    again = Episodes.of(groups[order], hours[order], failed_h[order]).leads(alarms[order])
    assert first.tolist() == again.tolist() == [5, 1]
