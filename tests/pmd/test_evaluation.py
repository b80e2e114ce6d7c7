import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd.evaluation import (
    Costs,
    calibration_error,
    calibration_slope,
    cheapest_threshold,
    figures,
    reliability,
)

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


def test_figures_of_a_known_case() -> None:
    labels = np.array([1, 1, 0, 0])
    alarms = np.array([True, False, True, False])
    found = figures(labels, np.array([0.9, 0.2, 0.8, 0.1]), alarms, COSTS)
    assert found == {
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
        "roc_auc": 0.75,
        "brier": 0.5,
        "brier_skill": None,
        "calibration_error": None,
        "calibration_slope": None,
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


def test_rows_of_one_label_have_no_ranking_and_rows_without_failure_no_recall() -> None:
    found = figures(np.zeros(3), np.array([0.1, 0.2, 0.9]), np.array([False, False, True]), COSTS)
    unknown = ("average_precision", "roc_auc", "recall", "f1")
    assert [found[name] for name in unknown] == [None] * 4
    assert (found["precision"], found["cost"]) == (0, 1)


def drawn(share: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities whose logit is `share` of the right one."""
    rng = np.random.default_rng(0)
    logit = rng.normal(-2, 1.5, 40_000)
    labels = (rng.random(40_000) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    return labels, 1 / (1 + np.exp(-share * logit))


def test_right_probabilities_have_no_calibration_error_and_a_slope_of_one() -> None:
    labels, right = drawn()
    assert calibration_error(labels, right) < 0.005
    assert calibration_slope(labels, right) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("share", "slope"), [(2, 0.5), (0.5, 2)])
def test_extreme_or_timid_probabilities_are_found_out(share: float, slope: float) -> None:
    labels, wrong = drawn(share)
    assert calibration_error(labels, wrong) > 0.02
    assert calibration_slope(labels, wrong) == pytest.approx(slope, abs=0.05)


def test_the_calibration_error_of_a_constant_is_its_distance_from_the_base_rate() -> None:
    labels = np.array([0, 0, 0, 1])
    assert calibration_error(labels, np.full(4, 0.75)) == pytest.approx(0.5)


def test_certain_probabilities_keep_a_finite_slope() -> None:
    assert np.isfinite(calibration_slope(np.array([0, 1, 0, 1]), np.array([0.0, 1.0, 0.0, 1.0])))


def test_skill_is_the_share_of_the_base_rates_brier_score_that_is_saved() -> None:
    labels = np.array([0, 0, 0, 1])
    alarms = labels == 1
    base = figures(labels, labels, alarms, COSTS, np.full(4, 0.25))
    perfect = figures(labels, labels, alarms, COSTS, labels.astype(np.float64))
    assert (base["brier_skill"], perfect["brier_skill"]) == (pytest.approx(0), 1)


def test_a_reliability_bin_tells_stated_and_observed_and_empty_ones_are_left_out() -> None:
    bins = reliability(np.array([0, 1, 0, 1, 1]), np.array([0.12, 0.14, 0.16, 0.8, 0.9]))
    assert bins == [(pytest.approx(0.14), pytest.approx(1 / 3), 3), (0.8, 1.0, 1), (0.9, 1.0, 1)]
