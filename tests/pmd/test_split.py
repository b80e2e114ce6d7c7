import itertools

import numpy as np
import pytest

from pmd.errors import UntrainableData
from pmd.split import folds, split_rows

LOCOS = np.repeat([f"L{i}" for i in range(9)], 60).astype(object)
HOURS = np.tile(np.arange(60.0), 9)
LABELS = (np.arange(540) % 7 == 0).astype(np.int64)


def test_the_judge_sees_other_locomotives_on_later_days() -> None:
    split = split_rows(LABELS, LOCOS, HOURS, 5, seed=1)
    assert not set(LOCOS[split.train]) & set(LOCOS[split.test])
    assert HOURS[split.train].max() < HOURS[split.test].min() - 5
    assert split.groups == 3 == len(set(LOCOS[split.test]))
    assert split.description == "3 groupes sur 9 et dernier tiers de la période"


def test_with_locomotives_alone_all_days_are_used() -> None:
    split = split_rows(LABELS, LOCOS, None, 5, seed=1)
    assert len(split.train) + len(split.test) == len(LABELS)
    assert not set(LOCOS[split.train]) & set(LOCOS[split.test])


def test_with_time_alone_the_judge_is_the_future() -> None:
    split = split_rows(LABELS, None, HOURS, 0, seed=1)
    assert HOURS[split.train].max() < HOURS[split.test].min()
    assert split.groups is None


def test_with_neither_both_parts_keep_the_share_of_failures() -> None:
    split = split_rows(LABELS, None, None, 0, seed=1)
    assert sorted([*split.train, *split.test]) == list(range(540))
    assert LABELS[split.test].mean() == pytest.approx(LABELS[split.train].mean(), abs=0.01)


def test_the_same_seed_draws_the_same_rows_and_another_one_others() -> None:
    first, again, other = (split_rows(LABELS, LOCOS, HOURS, 5, seed) for seed in (1, 1, 2))
    assert (first.test == again.test).all()
    assert set(first.test) != set(other.test)


def test_groups_are_drawn_until_both_parts_hold_failures() -> None:
    rare = np.where(np.isin(LOCOS, ["L4", "L7"]) & (HOURS % 2 == 0), 1, 0)
    for seed in range(5):
        split = split_rows(rare, LOCOS, HOURS, 0, seed)
        assert rare[split.train].sum() >= 10
        assert rare[split.test].sum() >= 1


@pytest.mark.parametrize(
    ("labels", "groups", "hours", "message"),
    [
        (LABELS * 0, LOCOS, HOURS, "0 lignes à 1"),
        (LABELS * 0 + 1, LOCOS, HOURS, "étiquettes manquent"),
        (LABELS * 0, None, None, "0 lignes à 1 sur 540"),
        (LABELS * 0 + 1, None, None, "540 lignes à 1 sur 540"),
        (LABELS, np.where(LOCOS == "L0", "L0", "L1").astype(object), None, "au moins 3"),
        (np.where(HOURS < 30, LABELS, 0), None, HOURS, "0 sur"),
        (LABELS[:1], LOCOS[:1], HOURS[:1], "au moins 3"),
    ],
)
def test_what_cannot_be_judged_honestly_is_refused(
    labels: np.ndarray, groups: np.ndarray | None, hours: np.ndarray | None, message: str
) -> None:
    with pytest.raises(UntrainableData, match=message):
        split_rows(labels, groups, hours, 0, seed=1)


@pytest.mark.parametrize("hours", [None, HOURS])
def test_no_locomotive_stands_on_both_sides_of_a_fold(hours: np.ndarray | None) -> None:
    parts = folds(LABELS, LOCOS, hours, 3, seed=1)
    assert all(not set(LOCOS[train]) & set(LOCOS[test]) for train, test in parts)
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(540))


def test_folds_of_time_are_contiguous_periods() -> None:
    parts = folds(LABELS, None, HOURS, 3, seed=1)
    spans = sorted((HOURS[test].min(), HOURS[test].max()) for _, test in parts)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(540))


def test_folds_without_group_or_time_are_stratified() -> None:
    for _, test in folds(LABELS, None, None, 3, seed=1):
        assert LABELS[test].mean() == pytest.approx(LABELS.mean(), abs=0.02)


def test_one_locomotive_alone_cannot_calibrate() -> None:
    with pytest.raises(UntrainableData, match="trop peu de groupes"):
        folds(LABELS[:60], LOCOS[:60], HOURS[:60], 3, seed=1)


def test_failures_of_one_locomotive_cannot_calibrate() -> None:
    with pytest.raises(UntrainableData, match="trop peu de groupes"):
        folds((LOCOS == "L3").astype(np.int64), LOCOS, HOURS, 3, seed=1)
