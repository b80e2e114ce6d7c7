"""Where the parts of a run are worked on: the threads of this process, or other processes."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Protocol, Self

MOST_THREADS: Final = 8
"""Each has a part in hand: more threads would fill the memory and wait for the warehouse."""


class Engine(Protocol):
    """Applies functions to parts; functions, parts and results are picklable.

    A handle stands for a result that stays where it was made, for as long as the handle is kept.
    An engine is a context, at whose end it lets go of what it holds.
    """

    def keep(self, function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Start `function(item)` for every item; give a handle of each result, in their order."""
        ...

    def map(self, function: Callable[..., Any], items: Iterable[Any], *same: Any) -> Iterator[Any]:
        """Give `function(item, *same)` for every item, or what its handle stands for, in order.

        Items are taken only a little ahead of the results; what `function` raises is raised here.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class LocalEngine:
    """Threads of this process, in which numpy and Arrow run side by side.

    Leaving the context waits for what is running and drops what is not. `threads` is one for each
    core, up to eight, unless told otherwise.
    """

    def __init__(self, threads: int | None = None) -> None:
        threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
        self._ahead = threads + 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dpa")

    def keep(self, function: Callable[..., Any], items: Iterable[Any]) -> list["Future[Any]"]:
        """Start `function(item)` for every item; give a future of each result."""
        return [self._pool.submit(function, item) for item in items]

    def map(self, function: Callable[..., Any], items: Iterable[Any], *same: Any) -> Iterator[Any]:
        """Give `function(item, *same)` for every item or future, in order."""
        running: deque[Future[Any]] = deque()
        for item in items:
            running.append(self._pool.submit(function, _result(item), *same))
            if len(running) >= self._ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def _result(item: Any) -> Any:
    return item.result() if isinstance(item, Future) else item
