"""Works on the parts of a run in Dask workers: processes of this machine, or a cluster's."""

import hashlib
import io
import logging
import pickle
import socket
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import dask.config
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.diagnostics.plugin import UploadFile

import dpa
from dpa.errors import EngineError

CONNECT_S: Final = 10.0
WORKERS_S: Final = 30.0
"""How long a scheduler may take to have its first worker."""
POLL_S: Final = 5.0
"""How often a wait for a result checks that there are workers left."""
AHEAD: Final = 2
"""Parts in hand for each thread of the workers: one at work, one ready."""
MATCHED_PACKAGES: Final = ("dask", "distributed", "cloudpickle", "numpy", "pandas", "pyarrow")
"""What must be the same on both sides: their objects travel, and their results must be equal."""
_QUIET: Final = {
    # Rejects and repeated identifiers may be large; Dask would warn on the user's screen.
    "distributed.admin.large-graph-warning-threshold": "1GiB",
}


class DaskEngine:
    """An engine whose functions run in Dask workers; used as a context.

    Without `scheduler`, as many worker processes as this machine has cores, reachable from this
    machine only and ended with the context. With it, the workers of that scheduler: they get this
    package sent, and must see the input files under the same paths. A worker that dies has its
    parts worked on again by the others. Raises EngineError when the cluster fails.
    """

    def __init__(self, scheduler: str | None = None) -> None:
        self._place = f"--scheduler {scheduler}" if scheduler else "--engine dask"
        with ExitStack() as opened, _told_failures():
            opened.enter_context(dask.config.set(_QUIET))
            opened.enter_context(_silent_logs())
            if scheduler is None:
                self._client = opened.enter_context(_own_cluster())
            else:
                self._client = opened.enter_context(_joined(scheduler))
                found: Any = self._client.get_versions(packages=["pyarrow"])
                refuse_other_versions(found, scheduler)
                _send_package(self._client)
            self._opened = opened.pop_all()
        self._work = _by_value_work()

    def keep(self, function: Callable[..., Any], items: Iterable[Any]) -> "list[Future[Any]]":
        """Start `function(item)` for every item; each result stays on its worker."""
        return [self._submit(function, item, None) for item in items]

    def map(self, function: Callable[..., Any], items: Iterable[Any], *same: Any) -> Iterator[Any]:
        """Give `function(item, *same)` for every item or future, in order."""
        with _told_failures():
            ahead = AHEAD * sum(self._client.nthreads().values())
            shared = self._client.submit(_by_value_loads(), pickle.dumps(same), pure=False)
            running: deque[Future[Any]] = deque()
            for item in items:
                running.append(self._submit(function, item, shared))
                if len(running) >= ahead:
                    yield self._result(running.popleft())
            while running:
                yield self._result(running.popleft())

    def _result(self, future: "Future[Any]") -> Any:
        """Wait for a result; a scheduler whose workers are all gone would let us wait for ever."""
        while not self._finished(future):
            if not self._client.nthreads():
                _await_worker(self._client, self._place)
        return future.result()

    def _finished(self, future: "Future[Any]") -> bool:
        try:
            future.exception(timeout=POLL_S)
        except TimeoutError:
            return False
        return True

    def _submit(
        self, function: Callable[..., Any], item: Any, shared: "Future[Any] | None"
    ) -> "Future[Any]":
        kept, sent = ([item], ()) if isinstance(item, Future) else ([], (item,))
        task = pickle.dumps((function, sent))
        return self._client.submit(self._work, task, kept, shared or (), pure=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Keep Dask's English logs off the user's screen; what matters comes as an error."""
    with ExitStack() as restored:
        for name in ("distributed", "tornado.application"):
            logger = logging.getLogger(name)
            restored.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL + 1)
        yield


@contextmanager
def _own_cluster() -> Iterator[Client]:
    with (
        tempfile.TemporaryDirectory(prefix="dpa-dask-", ignore_cleanup_errors=True) as folder,
        _ended(_started(folder)) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _ended(cluster: LocalCluster) -> Iterator[LocalCluster]:
    """Close the cluster in the end; where Dask fails at that, the run's own outcome stands.

    It may fail while a killed worker is starting again; that worker then ends with this process.
    """
    try:
        yield cluster
    finally:
        with suppress(AssertionError, TimeoutError):
            cluster.close()


def _started(folder: str) -> LocalCluster:
    try:
        return LocalCluster(
            host="127.0.0.1",
            processes=True,
            threads_per_worker=1,
            # No dashboard; the port of its server, which starts all the same, must not be fixed.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            local_directory=folder,
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise EngineError(
            "--engine dask : les processus n'ont pas pu démarrer ; libérez de la mémoire, ou "
            "relancez sans --engine. Rien n'a été modifié."
        ) from error


@contextmanager
def _joined(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler that has a worker at least."""
    try:
        _refuse_absent(scheduler)
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"--scheduler {scheduler} : pas de connexion ; vérifiez l'adresse (tcp://hôte:port) et "
            "que « dask scheduler » y tourne."
        ) from error
    with client:
        _await_worker(client, f"--scheduler {scheduler}")
        yield client


def _refuse_absent(scheduler: str) -> None:
    """Raise OSError when nobody listens there, ValueError when it is no address.

    A Dask client that could not connect is not closed, and may block a later one for ever.
    """
    parts = urlsplit(scheduler)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not parts.port:
        raise ValueError(scheduler)
    socket.create_connection((parts.hostname, parts.port), CONNECT_S).close()


def _await_worker(client: Client, place: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        raise EngineError(
            f"{place} : aucun worker en {WORKERS_S:g} s ; lancez-en (« dask worker ») et relancez. "
            "Rien n'a été modifié."
        ) from error


def refuse_other_versions(found: dict[str, Any], scheduler: str) -> None:
    """Raise EngineError when, in Dask's list, a worker runs other versions than this process."""
    ours = _versions(found["client"])
    faults = {
        f"{name} {theirs.get(name) or 'absent'} sur {address} ({version} ici)"
        for address, worker in found["workers"].items()
        for theirs in [_versions(worker)]
        for name, version in ours.items()
        if theirs.get(name) != version
    }
    if faults:
        raise EngineError(
            f"--scheduler {scheduler} : versions différentes : {' ; '.join(sorted(faults))}. "
            "Installez les mêmes sur les workers (requirements.txt)."
        )


def _versions(found: dict[str, Any]) -> dict[str, str]:
    packages = found["packages"]
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"Python": python, **{name: packages.get(name) for name in MATCHED_PACKAGES}}


def _send_package(client: Client) -> None:
    """Have every worker, present and to come, import this package from a copy that we send."""
    data = _zipped_package()
    client.run(_by_value_forget())
    with tempfile.TemporaryDirectory(prefix="dpa-dask-") as folder:
        path = Path(folder) / f"dpa-{hashlib.sha256(data).hexdigest()[:16]}.zip"
        path.write_bytes(data)
        client.register_plugin(UploadFile(str(path)), name="dpa-package")


def _zipped_package() -> bytes:
    root = Path(dpa.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root.parent).as_posix()
            # A fixed date, so that the same code makes the same bytes.
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return buffer.getvalue()


@contextmanager
def _told_failures() -> Iterator[None]:
    """Turn what Dask raises when its cluster fails into one French sentence."""
    try:
        yield
    except KilledWorker as error:
        raise EngineError(
            "Dask : plusieurs workers sont morts sur la même partie du fichier ; donnez-leur plus "
            "de mémoire ou consultez leurs journaux. Rien n'a été modifié."
        ) from error
    except (CancelledError, OSError) as error:
        raise EngineError(
            "Dask : la liaison avec le scheduler ou ses workers est rompue ; vérifiez qu'ils "
            "tournent et relancez. Rien n'a été modifié."
        ) from error


# Functions of a module travel as its name, which the scheduler cannot import. Functions made inside
# another travel as code: these three are all that a cluster sees before it has our package.


def _by_value_work() -> Callable[..., Any]:
    def dpa_work(task: bytes, kept: list[Any], same: tuple[Any, ...]) -> Any:
        from dpa.dask_worker import work

        return work(task, kept, same)

    return dpa_work


def _by_value_loads() -> Callable[[bytes], Any]:
    def dpa_same(data: bytes) -> Any:
        import pickle

        return pickle.loads(data)  # noqa: S301 - sent by `map` above

    return dpa_same


def _by_value_forget() -> Callable[[], None]:
    def dpa_forget() -> None:
        """Drop the package that an earlier run sent to this worker."""
        import re
        import sys

        for name in [name for name in sys.modules if name.split(".")[0] == "dpa"]:
            del sys.modules[name]
        sys.path[:] = [
            entry for entry in sys.path if not re.search(r"dpa-[0-9a-f]{16}\.zip$", entry)
        ]

    return dpa_forget
