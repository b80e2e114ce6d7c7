"""Train the calibrated, monotone forest, choose its threshold, and judge it beside naive rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict

from pmd.errors import UntrainableData
from pmd.evaluation import (
    Costs,
    Figures,
    SensorRule,
    best_sensor_rule,
    cheapest_threshold,
    figures,
)
from pmd.leaks import refuse_leaks
from pmd.probing import probing_rows
from pmd.split import Split, folds, split_rows
from pmd.training_table import TrainingTable

TREES = 100
FOLDS = 3
PROBES = 5000
THRESHOLD_CLEARANCE = 2e-6  # more than ONNX and scikit-learn may differ

Progress = Callable[[str], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model with all that its bundle says.

    `metrics` are by predictor, on the held-out rows; on `probes` the exported model must agree.
    """

    table: TrainingTable
    model: CalibratedClassifierCV
    threshold: float
    costs: Costs
    seed: int
    split: Split
    rule: SensorRule
    metrics: dict[str, Figures]
    probes: NDArray[np.float32]


def train(table: TrainingTable, costs: Costs, seed: int, progress: Progress) -> Trained:
    """Learn from one part of `table`, choose the threshold there too, judge on the other part.

    Raises `UntrainableData` (or `LeakingColumns`) when no honest model can be made.
    """
    refuse_leaks(table.values, table.labels, table.columns.features)
    hours = _hours(table)
    split = split_rows(table.labels, table.groups, hours, table.horizon_hours or 0.0, seed)
    values, labels = table.values[split.train], table.labels[split.train]
    parts = folds(labels, _take(table.groups, split.train), _take(hours, split.train), FOLDS, seed)
    progress("étalonnage")
    model = CalibratedClassifierCV(
        _forest(table, len(labels), seed), method="sigmoid", ensemble=False, cv=parts, n_jobs=1
    ).fit(values, labels)
    _refuse_backwards(model)
    progress("choix du seuil")
    threshold = _threshold(model, _forest(table, len(labels), seed), values, labels, parts, costs)
    rule = best_sensor_rule(values, labels, costs)
    progress("évaluation")
    probes = _probes(model, table.values, seed)
    known = np.concatenate([table.values, probes])
    threshold = _clear_of(model.predict_proba(known)[:, 1], threshold)
    metrics = _judge(
        model, threshold, rule, table.values[split.test], table.labels[split.test], costs
    )
    return Trained(table, model, threshold, costs, seed, split, rule, metrics, probes)


def _hours(table: TrainingTable) -> Floats | None:
    if table.times is None:
        return None
    return table.times.astype("int64").to_numpy() / 3.6e9  # microseconds


def _take(column: NDArray[Any] | None, rows: NDArray[np.intp]) -> NDArray[Any] | None:
    return None if column is None else column[rows]


def _forest(table: TrainingTable, rows: int, seed: int) -> RandomForestClassifier:
    """Leaves of at least a thousandth of the rows (2 to 50): more than the noise of one failure."""
    return RandomForestClassifier(
        n_estimators=TREES,
        min_samples_leaf=int(np.clip(rows // 1000, 2, 50)),
        max_features="sqrt",
        monotonic_cst=list(table.columns.monotone),
        random_state=seed,
        n_jobs=1,
    )


def _refuse_backwards(model: CalibratedClassifierCV) -> None:
    """Raise `UntrainableData` where unseen rows fail less the more the forest fears for them.

    The calibration would then turn the forest, and the signs of its features, upside down.
    """
    slope = -model.calibrated_classifiers_[0].calibrators[0].a_
    if slope <= 0:
        raise UntrainableData(
            "hors échantillon, le risque appris ne croît pas avec les pannes : les variables "
            "n'annoncent pas la cible. Choisissez d'autres variables ou vérifiez --monotone."
        )


def _threshold(
    model: CalibratedClassifierCV,
    forest: RandomForestClassifier,
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    parts: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
    costs: Costs,
) -> float:
    """Cheapest threshold on probabilities that each come from a forest which never saw the row."""
    raw = cross_val_predict(forest, values, labels, cv=parts, method="predict_proba", n_jobs=1)
    calibrator = model.calibrated_classifiers_[0].calibrators[0]
    threshold, _ = cheapest_threshold(calibrator.predict(raw[:, 1]), labels, costs)
    return max(0.0, threshold)  # below 0: everything alarms, as it does at 0


def _probes(
    model: CalibratedClassifierCV, values: NDArray[np.float32], seed: int
) -> NDArray[np.float32]:
    forest = model.calibrated_classifiers_[0].estimator
    return probing_rows(forest, values, PROBES, np.random.default_rng(seed))


def _clear_of(probabilities: Floats, threshold: float) -> float:
    """The threshold, moved up if need be so that rounding cannot change a decision."""
    while np.any(np.abs(probabilities - threshold) < THRESHOLD_CLEARANCE):
        threshold += 2 * THRESHOLD_CLEARANCE
    return threshold


def _judge(
    model: CalibratedClassifierCV,
    threshold: float,
    rule: SensorRule,
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    costs: Costs,
) -> dict[str, Figures]:
    probabilities = model.predict_proba(values)[:, 1]
    never = np.zeros(len(labels))
    return {
        "model": figures(labels, probabilities, probabilities > threshold, costs, probabilities),
        "never_fails": figures(labels, never, never > 0, costs),
        "single_threshold": figures(labels, rule.scores(values), rule.alarms(values), costs)
        | {"feature": float(rule.feature), "sign": float(rule.sign), "threshold": rule.threshold},
    }
