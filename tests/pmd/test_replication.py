import dataclasses

import pytest

from pmd.replication import interval, replicate
from pmd.training import Trained


def test_the_interval_of_known_values() -> None:
    found = interval([0.8, 0.9, 1.0], ratio=0.5)
    half = 4.302653 * 0.1 * (1 / 3 + 0.5) ** 0.5
    assert found == pytest.approx((0.9, 0.9 - half, 0.9 + half), abs=1e-6)


def test_sharing_more_rows_widens_the_interval() -> None:
    narrow, wide = (interval([0.8, 0.9, 1.0], ratio) for ratio in (0.1, 1.0))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_model_is_that_of_the_first_seed_and_the_range_that_of_all(trained: Trained) -> None:
    asked = []

    def train_one(seed: int) -> Trained:
        asked.append(seed)
        metrics = {"model": {"f1": seed / 10, "precision": None if seed == 2 else 0.5}}
        judgement = dataclasses.replace(trained.judgement, metrics=metrics)
        return dataclasses.replace(trained, seed=seed, judgement=judgement)

    first, replicas = replicate(train_one, range(1, 4))
    assert asked == [1, 2, 3]
    assert first.seed == 1
    assert replicas.seeds == (1, 2, 3)
    assert list(replicas.ranges["model"]) == ["f1"]
    assert replicas.ranges["model"]["f1"].mean == pytest.approx(0.2)


def test_one_seed_has_no_interval(trained: Trained) -> None:
    first, replicas = replicate(lambda _: trained, [42])
    assert first is trained
    assert replicas == ((42,), {})
