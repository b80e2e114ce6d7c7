"""Train the calibrated, monotone forest, choose its threshold, and have it judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from threadpoolctl import threadpool_limits

from pmd.baselines import (
    Predictor,
    SensorRule,
    best_sensor_rule,
    learned_baselines,
    never_fails,
)
from pmd.calibration import calibrate, calibrated, slope
from pmd.errors import UntrainableData
from pmd.evaluation import Costs, Figures, cheapest_threshold, figures
from pmd.forests import TREES, ForestSettings
from pmd.judgement import HeldOutRows, Judgement, judge, served_predictor
from pmd.leaks import refuse_leaks
from pmd.probing import probing_rows
from pmd.search import Learning, search
from pmd.served_model import OnnxModel, export_onnx
from pmd.split import Split, folds, split_rows
from pmd.training_table import TrainingTable

FOLDS = 3
STEPS = 3  # announced by a training, beside one for each trial
PROBES = 5000
THRESHOLD_CLEARANCE = 2e-6  # more than ONNX and scikit-learn may differ

Progress = Callable[[str], None]
Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model with all that its bundle says.

    `served` is `model` exported, and the one that is judged; `risks` are its answers for the
    training rows. `settings` were the best of `trials`; `out_of_fold` are the figures of the
    training rows, each judged by a forest that never saw it; on `probes` both models must agree.
    """

    table: TrainingTable
    model: CalibratedClassifierCV
    served: OnnxModel
    risks: Floats
    threshold: float
    costs: Costs
    seed: int
    split: Split
    settings: ForestSettings
    trials: int
    rule: SensorRule
    out_of_fold: Figures
    judgement: Judgement
    probes: Rows


def train(
    table: TrainingTable,
    costs: Costs,
    seed: int,
    progress: Progress,
    trials: int = 1,
    rivals: Mapping[str, Predictor] | None = None,
    trees: int = TREES,
) -> Trained:
    """Learn from one part of `table`, choose settings and threshold there too, judge on the other.

    `rivals` are judged beside it, on the same rows.

    Each forest is cross-validated once: its out-of-fold scores rank it among the `trials`,
    calibrate it and choose its threshold. Raises `UntrainableData` (or `LeakingColumns`) when no
    honest model can be made.
    """
    refuse_leaks(table.values, table.labels, table.columns.features)
    split = split_rows(table.labels, table.groups, table.hours, table.horizon_hours or 0.0, seed)
    learning = _learning(table, split, seed)
    found = search(learning, table.columns.monotone, trials, seed, progress, trees)
    progress("étalonnage et seuil")
    forest = learning.fitted(found.settings.forest(table.columns.monotone, seed))
    model = calibrated(forest, found.scores, learning.labels)
    _refuse_backwards(model)
    served = OnnxModel(export_onnx(model))
    unseen = calibrate(model, found.scores)
    threshold = max(0.0, cheapest_threshold(unseen, learning.labels, costs)[0])  # 0: all alarms
    probes = probing_rows(forest, table.values, PROBES, np.random.default_rng(seed))
    risks = served.probabilities(learning.values)
    others = np.concatenate([table.values[split.test], probes])
    threshold = _clear_of(np.concatenate([risks, served.probabilities(others)]), threshold)
    progress("références")
    rule = best_sensor_rule(learning.values, learning.labels, costs)
    predictors: dict[str, Predictor] = {
        "model": served_predictor(served, threshold),
        "never_fails": never_fails,
        "single_threshold": rule,
        **(rivals or {}),
    }
    predictors.update(learned_baselines(learning, costs, seed))
    progress("évaluation")
    with threadpool_limits(limits=1):  # waiting threads cost more than they give
        judgement = judge(_held_out(table, split), predictors, table.columns.features, costs, seed)
    return Trained(
        table=table,
        model=model,
        served=served,
        risks=risks,
        threshold=threshold,
        costs=costs,
        seed=seed,
        split=split,
        settings=found.settings,
        trials=found.trials,
        rule=rule,
        out_of_fold=figures(learning.labels, unseen, unseen > threshold, costs, unseen),
        judgement=judgement,
        probes=probes,
    )


def _learning(table: TrainingTable, split: Split, seed: int) -> Learning:
    labels = table.labels[split.train]
    groups, hours = _take(table.groups, split.train), _take(table.hours, split.train)
    return Learning(table.values[split.train], labels, folds(labels, groups, hours, FOLDS, seed))


def _held_out(table: TrainingTable, split: Split) -> HeldOutRows:
    return HeldOutRows(
        values=table.values[split.test],
        labels=table.labels[split.test],
        groups=_take(table.groups, split.test),
        hours=_take(table.hours, split.test),
        failed_h=_take(table.failed_h, split.test),
        failure_types=_take(table.failure_types, split.test),
    )


def _take(column: NDArray[Any] | None, rows: NDArray[np.intp]) -> NDArray[Any] | None:
    return None if column is None else column[rows]


def _refuse_backwards(model: CalibratedClassifierCV) -> None:
    """Raise `UntrainableData` where unseen rows fail less the more the forest fears for them.

    The calibration would then turn the forest, and the signs of its features, upside down.
    """
    if slope(model) <= 0:
        raise UntrainableData(
            "hors échantillon, le risque appris ne croît pas avec les pannes : les variables "
            "n'annoncent pas la cible. Choisissez d'autres variables ou vérifiez --monotone."
        )


def _clear_of(probabilities: Floats, threshold: float) -> float:
    """The threshold, moved up if need be so that rounding cannot change a decision."""
    while np.any(np.abs(probabilities - threshold) < THRESHOLD_CLEARANCE):
        threshold += 2 * THRESHOLD_CLEARANCE
    return threshold
