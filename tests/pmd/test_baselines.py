import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from pmd.baselines import best_sensor_rule, learned_baselines, never_fails
from pmd.evaluation import Costs
from pmd.search import Learning

COSTS = Costs(miss=10, false_alarm=1)


def test_the_best_rule_finds_the_sensor_and_its_side() -> None:
    values = np.array([[5, 1], [4, 9], [3, 2], [1, 8]], dtype=np.float32)
    rule = best_sensor_rule(values, np.array([0, 0, 0, 1]), COSTS)
    assert (rule.feature, rule.sign, rule.threshold) == (0, -1, 2.0)
    answer = rule(values)
    assert answer.alarms.tolist() == [False, False, False, True]
    assert answer.scores.tolist() == [-5, -4, -3, -1]
    assert answer.probabilities is None


def test_never_fails_never_alarms() -> None:
    answer = never_fails(np.ones((3, 2), dtype=np.float32))
    assert not answer.alarms.any()
    assert len(set(answer.scores)) == 1


@pytest.fixture(scope="module")
def learning() -> Learning:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 2)).astype(np.float32)
    labels = (values[:, 0] + rng.normal(0, 0.4, 600) > 1).astype(np.int64)
    parts = list(StratifiedKFold(3, shuffle=True, random_state=1).split(values, labels))
    return Learning(values, labels, parts)


@pytest.mark.parametrize("name", ["logistic_regression", "gradient_boosting"])
def test_a_learned_baseline_finds_the_signal_and_alarms_above_its_threshold(
    learning: Learning, name: str
) -> None:
    baseline = learned_baselines(learning, COSTS, seed=1)[name]
    answer = baseline(np.array([[-3, 0], [3, 0]], dtype=np.float32))
    assert answer.alarms.tolist() == [False, True]
    assert answer.scores[0] < baseline.threshold < answer.scores[1]
    assert answer.probabilities is not None


def test_the_threshold_of_a_learned_baseline_follows_the_costs(learning: Learning) -> None:
    afraid = learned_baselines(learning, Costs(50, 1), 1)
    relaxed = learned_baselines(learning, Costs(1, 50), 1)
    assert all(afraid[name].threshold < relaxed[name].threshold for name in afraid)
