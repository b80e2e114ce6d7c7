"""The forest settings that rank unseen rows best, among a budget of trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from pmd.forests import ForestSettings, candidates

Floats = NDArray[np.float64]
Parts = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


class Learning(NamedTuple):
    """The rows to learn from, and `parts`: who learns and who is asked, for out-of-fold work."""

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    parts: Parts

    def out_of_fold(self, estimator: object) -> Floats:
        """Score of each row from a copy of `estimator` that never saw the row."""
        scores = cross_val_predict(
            estimator, self.values, self.labels, cv=self.parts, method="predict_proba", n_jobs=1
        )
        return np.asarray(scores[:, 1])


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
) -> Found:
    """Try the default settings and `trials - 1` others; keep the best out-of-fold ranking.

    Rankings are compared by average precision, which neither threshold nor calibration changes;
    among equals the first tried stays. With one trial the default settings are kept.
    """
    tried = candidates(len(learning.labels), trials, seed)

    def outcomes() -> Iterator[tuple[float, Found]]:
        for number, settings in enumerate(tried, start=1):
            progress(f"essai {number} sur {len(tried)}")
            scores = learning.out_of_fold(settings.forest(monotone, seed))
            quality = float(average_precision_score(learning.labels, scores))
            yield quality, Found(settings, len(tried), scores)

    return max(outcomes(), key=itemgetter(0))[1]
