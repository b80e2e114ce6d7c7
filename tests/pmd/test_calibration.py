import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from pmd.calibration import calibrate, calibrated, forest_of, slope
from pmd.forests import default_settings

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(600, 3)).astype(np.float32)
LABELS = (VALUES[:, 0] + RNG.normal(0, 0.5, 600) > 1).astype(np.int64)
PARTS = list(StratifiedKFold(3, shuffle=True, random_state=1).split(VALUES, LABELS))


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    forest = default_settings(600).forest((1, 0, 0), seed=4)
    answers = cross_val_predict(forest, VALUES, LABELS, cv=PARTS, method="predict_proba")
    return np.asarray(answers[:, 1])


def test_it_is_the_model_that_scikit_learn_calibrates_with_a_second_cross_validation(
    scores: np.ndarray,
) -> None:
    unfitted = default_settings(600).forest((1, 0, 0), seed=4)
    twice = CalibratedClassifierCV(unfitted, method="sigmoid", ensemble=False, cv=PARTS)
    twice.fit(VALUES, LABELS)
    once = calibrated(unfitted.fit(VALUES, LABELS), scores, LABELS)
    assert isinstance(once, CalibratedClassifierCV)
    assert (once.predict_proba(VALUES) == twice.predict_proba(VALUES)).all()
    assert (once.predict(VALUES) == twice.predict(VALUES)).all()
    assert once.n_features_in_ == twice.n_features_in_


def test_calibrating_the_scores_of_the_forest_is_what_the_model_answers(
    scores: np.ndarray,
) -> None:
    model = calibrated(
        default_settings(600).forest((1, 0, 0), 4).fit(VALUES, LABELS), scores, LABELS
    )
    raw = forest_of(model).predict_proba(VALUES)[:, 1]
    assert calibrate(model, raw) == pytest.approx(model.predict_proba(VALUES)[:, 1])
    assert slope(model) > 0
    assert slope(calibrated(forest_of(model), -scores, LABELS)) < 0
