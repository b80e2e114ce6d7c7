import numpy as np
import pytest

from pmd.model_bundle import TOLERANCE
from pmd.probing import probing_rows
from pmd.served_model import PIECE_ROWS, export_onnx
from pmd.training import Trained

LOW, HIGH = np.array([200, 1, 0.5, 20]), np.array([800, 10, 15, 120])


def test_onnx_answers_and_decides_as_scikit_learn(trained: Trained) -> None:
    forest = trained.model.calibrated_classifiers_[0].estimator
    rows = probing_rows(forest, trained.table.values, 200_000, np.random.default_rng(7))
    expected, answered = trained.model.predict_proba(rows)[:, 1], trained.served.probabilities(rows)
    assert np.abs(expected - answered).max() <= TOLERANCE
    assert ((expected > trained.threshold) == (answered > trained.threshold)).all()


@pytest.mark.parametrize(("feature", "limit"), [(2, 15.0), (3, 120.0)])
def test_raising_a_slider_never_lowers_the_served_risk(
    trained: Trained, feature: int, limit: float
) -> None:
    rng = np.random.default_rng(feature)
    before = rng.uniform(LOW, HIGH, (10_000, 4)).astype(np.float32)
    after = before.copy()
    after[:, feature] = rng.uniform(before[:, feature], limit)
    rise = trained.served.probabilities(after) - trained.served.probabilities(before)
    assert rise.min() > -1e-6, "no more than what float32 sums round"


def test_one_row_gets_the_same_bits_as_in_a_batch(trained: Trained) -> None:
    rows = np.random.default_rng(3).uniform(LOW, HIGH, (200, 4)).astype(np.float32)
    alone = [trained.served.probabilities(row[None])[0] for row in rows]
    assert (trained.served.probabilities(rows) == alone).all()


def test_rows_asked_for_in_pieces_keep_their_order(trained: Trained) -> None:
    rows = np.random.default_rng(4).uniform(LOW, HIGH, (3 * PIECE_ROWS + 1, 4)).astype(np.float32)
    halves = [trained.served.probabilities(part) for part in (rows[:PIECE_ROWS], rows[PIECE_ROWS:])]
    assert (trained.served.probabilities(rows) == np.concatenate(halves)).all()


def test_the_same_model_gives_the_same_bytes(trained: Trained) -> None:
    assert export_onnx(trained.model) == trained.served.content
