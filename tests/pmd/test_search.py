from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from joblib import cpu_count, effective_n_jobs
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold

from pmd.forests import candidates
from pmd.search import Learning, search

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(400, 3)).astype(np.float32)
LABELS = ((VALUES[:, 0] * VALUES[:, 1] + RNG.normal(0, 0.3, 400)) > 0.7).astype(np.int64)
PARTS = list(StratifiedKFold(3, shuffle=True, random_state=1).split(VALUES, LABELS))
LEARNING = Learning(VALUES, LABELS, PARTS)
FREE = (0, 0, 0)


def ignore(_: str) -> None:
    """Progress that nobody watches."""


def test_the_settings_that_rank_unseen_rows_best_are_kept() -> None:
    found = search(LEARNING, FREE, 5, 1, ignore)
    qualities = {
        settings: average_precision_score(LABELS, LEARNING.out_of_fold(settings.forest(FREE, 1)))
        for settings in candidates(len(LABELS), 5, 1)
    }
    assert found.settings == max(qualities, key=lambda settings: qualities[settings])
    assert average_precision_score(LABELS, found.scores) == max(qualities.values())
    assert len(set(qualities.values())) > 1
    assert found.trials == 5


def test_with_one_trial_the_default_settings_are_kept() -> None:
    found = search(LEARNING, FREE, 1, 1, ignore)
    assert (found.settings, found.trials) == (candidates(len(LABELS), 1, 1)[0], 1)


def test_each_trial_is_announced() -> None:
    said: list[str] = []
    search(LEARNING, FREE, 3, 1, said.append)
    assert said == ["essai 1 sur 3", "essai 2 sur 3", "essai 3 sur 3"]


class Memory(ClassifierMixin, BaseEstimator):
    """An estimator that scores 1 the rows that it has learned, 0 the others."""

    def fit(self, values: np.ndarray, labels: np.ndarray) -> "Memory":
        self.classes_ = np.unique(labels)
        self.known = set(map(tuple, values.tolist()))
        return self

    def predict(self, values: np.ndarray) -> np.ndarray:
        return self.predict_proba(values)[:, 1]

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        known = np.array([tuple(row) in self.known for row in values.tolist()], dtype=float)
        return np.column_stack([1 - known, known])


def test_an_out_of_fold_score_comes_from_a_model_that_never_saw_the_row() -> None:
    assert LEARNING.out_of_fold(Memory()) == pytest.approx(0)
    assert Memory().fit(VALUES, LABELS).predict_proba(VALUES)[:, 1] == pytest.approx(1)


def test_the_number_of_cores_changes_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    forest = candidates(len(LABELS), 1, 1)[0].forest(FREE, 1)
    many = LEARNING.out_of_fold(forest)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert effective_n_jobs(-1) == 1
    assert (LEARNING.out_of_fold(forest) == many).all()


def test_a_forest_is_fitted_by_threads_and_asked_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    fit, predict = RandomForestClassifier.fit, RandomForestClassifier.predict_proba

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: RandomForestClassifier, *arguments: Any) -> Any:
            asked.append(effective_n_jobs(self.n_jobs))
            return method(self, *arguments)

        return call

    monkeypatch.setattr(RandomForestClassifier, "fit", watched(fit))
    monkeypatch.setattr(RandomForestClassifier, "predict_proba", watched(predict))
    LEARNING.out_of_fold(candidates(len(LABELS), 1, 1)[0].forest(FREE, 1))
    assert asked == [cpu_count(), 1] * 3
