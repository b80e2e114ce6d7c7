import numpy as np

from pmd.probing import probing_rows
from pmd.training import Trained


def test_probes_stand_on_and_beside_the_thresholds_of_the_trees(trained: Trained) -> None:
    forest = trained.model.calibrated_classifiers_[0].estimator
    rows = probing_rows(forest, trained.table.values, 4000, np.random.default_rng(1))
    thresholds = np.concatenate(
        [tree.tree_.threshold[tree.tree_.feature == 2] for tree in forest.estimators_]
    ).astype(np.float32)
    on = np.isin(rows[:, 2], thresholds)
    below = np.isin(np.nextafter(rows[:, 2], np.float32(np.inf)), thresholds) & ~on
    assert 0.1 < on.mean() < 0.4
    assert 0.1 < below.mean() < 0.4


def test_probes_also_cover_the_range_and_a_little_around(trained: Trained) -> None:
    values = trained.table.values
    forest = trained.model.calibrated_classifiers_[0].estimator
    rows = probing_rows(forest, values, 4000, np.random.default_rng(1))
    assert rows.dtype == np.float32
    assert (rows.min(axis=0) < values.min(axis=0)).all()
    assert (rows.max(axis=0) > values.max(axis=0)).all()
