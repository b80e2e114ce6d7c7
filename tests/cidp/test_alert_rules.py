"""Alerts open after several critical readings and close after several calm ones."""

import pytest

from cidp.alert_rules import QUIET, AlertRules, Closing, Opening, Step, Watch, advance

RULES = AlertRules(opening=3, window=5, closing=2)
"""The marks of the tests: v and t are critical, "." is neither, "-" is calm."""


def steps(marks: str) -> list[Step]:
    return [Step(QUIET if mark == "-" else mark, mark == "-") for mark in marks]


def changes(marks: str, *open_causes: str, watch: Watch = Watch()) -> list[Opening | Closing]:  # noqa: B008 (immutable)
    return advance(watch, steps(marks), open_causes, RULES)[1]


@pytest.mark.parametrize("marks", ["vv", "vv...v", "v-.v..v", ""])
def test_too_few_critical_readings_open_nothing(marks: str) -> None:
    assert changes(marks) == []


@pytest.mark.parametrize("marks", ["vvv", "v.v.v", "..v-vv"])
def test_enough_of_the_window_open_an_alert_at_the_last_of_them(marks: str) -> None:
    assert changes(marks) == [Opening(len(marks) - 1, "v")]


def test_the_cause_is_the_most_frequent_one_and_the_newest_of_equals() -> None:
    assert changes("vtt") == [Opening(2, "t")]
    assert changes("tvpt") == [Opening(2, "p"), Opening(3, "t")]


def test_an_alert_opens_once_for_its_cause() -> None:
    assert changes("vvvvvv") == [Opening(2, "v")]
    assert changes("vvvvvv", "v") == []


def test_another_cause_opens_an_alert_of_its_own() -> None:
    assert changes("vvvttt") == [Opening(2, "v"), Opening(5, "t")]


def test_successive_calm_readings_close_every_alert() -> None:
    assert changes("--", "v", "t") == [Closing(1)]
    assert changes("vvv--") == [Opening(2, "v"), Closing(4)]


@pytest.mark.parametrize("marks", ["-.-", "-v-", "-..-"])
def test_a_reading_between_the_bounds_keeps_the_alert(marks: str) -> None:
    assert changes(marks, "v") == []


def test_after_a_closing_the_window_starts_anew() -> None:
    assert changes("vvv--v") == [Opening(2, "v"), Closing(4)]
    assert changes("vvv--vvv") == [Opening(2, "v"), Closing(4), Opening(7, "v")]


def test_readings_may_come_in_any_number_of_batches() -> None:
    marks = "v.vv-v--.vvt-t.tt----vvv"
    whole, expected = advance(Watch(), steps(marks), (), RULES)
    watch, opened, found = Watch(), set[str](), list[Opening | Closing]()
    for place, step in enumerate(steps(marks)):
        watch, changed = advance(watch, [step], opened, RULES)
        for change in changed:
            if isinstance(change, Opening):
                opened.add(change.cause)
            else:
                opened.clear()
            found.append(change._replace(at=place))
    assert (watch, found) == (whole, expected)
