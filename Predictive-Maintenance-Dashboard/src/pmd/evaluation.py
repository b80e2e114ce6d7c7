"""Figures of a predictor on rows it has not seen."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Figures = dict[str, float | None]

RELIABILITY_EDGES: Final = np.arange(1, 10) / 10
SMALLEST = 1e-6  # probabilities beyond it have no usable logit


class Costs(NamedTuple):
    """What a reading costs: a failure that no alarm announced, an alarm that no failure follows."""

    miss: float
    false_alarm: float


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


def figures(
    labels: Labels,
    scores: Floats,
    alarms: NDArray[np.bool_],
    costs: Costs,
    probabilities: Floats | None = None,
) -> Figures:
    """Ranking by `scores`, decisions by `alarms`, Brier by `probabilities` (default: the alarms).

    None stands for what these rows cannot tell: a ranking without both labels, a precision when
    nothing alarms, a recall without failures, the calibration of a predictor that states no
    probability. Costs are summed over the rows.
    """
    hits = int((alarms & (labels == 1)).sum())
    false_alarms, missed = int(alarms.sum()) - hits, int(labels.sum()) - hits
    both = 0 < hits + missed < len(labels)
    stated = alarms.astype(np.float64) if probabilities is None else probabilities
    return {
        "average_precision": float(average_precision_score(labels, scores)) if both else None,
        "roc_auc": float(roc_auc_score(labels, scores)) if both else None,
        "brier": float(np.mean((stated - labels) ** 2)),
        **_calibration(labels, probabilities),
        "precision": hits / (hits + false_alarms) if hits + false_alarms else None,
        "recall": hits / (hits + missed) if hits + missed else None,
        "f1": 2 * hits / (2 * hits + false_alarms + missed) if hits + missed else None,
        "cost": costs.miss * missed + costs.false_alarm * false_alarms,
    }


def _calibration(labels: Labels, probabilities: Floats | None) -> Figures:
    if probabilities is None or labels.min() == labels.max():
        return {"brier_skill": None, "calibration_error": None, "calibration_slope": None}
    base = float(labels.mean())
    brier = float(np.mean((probabilities - labels) ** 2))
    return {
        "brier_skill": 1 - brier / (base * (1 - base)),
        "calibration_error": calibration_error(labels, probabilities),
        "calibration_slope": calibration_slope(labels, probabilities),
    }


class Bin(NamedTuple):
    """Rows of similar probability: their mean `stated` one, the share `observed`, how many."""

    stated: float
    observed: float
    rows: int


def reliability(
    labels: Labels, probabilities: Floats, edges: Floats = RELIABILITY_EDGES
) -> list[Bin]:
    """Bins between rising `edges` of probability, those without rows left out."""
    index = np.searchsorted(edges, probabilities, side="left")
    return [
        Bin(float(probabilities[mine].mean()), float(labels[mine].mean()), int(mine.sum()))
        for mine in (index == number for number in range(len(edges) + 1))
        if mine.any()
    ]


def calibration_error(labels: Labels, probabilities: Floats) -> float:
    """Mean gap between stated and observed over the bins, weighted by rows.

    The expected calibration error on bins of equal size (Nixon et al., CVPR workshops 2019), where
    equal probabilities share a bin.
    """
    edges = np.unique(np.quantile(probabilities, RELIABILITY_EDGES))
    bins = reliability(labels, probabilities, edges)
    return sum(abs(part.stated - part.observed) * part.rows for part in bins) / len(labels)


def calibration_slope(labels: Labels, probabilities: Floats) -> float:
    """Slope of a logistic regression of the labels on the logit of the probability (Cox 1958).

    1 is right; below 1 the probabilities are too extreme, above 1 too timid.
    """
    bounded = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    logit = np.log(bounded / (1 - bounded))[:, None]
    regression = LogisticRegression(C=100, max_iter=1000)  # finite where rows separate perfectly
    return float(regression.fit(logit, labels).coef_[0, 0])
