"""What a Dask worker runs: one function of ours on one part, its failures told with its name."""

import pickle
from typing import Any

from distributed import get_worker

from dpa.errors import SourceError, SourceUnreadable


def work(task: bytes, kept: Any, same: tuple[Any, ...]) -> Any:
    """Run a pickled (function, items): `function(*items, *kept, *same)`.

    The task is bytes so that the scheduler, which has no package of ours, need not read it. An
    unreadable file is told with the worker that could not read it.
    """
    # Only our own client sends tasks, over a connection that can run any code anyway.
    function, items = pickle.loads(task)  # noqa: S301
    try:
        return function(*items, *kept, *same)
    except SourceUnreadable as error:
        raise SourceUnreadable(
            f"Worker {get_worker().address} : {error} Chaque worker doit voir les fichiers sous le "
            "même chemin."
        ) from error
    except SourceError as error:
        raise type(error)(f"Worker {get_worker().address} : {error}") from error
