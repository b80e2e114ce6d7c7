"""A real Dask scheduler and its worker processes, which know nothing of our package."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

from distributed import Client
from waiting import until


class Cluster:
    """A scheduler at `address`; its processes are ended by `stop_worker` and `stop_scheduler`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened = ExitStack()
        self.workers: list[Popen[str]] = []
        self.scheduler, line = self._start(
            "scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0"
        )
        self.address = line

    def _start(self, kind: str, *options: str) -> tuple[Popen[str], str]:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        process = Popen(
            [
                sys.executable,
                *("-m", f"distributed.cli.dask_{kind}", "--host", "127.0.0.1", "--no-dashboard"),
                *options,
            ],
            cwd=self.folder,
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._opened.enter_context(process)
        self._opened.callback(process.kill)
        assert process.stderr
        wanted = "Scheduler at:" if kind == "scheduler" else "Start worker at:"
        for line in process.stderr:
            if wanted in line:
                return process, line.split()[-1]
        raise AssertionError(f"dask {kind} did not start")

    def add_worker(self) -> None:
        process, _ = self._start("worker", self.address, "--nthreads", "1", "--no-nanny")
        self.workers.append(process)
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=240)

    def stop_worker(self) -> None:
        """Kill a worker and wait until the scheduler knows."""
        process = self.workers.pop()
        process.kill()
        process.wait()
        with Client(self.address, set_as_default=False) as client:
            until(lambda: len(client.nthreads()) == len(self.workers))

    def stop_scheduler(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()

    def close(self) -> None:
        self._opened.close()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Run a scheduler with that many workers while inside."""
    found = Cluster(folder)
    try:
        for _ in range(workers):
            found.add_worker()
        yield found
    finally:
        found.close()
