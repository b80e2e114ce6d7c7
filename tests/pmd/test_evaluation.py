import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd.evaluation import Costs, best_sensor_rule, cheapest_threshold, figures

COSTS = Costs(miss=10, false_alarm=1)
scored = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12)


def cost_of(threshold: float, scores: np.ndarray, labels: np.ndarray, costs: Costs) -> float:
    alarms = scores > threshold
    return float(
        costs.miss * (labels & ~alarms).sum() + costs.false_alarm * (~labels & alarms).sum()
    )


@settings(deadline=None)
@given(scored, st.floats(0.1, 50))
def test_no_other_threshold_is_cheaper(rows: list[tuple[int, bool]], miss: float) -> None:
    scores = np.array([score for score, _ in rows], dtype=np.float64)
    labels = np.array([label for _, label in rows])
    costs = Costs(miss, 1)
    threshold, cost = cheapest_threshold(scores, labels.astype(np.int64), costs)
    assert cost == pytest.approx(cost_of(threshold, scores, labels, costs))
    assert all(cost <= cost_of(other, scores, labels, costs) + 1e-9 for other in np.arange(-0.5, 7))


def test_a_threshold_lies_between_two_scores() -> None:
    threshold, cost = cheapest_threshold(np.array([0.1, 0.2, 0.6]), np.array([0, 0, 1]), COSTS)
    assert (threshold, cost) == (pytest.approx(0.4), 0)


def test_dear_misses_lower_the_threshold() -> None:
    scores, labels = np.array([0.1, 0.2, 0.3, 0.6]), np.array([0, 1, 0, 1])
    assert cheapest_threshold(scores, labels, Costs(10, 1))[0] < 0.2
    assert cheapest_threshold(scores, labels, Costs(1, 10))[0] > 0.3


def test_without_failures_nothing_alarms() -> None:
    scores = np.array([0.1, 0.9])
    threshold, cost = cheapest_threshold(scores, np.array([0, 0]), COSTS)
    assert not (scores > threshold).any()
    assert cost == 0


def test_the_best_rule_finds_the_sensor_and_its_side() -> None:
    values = np.array([[5, 1], [4, 9], [3, 2], [1, 8]], dtype=np.float32)
    rule = best_sensor_rule(values, np.array([0, 0, 0, 1]), COSTS)
    assert (rule.feature, rule.sign, rule.threshold) == (0, -1, 2.0)
    assert rule.alarms(values).tolist() == [False, False, False, True]
    assert rule.scores(values).tolist() == [-5, -4, -3, -1]


def test_figures_of_a_known_case() -> None:
    labels = np.array([1, 1, 0, 0])
    alarms = np.array([True, False, True, False])
    found = figures(labels, np.array([0.9, 0.2, 0.8, 0.1]), alarms, COSTS)
    assert found == {
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
        "roc_auc": 0.75,
        "brier": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "cost": 11,
    }


def test_never_fails_has_no_precision_and_the_base_rate_as_average_precision() -> None:
    labels = np.array([1, 0, 0, 0])
    found = figures(labels, np.zeros(4), np.zeros(4, dtype=bool), COSTS)
    assert found["precision"] is None
    assert (found["average_precision"], found["brier"], found["cost"]) == (0.25, 0.25, 10)
