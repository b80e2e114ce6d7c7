"""Which rows train and which judge: other locomotives, and days that training has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from pmd.errors import UntrainableData

Rows = NDArray[np.intp]
Labels = NDArray[np.int64]

HELD_OUT_SHARE = 1 / 3
MINIMUM_PER_LABEL = 10
DRAWS = 100


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of both parts; `groups`: how many groups only the judge has, None without any."""

    train: Rows
    test: Rows
    groups: int | None
    description: str


def split_rows(
    labels: Labels,
    groups: NDArray[np.object_] | None,
    hours: NDArray[np.float64] | None,
    embargo_hours: float,
    seed: int,
) -> Split:
    """Hold out a third of the groups, and the last third of the time.

    `hours` is the instant of each row on any common clock. Rows of the training part whose label
    looks `embargo_hours` ahead, into the held-out time, are left out. The groups are drawn until
    both parts hold both labels. Without groups and time: a stratified quarter.

    Raises `UntrainableData` when the parts cannot both hold both labels.
    """
    if groups is None and hours is None:
        return _stratified(labels, seed)
    early, late, when = _by_time(len(labels), hours, embargo_hours)
    if groups is None:
        split = Split(np.flatnonzero(early), np.flatnonzero(late), None, when)
        return _checked(labels, split)
    return _by_group(labels, groups, early, late, when, seed)


def _by_time(
    rows: int, hours: NDArray[np.float64] | None, embargo_hours: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], str]:
    if hours is None:
        everything = np.ones(rows, dtype=bool)
        return everything, everything, ""
    cut = hours.min() + (hours.max() - hours.min()) * (1 - HELD_OUT_SHARE)
    return hours < cut - embargo_hours, hours >= cut, "dernier tiers de la période"


def _by_group(
    labels: Labels,
    groups: NDArray[np.object_],
    early: NDArray[np.bool_],
    late: NDArray[np.bool_],
    when: str,
    seed: int,
) -> Split:
    names = np.unique(groups.astype(str))
    held = max(1, round(len(names) * HELD_OUT_SHARE))
    if len(names) < 3:
        raise UntrainableData(
            f"{len(names)} groupe(s) seulement : il en faut au moins 3 pour juger le modèle sur "
            "des groupes jamais vus. Ajoutez des données ou retirez --group."
        )
    rng = np.random.default_rng(seed)
    description = " et ".join(part for part in (f"{held} groupes sur {len(names)}", when) if part)
    for _ in range(DRAWS):
        mine = np.isin(groups.astype(str), rng.permutation(names)[:held])
        split = Split(np.flatnonzero(~mine & early), np.flatnonzero(mine & late), held, description)
        if _usable(labels, split):
            return split
    return _checked(labels, split)


def _stratified(labels: Labels, seed: int) -> Split:
    positives = int(labels.sum())
    if min(positives, len(labels) - positives) < 2 * MINIMUM_PER_LABEL:
        raise UntrainableData(
            f"{positives} lignes à 1 sur {len(labels)} : il faut au moins {2 * MINIMUM_PER_LABEL} "
            "lignes de chaque étiquette. Ajoutez des données."
        )
    train, test = train_test_split(
        np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=seed
    )
    return Split(np.sort(train), np.sort(test), None, "quart stratifié tiré au hasard")


def _usable(labels: Labels, split: Split) -> bool:
    train, test = labels[split.train], labels[split.test]
    enough = min(int(train.sum()), int((1 - train).sum())) >= MINIMUM_PER_LABEL
    return enough and 0 < int(test.sum()) < len(test)


def _checked(labels: Labels, split: Split) -> Split:
    if _usable(labels, split):
        return split
    train, test = labels[split.train], labels[split.test]
    raise UntrainableData(
        f"les deux étiquettes manquent d'un côté de la coupe ({split.description}) : "
        f"{int(train.sum())} lignes à 1 sur {len(train)} pour apprendre (il en faut "
        f"{MINIMUM_PER_LABEL} de chaque), {int(test.sum())} sur {len(test)} pour juger. "
        "Ajoutez des pannes, des locomotives ou des jours."
    )


def folds(
    labels: Labels,
    groups: NDArray[np.object_] | None,
    hours: NDArray[np.float64] | None,
    count: int,
    seed: int,
) -> list[tuple[Rows, Rows]]:
    """Partition the training rows for out-of-fold work: never the same group on both sides.

    Contiguous periods when only the time is known; stratified otherwise.
    """
    parts = list(_partition(labels, groups, hours, count, seed))
    if len(parts) < 2 or not all(_teaches(labels, *part) for part in parts):
        raise UntrainableData(
            "les pannes tiennent dans trop peu de groupes ou de jours pour étalonner le modèle. "
            "Ajoutez des pannes, des locomotives ou des jours."
        )
    return parts


def _teaches(labels: Labels, train: Rows, test: Rows) -> bool:
    return len(test) > 0 and 0 < int(labels[train].sum()) < len(train)


def _partition(
    labels: Labels,
    groups: NDArray[np.object_] | None,
    hours: NDArray[np.float64] | None,
    count: int,
    seed: int,
) -> Iterator[tuple[Rows, Rows]]:
    if groups is not None:
        names = groups.astype(str)
        parts = min(count, len(np.unique(names)))
        if parts < 2:
            return
        grouped = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
        yield from grouped.split(labels, labels, names)
    elif hours is not None:
        order = np.argsort(hours, kind="stable")
        for train, test in KFold(count).split(labels):
            yield np.sort(order[train]), np.sort(order[test])
    else:
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(labels, labels)
