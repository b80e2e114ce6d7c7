"""A burst is allowed, then one try at a time, each name on its own."""

from cidp.throttle import MAX_NAMES, Throttle, sender


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.1

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_is_allowed_then_one_try_per_interval() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert [throttle.take("a", 10).wait_s for _ in range(10)] == [0] * 10
    assert 5.9 < throttle.take("a", 10).wait_s <= 6.01
    clock.now_s += 6
    assert throttle.take("a", 10).wait_s == 0
    assert throttle.take("a", 10).wait_s > 0


def test_waiting_as_long_as_told_is_enough() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(50):
        clock.now_s += throttle.take("a", 7).wait_s
    assert throttle.take("a", 7).wait_s == 0


def test_tries_that_are_refused_cost_nothing_and_are_counted() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    throttle.take("a", 1)
    assert [throttle.take("a", 1).held for _ in range(3)] == [1, 2, 3]
    clock.now_s += 60
    assert throttle.take("a", 1) == (0, 3)
    clock.now_s += 60
    assert throttle.take("a", 1) == (0, 0)


def test_one_name_does_not_slow_another() -> None:
    throttle = Throttle(Clock())
    assert [throttle.take(name, 1).wait_s for name in "abc"] == [0, 0, 0]


def test_memory_is_bounded_and_the_longest_unseen_is_forgotten() -> None:
    throttle = Throttle(Clock())
    throttle.take("first", 1)
    for number in range(MAX_NAMES - 1):
        throttle.take(str(number), 1)
    assert throttle.take("first", 1).wait_s > 0
    throttle.take("one more", 1)
    assert throttle.take("first", 1).wait_s > 0
    assert throttle.take("0", 1).wait_s == 0


def test_an_ipv6_sender_is_its_network() -> None:
    assert sender("2001:db8::1") == sender("2001:db8::ffff:1") != sender("2001:db8:0:1::1")
    assert sender("::ffff:192.0.2.7") == sender("192.0.2.7") == "192.0.2.7"
    assert sender("") == ""
