"""A burst is allowed, then one try at a time, each name on its own, in one process or more."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cidp import throttle as throttle_module
from cidp.throttle import Names, OwnNames, SharedNames, Throttle, sender
from cidp.workers import Worker

Make = Callable[[], Names]


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.1

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    joined = Worker(tmp_path)
    yield joined
    joined.close()


@pytest.fixture(params=["own", "shared"])
def names(request: pytest.FixtureRequest, worker: Worker) -> Names:
    return OwnNames() if request.param == "own" else SharedNames(worker, "address")


def test_a_burst_is_allowed_then_one_try_per_interval(names: Names) -> None:
    clock = Clock()
    throttle = Throttle(clock, names)
    assert [throttle.take("a", 10).wait_s for _ in range(10)] == [0] * 10
    assert 5.9 < throttle.take("a", 10).wait_s <= 6.01
    clock.now_s += 6
    assert throttle.take("a", 10).wait_s == 0
    assert throttle.take("a", 10).wait_s > 0


def test_waiting_as_long_as_told_is_enough(names: Names) -> None:
    clock = Clock()
    throttle = Throttle(clock, names)
    for _ in range(50):
        clock.now_s += throttle.take("a", 7).wait_s
    assert throttle.take("a", 7).wait_s == 0


def test_tries_that_are_refused_cost_nothing_and_are_counted(names: Names) -> None:
    clock = Clock()
    throttle = Throttle(clock, names)
    throttle.take("a", 1)
    assert [throttle.take("a", 1).held for _ in range(3)] == [1, 2, 3]
    clock.now_s += 60
    assert throttle.take("a", 1) == (0, 3)
    clock.now_s += 60
    assert throttle.take("a", 1) == (0, 0)


def test_one_name_does_not_slow_another(names: Names) -> None:
    throttle = Throttle(Clock(), names)
    assert [throttle.take(name, 1).wait_s for name in "abc"] == [0, 0, 0]


def test_memory_is_bounded_and_the_longest_unseen_is_forgotten(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle_module, "MAX_NAMES", 20)
    throttle = Throttle(Clock(), names)
    throttle.take("first", 1)
    for number in range(19):
        throttle.take(str(number), 1)
    assert throttle.take("first", 1).wait_s > 0
    throttle.take("one more", 1)
    assert throttle.take("first", 1).wait_s > 0
    assert throttle.take("0", 1).wait_s == 0


def test_workers_count_together_and_kinds_apart(worker: Worker, tmp_path: Path) -> None:
    clock, other = Clock(), Worker(tmp_path)
    first = Throttle(clock, SharedNames(worker, "address"))
    second = Throttle(clock, SharedNames(other, "address"))
    keys = Throttle(clock, SharedNames(other, "key"))
    assert [first.take("a", 2).wait_s, second.take("a", 2).wait_s] == [0, 0]
    assert first.take("a", 2).wait_s > 0
    assert second.take("a", 2) == (30, 2)
    assert keys.take("a", 2).wait_s == 0
    other.close()


def test_an_ipv6_sender_is_its_network() -> None:
    assert sender("2001:db8::1") == sender("2001:db8::ffff:1") != sender("2001:db8:0:1::1")
    assert sender("::ffff:192.0.2.7") == sender("192.0.2.7") == "192.0.2.7"
    assert sender("") == ""
