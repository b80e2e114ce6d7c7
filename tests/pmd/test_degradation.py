import numpy as np
import pytest

from pmd.degradation import (
    DEGRADATION_BOUNDS_H,
    FAILURE_TYPES,
    FRICTION_DELAY_H,
    HEALTHY,
    REPAIR_BOUNDS_H,
    Life,
    Lives,
    PlannedFailure,
)

STEPS = np.arange(24 * 200)


@pytest.fixture
def life() -> Life:
    return Life(1.0, np.random.default_rng(1))


def test_damage_only_grows_until_the_failure_and_reaches_one(life: Life) -> None:
    condition = life.condition(STEPS)
    same_episode = (condition.mode[1:] == condition.mode[:-1]) & ~condition.failing[:-1]
    degrading = same_episode & (condition.mode[1:] != HEALTHY) & ~condition.repair[1:]
    assert (np.diff(condition.damage)[degrading] >= 0).all()
    assert condition.failing.any()
    assert (condition.damage[condition.failing] == 1).all()


def test_a_failure_shows_once_and_is_followed_by_its_repair(life: Life) -> None:
    condition = life.condition(STEPS)
    failing = np.flatnonzero(condition.failing)
    assert (np.diff(failing) > 1).all()
    assert condition.repair[failing[:-1] + 1].all()
    assert not condition.repair[condition.failing].any()


def test_a_healthy_locomotive_has_no_damage(life: Life) -> None:
    condition = life.condition(STEPS)
    assert (condition.damage[condition.mode == HEALTHY] == 0).all()


def test_delayed_damage_is_the_damage_of_some_hours_before(life: Life) -> None:
    condition = life.condition(STEPS)
    delay = int(FRICTION_DELAY_H)
    same = (condition.mode[delay:] != HEALTHY) & (condition.mode[:-delay] != HEALTHY)
    running = same & ~condition.repair[delay:] & ~condition.repair[:-delay]
    assert np.allclose(
        condition.delayed_damage[delay:][running], condition.damage[:-delay][running]
    )


def test_strength_is_zero_for_other_failure_types_and_during_repair(life: Life) -> None:
    condition = life.condition(STEPS)
    strengths = np.array([condition.strength(mode) for mode in range(len(FAILURE_TYPES))])
    assert ((strengths > 0).sum(axis=0) <= 1).all()
    assert (strengths[:, condition.repair] == 0).all()
    assert (strengths.sum(axis=0)[condition.failing] == 1).all()


def test_episodes_do_not_depend_on_how_far_ahead_one_looks() -> None:
    near, far = Life(1.0, np.random.default_rng(1)), Life(1.0, np.random.default_rng(1))
    far.condition(STEPS)
    assert (near.condition(STEPS[:500]).damage == far.condition(STEPS[:500]).damage).all()


def test_work_orders_open_at_the_failing_step_and_last_a_repair() -> None:
    lives = Lives(10, 0.5, np.random.SeedSequence(3))
    condition = lives.condition(np.arange(2 * 24 * 100))
    orders = [order for order in lives.work_orders(99.5 * 24) if order.opened_h >= 0]
    assert len(orders) > 20
    for order in orders:
        assert condition.failing[round(order.opened_h * 2), order.loco]
        repair_h = order.closed_h - order.opened_h
        assert REPAIR_BOUNDS_H[0] - 0.01 <= repair_h <= REPAIR_BOUNDS_H[1] + 0.01
    assert [order.opened_h for order in orders] == sorted(order.opened_h for order in orders)


def test_work_orders_are_those_opened_so_far() -> None:
    lives = Lives(10, 1.0, np.random.SeedSequence(3))
    lives.condition(np.arange(24 * 100))
    orders = lives.work_orders(50 * 24)
    assert orders
    assert all(order.opened_h <= 50 * 24 and order.closed_h > 0 for order in orders)


def test_every_failure_type_occurs_and_takes_its_time() -> None:
    lives = Lives(40, 1.0, np.random.SeedSequence(4))
    condition = lives.condition(np.arange(24 * 60))
    assert {order.failure_type for order in lives.work_orders(60 * 24)} == set(FAILURE_TYPES)
    growing = (condition.mode != HEALTHY) & ~condition.repair
    lengths = [
        len(run)
        for column in growing.T
        for run in np.split(
            np.flatnonzero(column), np.flatnonzero(np.diff(np.flatnonzero(column)) > 1) + 1
        )
    ]
    assert max(lengths) <= DEGRADATION_BOUNDS_H[1] + 2


PLANNED = PlannedFailure(0, 2, onset_h=500, failure_h=540, repair_h=24, severity=0.25)


def test_a_planned_failure_alone_is_all_that_happens() -> None:
    life = Life(1.0, np.random.default_rng(1), [PLANNED], random=False)
    condition = life.condition(STEPS)
    assert np.flatnonzero(condition.failing).tolist() == [540]
    assert np.flatnonzero(condition.repair).tolist() == list(range(541, 564))
    degrading = (condition.mode == 2) & ~condition.repair
    assert np.flatnonzero(degrading).tolist() == list(range(500, 541))
    assert (condition.severity[degrading] == 0.25).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_planned_failure_takes_place_whatever_the_dice_say(seed: int) -> None:
    life = Life(1.0, np.random.default_rng(seed), [PLANNED])
    condition = life.condition(STEPS)
    assert condition.failing[540]
    assert (condition.mode[500:541] == 2).all()
    assert condition.damage[499] == 0
    assert condition.failing[:500].sum() + condition.failing[564:].sum() > 5


def test_a_life_without_anything_planned_or_random_stays_sound() -> None:
    condition = Life(1.0, np.random.default_rng(1), random=False).condition(STEPS)
    assert (condition.mode == HEALTHY).all()
    assert not condition.damage.any()
    assert not condition.repair.any()


def test_a_failure_planned_on_a_step_shows_at_that_step_whatever_rounding_does() -> None:
    step_h = 1 / 3
    planned = PlannedFailure(0, 0, onset_h=12, failure_h=36, repair_h=6, severity=0.5)
    life = Life(step_h, np.random.default_rng(1), [planned], random=False)
    assert np.flatnonzero(life.condition(np.arange(200)).failing).tolist() == [108]
