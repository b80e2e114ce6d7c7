"""The distribution of a column in training, against which drift can be measured later."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 10


class Shares(NamedTuple):
    """Shares of the values up to each of the rising `edges`, and above the last one."""

    edges: list[float]
    shares: list[float]


def distribution(values: NDArray[Any]) -> Shares:
    """Deciles of `values`, fewer where many values are equal."""
    numbers = values.astype(np.float64)
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    counts = np.bincount(np.searchsorted(edges, numbers, side="left"), minlength=len(edges) + 1)
    return Shares(edges.tolist(), (counts / len(numbers)).tolist())
