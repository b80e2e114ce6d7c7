import dataclasses

import numpy as np
import pytest

from pmd.calibration import calibrate
from pmd.errors import LeakingColumns, UntrainableData
from pmd.evaluation import Costs
from pmd.training import STEPS, THRESHOLD_CLEARANCE, Trained, _learning, train
from pmd.training_table import Columns, TrainingTable

LOW, HIGH = np.array([200, 1, 0.5, 20]), np.array([800, 10, 15, 120])
COSTS = Costs(10, 1)


def ignore(_: str) -> None:
    """Progress that nobody watches."""


def synthetic(rows: int = 1500, seed: int = 0) -> TrainingTable:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (rows, 3)).astype(np.float32)
    labels = (values[:, 0] + rng.normal(0, 0.5, rows) > 1.2).astype(np.int64)
    columns = Columns(("a", "b", "c"), "y", None, None, (1, 0, 0))
    return TrainingTable(columns, values, labels, None, None, None, (), {})


def risk(trained: Trained, *rows: tuple[float, ...]) -> np.ndarray:
    return trained.served.probabilities(np.array(rows, dtype=np.float32))


@pytest.fixture(scope="module")
def steps() -> list[str]:
    """What the training of `simple` announced."""
    return []


@pytest.fixture(scope="module")
def simple(steps: list[str]) -> Trained:
    return train(synthetic(), COSTS, 1, steps.append)


def test_the_piloting_scenario_follows_from_the_data(trained: Trained) -> None:
    nominal, *danger = risk(
        trained, (500, 5, 2, 45), (500, 5, 7, 85), (500, 5, 9, 95), (500, 5, 15, 120)
    )
    assert nominal <= trained.threshold
    assert (np.array(danger) > trained.threshold).all()
    assert min(danger) > 5 * nominal


@pytest.mark.parametrize("reading", [(300, 2.5, 2, 45), (320, 8.5, 2, 45)])
def test_a_leak_and_a_clogged_filter_are_dangers(
    trained: Trained, reading: tuple[float, ...]
) -> None:
    assert risk(trained, reading)[0] > trained.threshold


@pytest.mark.parametrize(("feature", "sign"), [(0, -1), (2, 1), (3, 1)])
def test_the_risk_never_falls_in_the_forbidden_direction(
    trained: Trained, feature: int, sign: int
) -> None:
    rng = np.random.default_rng(feature)
    before = rng.uniform(LOW, HIGH, (10_000, 4))
    after = before.copy()
    limit = HIGH[feature] if sign > 0 else LOW[feature]
    after[:, feature] += rng.random(10_000) * (limit - before[:, feature])
    assert (risk(trained, *after) >= risk(trained, *before)).all()


def test_the_model_beats_never_fails_and_a_single_threshold(trained: Trained) -> None:
    model = trained.judgement.metrics["model"]
    for naive in (
        trained.judgement.metrics["never_fails"],
        trained.judgement.metrics["single_threshold"],
    ):
        assert float(model["average_precision"] or 0) > float(naive["average_precision"] or 0) + 0.1
        assert float(model["cost"] or 0) < 0.7 * float(naive["cost"] or 0)
        assert float(model["brier"] or 0) < float(naive["brier"] or 0)


def test_a_learned_baseline_stands_beside_the_model(trained: Trained) -> None:
    metrics = trained.judgement.metrics
    assert set(metrics) == {
        "model", "never_fails", "single_threshold", "logistic_regression", "gradient_boosting",
    }  # fmt: skip
    for learned in ("logistic_regression", "gradient_boosting"):
        assert float(metrics[learned]["roc_auc"] or 0) > 0.9


def test_the_risk_is_calibrated_on_unseen_locomotives_and_days(trained: Trained) -> None:
    model = trained.judgement.metrics["model"]
    assert float(model["calibration_error"] or 1) <= 0.05  # a short history
    assert float(model["brier_skill"] or 0) > 0.3


def test_a_search_keeps_one_of_its_trials_and_ranks_unseen_rows_no_worse(simple: Trained) -> None:
    searched = train(synthetic(), COSTS, 1, ignore, trials=4)
    assert (simple.trials, searched.trials) == (1, 4)
    assert float(searched.out_of_fold["average_precision"] or 0) >= float(
        simple.out_of_fold["average_precision"] or 0
    )
    chosen = searched.model.calibrated_classifiers_[0].estimator.get_params()
    assert {name: chosen[name] for name in searched.settings._asdict()} == (
        searched.settings._asdict()
    )


def test_the_threshold_is_the_cheapest_on_unseen_rows(simple: Trained) -> None:
    cost = float(simple.out_of_fold["cost"] or 0)
    for shift in (-0.05, -0.01, 0.01, 0.05):
        other = dataclasses.replace(simple, threshold=simple.threshold + shift)
        assert cost <= out_of_fold_cost(other)


def out_of_fold_cost(trained: Trained) -> float:
    """Cost on the training rows, each scored by a forest that never saw it."""
    learning = _learning(trained.table, trained.split, trained.seed)
    forest = trained.settings.forest(trained.table.columns.monotone, trained.seed)
    alarms = calibrate(trained.model, learning.out_of_fold(forest)) > trained.threshold
    missed, useless = learning.labels & ~alarms, ~learning.labels.astype(bool) & alarms
    return float(COSTS.miss * missed.sum() + COSTS.false_alarm * useless.sum())


def test_the_threshold_follows_the_costs(simple: Trained) -> None:
    relaxed = train(synthetic(), Costs(1, 20), 1, ignore)
    assert simple.threshold < relaxed.threshold
    assert float(simple.judgement.metrics["model"]["recall"] or 0) > float(
        relaxed.judgement.metrics["model"]["recall"] or 0
    )


def test_when_a_miss_costs_everything_all_is_alarm() -> None:
    afraid = train(synthetic(), Costs(1e9, 1), 1, ignore)
    assert 0 <= afraid.threshold < 0.05
    assert afraid.judgement.metrics["model"]["recall"] == 1


def test_no_known_row_sits_on_the_threshold(trained: Trained) -> None:
    known = np.concatenate([trained.table.values, trained.probes])
    distance = np.abs(trained.served.probabilities(known) - trained.threshold)
    assert distance.min() >= THRESHOLD_CLEARANCE


def test_the_served_model_is_the_one_that_is_judged(trained: Trained) -> None:
    values = trained.table.values[trained.split.test]
    assert (trained.judgement.probabilities == trained.served.probabilities(values)).all()


def test_judge_and_training_share_neither_locomotive_nor_day(trained: Trained) -> None:
    table, split = trained.table, trained.split
    assert table.groups is not None
    assert table.times is not None
    assert not set(table.groups[split.train]) & set(table.groups[split.test])
    gap = table.times.iloc[split.test].min() - table.times.iloc[split.train].max()
    assert gap.total_seconds() >= 24 * 3600


def test_the_same_seed_gives_the_same_model_and_another_seed_another(simple: Trained) -> None:
    probes = np.random.default_rng(0).normal(size=(200, 3))
    again, other = (risk(train(synthetic(), COSTS, seed, ignore), *probes) for seed in (1, 2))
    assert (risk(simple, *probes) == again).all()
    assert (again != other).any()


@pytest.mark.usefixtures("simple")
def test_each_step_is_announced(steps: list[str]) -> None:
    assert steps == ["essai 1 sur 1", "étalonnage et seuil", "références", "évaluation"]
    assert len(steps) == STEPS + 1


def test_features_that_point_the_wrong_way_are_refused() -> None:
    table = synthetic()
    columns = dataclasses.replace(table.columns, features=("a",), monotone=(-1,))
    backwards = dataclasses.replace(table, values=table.values[:, :1], columns=columns)
    with pytest.raises(UntrainableData, match="n'annoncent pas la cible"):
        train(backwards, COSTS, 1, ignore)


def test_a_leaking_column_is_refused_before_training() -> None:
    table = synthetic()
    values = table.values.copy()
    values[:, 2] = table.labels
    with pytest.raises(LeakingColumns, match="« c »"):
        train(dataclasses.replace(table, values=values), COSTS, 1, ignore)


def test_a_single_class_is_refused() -> None:
    table = synthetic()
    with pytest.raises(UntrainableData, match="0 lignes à 1"):
        train(dataclasses.replace(table, labels=table.labels * 0), COSTS, 1, ignore)


def test_a_constant_feature_is_no_obstacle() -> None:
    table = synthetic()
    values = table.values.copy()
    values[:, 1] = 3.0
    metrics = train(dataclasses.replace(table, values=values), COSTS, 1, ignore).judgement.metrics
    assert float(metrics["model"]["average_precision"] or 0) > 0.7
