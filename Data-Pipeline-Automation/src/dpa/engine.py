"""Where the parts of a run are worked on: the threads of this process, or other processes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, Self


class Engine(Protocol):
    """Applies functions to parts; functions, parts and results are picklable.

    A handle stands for a result that stays where it was made, for as long as the handle is kept.
    """

    def keep(self, function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Start `function(item)` for every item; give a handle of each result, in their order."""
        ...

    def map(self, function: Callable[..., Any], items: Iterable[Any], *same: Any) -> Iterator[Any]:
        """Give `function(item, *same)` for every item, or what its handle stands for, in order.

        Items are taken only a little ahead of the results; what `function` raises is raised here.
        """
        ...


class LocalEngine:
    """Threads of this process; numpy and Arrow run side by side in them.

    Used as a context: leaving it waits for what is running and drops what is not.
    """

    def __init__(self, threads: int) -> None:
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
