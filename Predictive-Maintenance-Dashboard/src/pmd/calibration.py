"""Sigmoid calibration of a forest from out-of-fold scores that were computed once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import (
    CalibratedClassifierCV,
    _CalibratedClassifier,
    _SigmoidCalibration,
)
from sklearn.ensemble import RandomForestClassifier

Floats = NDArray[np.float64]


def calibrated(
    forest: RandomForestClassifier, out_of_fold: Floats, labels: NDArray[np.int64]
) -> CalibratedClassifierCV:
    """The fitted `forest` with a sigmoid (Platt 1999) fitted on its `out_of_fold` scores.

    It is what `CalibratedClassifierCV(method="sigmoid", ensemble=False).fit` makes, which would
    compute these scores a second time and keep them to itself; hence the two private names of
    scikit-learn, and a test that both models are equal.
    """
    sigmoid = _SigmoidCalibration().fit(out_of_fold, labels)
    model = CalibratedClassifierCV(forest, method="sigmoid", ensemble=False)
    model.classes_ = forest.classes_
    model.n_features_in_ = forest.n_features_in_
    model.calibrated_classifiers_ = [
        _CalibratedClassifier(forest, [sigmoid], classes=forest.classes_, method="sigmoid")
    ]
    return model


def forest_of(model: CalibratedClassifierCV) -> RandomForestClassifier:
    """The forest inside."""
    return model.calibrated_classifiers_[0].estimator


def calibrate(model: CalibratedClassifierCV, scores: Floats) -> Floats:
    """The risk that `model` states where its forest says `scores`."""
    return np.asarray(model.calibrated_classifiers_[0].calibrators[0].predict(scores))


def slope(model: CalibratedClassifierCV) -> float:
    """Of the sigmoid; at or below 0 the risk does not rise with what the forest says."""
    return -float(model.calibrated_classifiers_[0].calibrators[0].a_)
