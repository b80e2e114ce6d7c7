"""Leak guard: a column that only the future tells gives the answer away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pmd.errors import LeakingColumns
from pmd.french import number

MINIMUM_ROWS = 20
CHANCE = 1e-6
FEW_VALUES = 20
SHARE_OF_LABEL = 0.5


def refuse_leaks(
    values: NDArray[np.float32], labels: NDArray[np.int64], names: Sequence[str]
) -> None:
    """Raise `LeakingColumns` naming each column of `values` (rows, columns) that leaks.

    A value convicts its column when at least `MINIMUM_ROWS` rows have it, all with the same label,
    which chance would do with a probability below `CHANCE` over the whole column. In a column of
    more than `FEW_VALUES` values, such as a measured quantity, rare readings repeat within one
    failure; there the value must also stand for `SHARE_OF_LABEL` of the rows of that label.
    """
    found = []
    for name, column in zip(names, values.T, strict=True):
        finding = _leak(column, labels)
        if finding:
            found.append(f"« {name} » ({finding})")
    if found:
        raise LeakingColumns(found)


def refuse_declared_leaks(features: Sequence[str], post_hoc: Sequence[str]) -> None:
    """Raise `LeakingColumns` naming each feature declared to be known only after the fact."""
    declared = [f"« {name} » (déclarée connue après coup)" for name in features if name in post_hoc]
    if declared:
        raise LeakingColumns(declared)


def _leak(column: NDArray[np.float32], labels: NDArray[np.int64]) -> str | None:
    distinct, index, rows = np.unique(column, return_inverse=True, return_counts=True)
    if len(distinct) < 2 or labels.min() == labels.max():
        return None
    positives = np.bincount(index, weights=labels).astype(np.int64)
    for label in (1, 0):
        total = int((labels == label).sum())
        pure = (positives == rows) if label else (positives == 0)
        likely = np.log(len(distinct)) + rows * np.log(total / len(labels))
        convicts = pure & (rows >= MINIMUM_ROWS) & (likely < np.log(CHANCE))
        if len(distinct) > FEW_VALUES:
            convicts &= rows >= SHARE_OF_LABEL * total
        if convicts.any():
            worst = int(np.argmax(np.where(convicts, rows, 0)))
            return (
                f"{distinct[worst]:g} va toujours avec {label}, {number(int(rows[worst]))} lignes"
            )
    return None
