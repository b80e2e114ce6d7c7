"""Simpler predictors that a model must beat: two naive rules and two learned models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from pmd.evaluation import Costs, Floats, Labels, cheapest_threshold
from pmd.search import Learning

Values = NDArray[np.float32]


class Answer(NamedTuple):
    """What a predictor says of rows; `probabilities` None: it ranks and alarms, no more."""

    scores: Floats
    alarms: NDArray[np.bool_]
    probabilities: Floats | None = None

    def take(self, rows: Any) -> Answer:
        """What it says of these rows alone."""
        return Answer._make(None if column is None else column[rows] for column in self)


Predictor = Callable[[Values], Answer]


@dataclass(frozen=True, slots=True)
class SensorRule:
    """Alarm when `sign` × the reading of that feature is above `sign` × `threshold`."""

    feature: int
    sign: int
    threshold: float

    def __call__(self, values: Values, /) -> Answer:
        scores = self.sign * values[:, self.feature].astype(np.float64)
        return Answer(scores, scores > self.sign * self.threshold)


def best_sensor_rule(values: Values, labels: Labels, costs: Costs) -> SensorRule:
    """The cheapest alarm on one feature alone, on these rows."""
    tried = []
    for feature in range(values.shape[1]):
        for sign in (1, -1):
            scores = sign * values[:, feature].astype(np.float64)
            threshold, cost = cheapest_threshold(scores, labels, costs)
            tried.append((cost, SensorRule(feature, sign, sign * threshold)))
    return min(tried, key=itemgetter(0))[1]


def never_fails(values: Values) -> Answer:
    """Says of each row that no failure comes."""
    return Answer(np.zeros(len(values)), np.zeros(len(values), dtype=bool))


@dataclass(frozen=True, slots=True)
class LearnedBaseline:
    """A fitted scikit-learn classifier that alarms above its own cheapest threshold."""

    estimator: Any
    threshold: float

    def __call__(self, values: Values, /) -> Answer:
        probabilities = self.estimator.predict_proba(values)[:, 1]
        return Answer(probabilities, probabilities > self.threshold, probabilities)


def learned_baselines(learning: Learning, costs: Costs, seed: int) -> dict[str, LearnedBaseline]:
    """Logistic regression and gradient boosting at the settings of scikit-learn.

    They learn from the rows that the model learned from, and choose their threshold as it does.
    """
    estimators = {
        "logistic_regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "gradient_boosting": HistGradientBoostingClassifier(random_state=seed),
    }
    with threadpool_limits(limits=1):  # threads that wait for a busy core cost more than they give
        return {name: _fitted(estimator, learning, costs) for name, estimator in estimators.items()}


def _fitted(estimator: Any, learning: Learning, costs: Costs) -> LearnedBaseline:
    threshold, _ = cheapest_threshold(learning.out_of_fold(estimator), learning.labels, costs)
    return LearnedBaseline(learning.fitted(estimator), threshold)
