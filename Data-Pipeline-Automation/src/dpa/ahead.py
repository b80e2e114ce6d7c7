"""Items are fetched a little ahead of their use, in a thread."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

Item = TypeVar("Item")
_END: Final = object()


def fetched_ahead(items: Iterable[Item], bound: int) -> Iterator[Item]:
    """Give the items in order, up to `bound` of the next ones being fetched meanwhile.

    What fetching raises is raised here, unchanged, once the items before it are given.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="dpa-ahead") as pool:
        waiting: deque[Future[Item | object]] = deque(
            pool.submit(next, iterator, _END) for _ in range(bound)
        )
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, iterator, _END))
                yield item  # type: ignore[misc]  # whatever is not the end is an item
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def begun(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """Give the items, the first of which is being fetched from now on, in a thread."""
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="dpa-first") as pool:
        first = pool.submit(next, iterator, _END)
        yield _with_first(first, iterator)


def _with_first(first: "Future[Item | object]", others: Iterator[Item]) -> Iterator[Item]:
    if (item := first.result()) is not _END:
        yield item  # type: ignore[misc]  # whatever is not the end is an item
        yield from others
