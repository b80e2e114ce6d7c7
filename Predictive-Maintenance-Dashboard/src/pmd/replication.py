"""The same training over several seeds, and how much its figures vary with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from pmd.evaluation import Figures
from pmd.training import Trained

CONFIDENCE = 0.95


class Range(NamedTuple):
    """Mean over the seeds, and its interval."""

    mean: float
    low: float
    high: float


class Replicas(NamedTuple):
    """The seeds, and the range of each held-out figure over them by predictor (empty for one)."""

    seeds: tuple[int, ...]
    ranges: dict[str, dict[str, Range]]


def replicate(
    train_one: Callable[[int], Trained], seeds: Sequence[int]
) -> tuple[Trained, Replicas]:
    """The model of the first of `seeds`, and how the figures of all of them vary.

    Each seed draws its own split, folds, settings and forest.
    """
    first = train_one(seeds[0])
    metrics = [first.judgement.metrics]
    metrics += [train_one(seed).judgement.metrics for seed in seeds[1:]]
    if len(seeds) == 1:
        return first, Replicas(tuple(seeds), {})
    ratio = len(first.split.test) / len(first.split.train)
    ranges = {name: _ranges([found[name] for found in metrics], ratio) for name in metrics[0]}
    return first, Replicas(tuple(seeds), ranges)


def _ranges(found: Sequence[Figures], ratio: float) -> dict[str, Range]:
    """Of the figures that every seed has; `ratio`: held-out rows for each training row."""
    ranges = {}
    for name in found[0]:
        values = [figures[name] for figures in found]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            ranges[name] = interval(known, ratio)
    return ranges


def interval(values: Sequence[float], ratio: float) -> Range:
    """Student's interval of the mean, widened since the seeds share most of their rows.

    The variance of the mean is s² (1/n + `ratio`) rather than s²/n (Nadeau and Bengio, Machine
    Learning 52, 2003).
    """
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * spread * float(np.sqrt(1 / len(values) + ratio))
    return Range(mean, mean - half, mean + half)
