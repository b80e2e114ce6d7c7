"""Figures of a predictor on rows it has not seen, and the two naive predictors beside it."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Figures = dict[str, float | None]


class Costs(NamedTuple):
    """What a reading costs: a failure that no alarm announced, an alarm that no failure follows."""

    miss: float
    false_alarm: float


class SensorRule(NamedTuple):
    """Alarm when `sign` × the reading of that feature is above `sign` × `threshold`."""

    feature: int
    sign: int
    threshold: float

    def scores(self, values: NDArray[np.float32]) -> Floats:
        return self.sign * values[:, self.feature].astype(np.float64)

    def alarms(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        return self.scores(values) > self.sign * self.threshold


def cheapest_threshold(scores: Floats, labels: Labels, costs: Costs) -> tuple[float, float]:
    """Threshold (alarm strictly above) of least total cost on these rows, and that cost.

    It lies halfway between two scores that occur, so that none of them sits on it; among equal
    costs the highest threshold, which alarms least.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    alarms = last + 1
    missed = hits[-1] - hits[last]
    cost = costs.miss * missed + costs.false_alarm * (alarms - hits[last])
    silent_cost = costs.miss * float(hits[-1])
    best = int(np.argmin(cost))
    if silent_cost <= cost[best]:
        return float(ranked[0]), silent_cost
    below = ranked[last[best] + 1] if last[best] + 1 < len(ranked) else ranked[-1] - 1
    return float((ranked[last[best]] + below) / 2), float(cost[best])


def best_sensor_rule(values: NDArray[np.float32], labels: Labels, costs: Costs) -> SensorRule:
    """The cheapest alarm on one feature alone, on these rows."""
    tried = []
    for feature in range(values.shape[1]):
        for sign in (1, -1):
            scores = sign * values[:, feature].astype(np.float64)
            threshold, cost = cheapest_threshold(scores, labels, costs)
            tried.append((cost, SensorRule(feature, sign, sign * threshold)))
    return min(tried, key=itemgetter(0))[1]


def figures(
    labels: Labels,
    scores: Floats,
    alarms: NDArray[np.bool_],
    costs: Costs,
    probabilities: Floats | None = None,
) -> Figures:
    """Ranking by `scores`, decisions by `alarms`, Brier by `probabilities` (default: the alarms).

    `precision` is None when nothing alarms. Costs are summed over the rows.
    """
    hits = int((alarms & (labels == 1)).sum())
    false_alarms, missed = int(alarms.sum()) - hits, int(labels.sum()) - hits
    stated = alarms.astype(np.float64) if probabilities is None else probabilities
    return {
        "average_precision": float(average_precision_score(labels, scores)),
        "roc_auc": float(roc_auc_score(labels, scores)),
        "brier": float(brier_score_loss(labels, stated)),
        "precision": hits / (hits + false_alarms) if hits + false_alarms else None,
        "recall": hits / (hits + missed),
        "f1": 2 * hits / (2 * hits + false_alarms + missed),
        "cost": costs.miss * missed + costs.false_alarm * false_alarms,
    }
