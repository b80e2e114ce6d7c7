"""The random forests that a search may try: their settings, by default or drawn."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from sklearn.ensemble import RandomForestClassifier

TREES = 100  # with more, float32 sums of the served model drift from scikit-learn's
FEATURE_SHARES: tuple[Literal["sqrt"] | float, ...] = ("sqrt", 0.5, 0.75, 1.0)
DEPTHS = (None, 6, 10, 16)
WEIGHTS: tuple[Literal["balanced_subsample"] | None, ...] = (None, "balanced_subsample")
LEAF_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the default leaf


class ForestSettings(NamedTuple):
    """The parameters of `RandomForestClassifier` that a search varies."""

    n_estimators: int
    max_features: Literal["sqrt"] | float
    min_samples_leaf: int
    max_depth: int | None
    class_weight: Literal["balanced_subsample"] | None

    def forest(self, monotone: tuple[int, ...], seed: int) -> RandomForestClassifier:
        """An unfitted forest whose risk follows the signs of `monotone`."""
        return RandomForestClassifier(
            **self._asdict(), monotonic_cst=list(monotone), random_state=seed, n_jobs=1
        )


def default_settings(rows: int, trees: int = TREES) -> ForestSettings:
    """Leaves of at least a thousandth of the rows (2 to 50): more than the noise of one failure."""
    return ForestSettings(trees, "sqrt", int(np.clip(rows // 1000, 2, 50)), None, None)


def candidates(rows: int, trials: int, seed: int, trees: int = TREES) -> list[ForestSettings]:
    """The default settings, then others drawn without repetition, `trials` in all, of `trees`.

    Drawn at random rather than on a grid (Bergstra and Bengio, JMLR 13, 2012). Fewer than `trials`
    come back only when there are no more to try.
    """
    default = default_settings(rows, trees)
    leaves = sorted({max(1, round(default.min_samples_leaf * factor)) for factor in LEAF_FACTORS})
    others = [
        settings
        for share in FEATURE_SHARES
        for leaf in leaves
        for depth in DEPTHS
        for weight in WEIGHTS
        if (settings := ForestSettings(trees, share, leaf, depth, weight)) != default
    ]
    drawn = np.random.default_rng(seed).permutation(len(others))[: trials - 1]
    return [default, *(others[index] for index in drawn)]
