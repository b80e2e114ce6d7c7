"""Rows that would betray an inexact export: on, just below and just above the trees' thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

Rows = NDArray[np.float32]

_INFINITY = np.float32(np.inf)


def probing_rows(
    forest: RandomForestClassifier, values: Rows, count: int, rng: np.random.Generator
) -> Rows:
    """Draw `count` rows (count, features) in and a little around the range of `values`.

    Half of the numbers are a threshold of `forest`, or one of its two float32 neighbours.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    margin = 0.2 * (high - low)
    rows = rng.uniform(low - margin, high + margin, (count, len(low))).astype(np.float32)
    for feature, thresholds in enumerate(_split_thresholds(forest.estimators_, len(low))):
        if len(thresholds):
            on = rng.choice(thresholds, count).astype(np.float32)
            around = np.stack([on, np.nextafter(on, -_INFINITY), np.nextafter(on, _INFINITY)])
            chosen = around[rng.integers(3, size=count), np.arange(count)]
            rows[:, feature] = np.where(rng.random(count) < 0.5, chosen, rows[:, feature])
    return rows


def _split_thresholds(trees: Sequence[object], features: int) -> list[NDArray[np.float64]]:
    """The thresholds that the trees compare each feature with."""
    nodes = [tree.tree_ for tree in trees]  # type: ignore[attr-defined]  # scikit-learn is untyped
    feature = np.concatenate([node.feature for node in nodes])
    threshold = np.concatenate([node.threshold for node in nodes])
    return [np.unique(threshold[feature == index]) for index in range(features)]
