"""Threads of this process as an engine."""

from collections.abc import Iterator

import pytest

from dpa.engine import LocalEngine


def double(number: int) -> int:
    return number * 2


def add(number: int, more: int) -> int:
    return number + more


def fail(number: int) -> int:
    raise ValueError(f"part {number}")


def test_results_come_in_the_order_of_the_items() -> None:
    with LocalEngine(3) as engine:
        assert list(engine.map(add, range(50), 1)) == list(range(1, 51))


def test_what_was_kept_is_worked_on_further() -> None:
    with LocalEngine() as engine:
        kept = engine.keep(double, [1, 2, 3])
        assert list(engine.map(add, kept, 10)) == [12, 14, 16]
        assert list(engine.map(add, kept, 20)) == [22, 24, 26]


def test_items_are_taken_only_a_little_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with LocalEngine(2) as engine:
        results = engine.map(double, items())
        assert next(results) == 0
        assert len(taken) <= 4


@pytest.mark.parametrize("kept", [False, True])
def test_what_a_function_raises_is_raised_where_its_result_is_taken(kept: bool) -> None:
    with LocalEngine(1) as engine:
        items = engine.keep(double, [1, 2])
        results = engine.map(double, engine.keep(fail, [3])) if kept else engine.map(fail, items)
        with pytest.raises(ValueError, match="part"):
            next(results)


def test_leaving_the_context_drops_what_was_not_begun() -> None:
    with LocalEngine(1) as engine:
        kept = engine.keep(double, range(1000))
    assert kept[0].result() == 0
    assert all(future.done() for future in kept)
