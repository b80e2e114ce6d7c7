"""The forest settings that rank unseen rows best, among a budget of trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score

from pmd.forests import TREES, ForestSettings, candidates

Floats = NDArray[np.float64]
Parts = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


class Learning(NamedTuple):
    """The rows to learn from, and `parts`: who learns and who is asked, for out-of-fold work."""

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    parts: Parts

    def fitted(self, estimator: Any, rows: Any = slice(None)) -> Any:
        """A copy of `estimator` that learned these rows, a forest on every core.

        The trees are the same on any number of cores. Scores are not asked for here: threads that
        add them up as they come would change their last bits from run to run.
        """
        learner = clone(estimator)
        if not isinstance(learner, RandomForestClassifier):
            return learner.fit(self.values[rows], self.labels[rows])
        learner.set_params(n_jobs=-1).fit(self.values[rows], self.labels[rows])
        return learner.set_params(n_jobs=1)

    def out_of_fold(self, estimator: Any) -> Floats:
        """Score of each row from a copy of `estimator` that never saw the row."""
        scores = np.empty(len(self.labels))
        for known, asked in self.parts:
            learned = self.fitted(estimator, known)
            scores[asked] = learned.predict_proba(self.values[asked])[:, 1]
        return scores


class Found(NamedTuple):
    """The settings kept, out of how many `trials`, and the out-of-fold `scores` of their forest."""

    settings: ForestSettings
    trials: int
    scores: Floats


def search(
    learning: Learning,
    monotone: tuple[int, ...],
    trials: int,
    seed: int,
    progress: Callable[[str], None],
    trees: int = TREES,
) -> Found:
    """Try the default settings and `trials - 1` others; keep the best out-of-fold ranking.

    Rankings are compared by average precision, which neither threshold nor calibration changes;
    among equals the first tried stays. With one trial the default settings are kept.
    """
    tried = candidates(len(learning.labels), trials, seed, trees)

    def outcomes() -> Iterator[tuple[float, Found]]:
        for number, settings in enumerate(tried, start=1):
            progress(f"essai {number} sur {len(tried)}")
            scores = learning.out_of_fold(settings.forest(monotone, seed))
            quality = float(average_precision_score(learning.labels, scores))
            yield quality, Found(settings, len(tried), scores)

    return max(outcomes(), key=itemgetter(0))[1]
