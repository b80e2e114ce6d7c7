"""Items come in order, fetched ahead within a bound, and errors come as they are."""

import threading
from collections.abc import Iterator

import pytest

from dpa.ahead import begun, fetched_ahead


def test_items_come_in_order() -> None:
    assert list(fetched_ahead(range(100), 3)) == list(range(100))
    assert list(fetched_ahead([], 2)) == []


def test_no_more_than_the_bound_is_fetched_ahead() -> None:
    fetched: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for item in range(10):
            fetched.append(item)
            if item == 2:
                third.set()
            yield item

    ahead = fetched_ahead(items(), 2)
    assert next(ahead) == 0
    assert third.wait(240)
    assert len(fetched) == 3
    ahead.close()
    assert len(fetched) == 3


def test_what_fetching_raises_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("panne")

    ahead = fetched_ahead(items(), 2)
    assert next(ahead) == 1
    with pytest.raises(LookupError, match=r"^panne$"):
        next(ahead)


def test_the_first_item_is_fetched_before_it_is_asked_for() -> None:
    fetching = threading.Event()

    def items() -> Iterator[int]:
        fetching.set()
        yield from range(3)

    with begun(items()) as coming:
        assert fetching.wait(240)
        assert list(coming) == [0, 1, 2]
    with begun([]) as coming:
        assert list(coming) == []


def test_what_fetching_the_first_item_raises_comes_when_it_is_asked_for() -> None:
    def items() -> Iterator[int]:
        raise LookupError("panne")
        yield

    with begun(items()) as coming, pytest.raises(LookupError, match=r"^panne$"):
        next(coming)
