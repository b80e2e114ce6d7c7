"""HTTP servers to compare: each one pinned to a core, paused while another is measured."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import requests

HERE: Final = Path(__file__).parent
PLATFORM: Final = HERE.parents[1] / "Camrail-Industrial-Data-Platform"
KEY: Final = "cle-du-banc-d-essai"
SERVER_CORE, CLIENT_CORE = "0", "1"
START_S: Final = 240
READING: Final = {
    "loco_id": "LOCO_001",
    "flow_rate": 500,
    "pressure": 5.0,
    "vibration": 2.0,
    "temperature": 45.0,
}


@dataclass(frozen=True)
class Peer:
    """How to start a server on a port, and what a request to it looks like."""

    name: str
    command: Sequence[str]
    path: str = "/predict"
    body: Any = field(default_factory=lambda: READING)
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path = HERE / "peers" / "api"
    leaves_out: str = ""


@dataclass(frozen=True)
class Load:
    """What wrk measured, and what the server's processors spent on it.

    `requests_per_cpu_s` is what a core of its own would give the server at most: it hardly depends
    on what else the machine does.
    """

    requests_per_s: float
    requests_per_cpu_s: float
    p50_ms: float
    p99_ms: float


class Running:
    """A server that has started; `pause` and `resume` stop and continue all of its processes."""

    def __init__(self, peer: Peer, port: int, cores: str = SERVER_CORE) -> None:
        self.peer = peer
        self.url = f"http://127.0.0.1:{port}{peer.path}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTEST"))}
        began = time.perf_counter()
        self._process = subprocess.Popen(
            ["taskset", "-c", cores, *(part.format(port=port) for part in peer.command)],
            cwd=peer.folder,
            env=kept | dict(peer.environ) | {"API_PORT": str(port), "API_KEY": KEY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait(began)
        self.start_s = time.perf_counter() - began

    def _wait(self, began: float) -> None:
        while time.perf_counter() - began < START_S:
            if self._process.poll() is not None:
                raise SystemExit(f"{self.peer.name} ended with {self._process.returncode}")
            with suppress(requests.RequestException):
                if self.ask().ok:
                    return
            time.sleep(0.01)
        raise SystemExit(f"{self.peer.name} does not answer")

    def ask(self) -> requests.Response:
        """Send one request."""
        return requests.post(self.url, json=self.peer.body, headers={"X-API-KEY": KEY}, timeout=30)

    def pause(self) -> None:
        """Take no processor time from the others."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        for process in self._strays():
            process.suspend()

    def resume(self) -> None:
        """Answer again."""
        os.killpg(self._process.pid, signal.SIGCONT)
        for process in self._strays():
            process.resume()

    def _strays(self) -> list[psutil.Process]:
        """Return the children that have a process group of their own."""
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._process.pid).children(recursive=True)
            return [p for p in family if os.getpgid(p.pid) != self._process.pid]
        return []

    def resident_mb(self) -> list[float]:
        """Return the memory of each process, MB, the largest first."""
        return sorted((p.memory_info().rss / 2**20 for p in self._family()), reverse=True)

    def cpu_s(self) -> float:
        """Return the processor time that its processes have had."""
        return sum(sum(p.cpu_times()[:2]) for p in self._family())

    def _family(self) -> list[psutil.Process]:
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self) -> None:
        """End all of its processes."""
        self.resume()
        family = self._family()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()


@contextmanager
def running(peers: Sequence[Peer], first_port: int, cores: str = SERVER_CORE):
    """Start every peer, one after the other, and end them all."""
    started: list[Running] = []
    try:
        for number, peer in enumerate(peers):
            started.append(Running(peer, first_port + number, cores))
            started[-1].pause()
        yield started
    finally:
        for server in started:
            server.stop()


def wrk(server: Running, body: str, seconds: int, connections: int = 32, path: str = "") -> Load:
    """Load a server; stop the bench when any answer is not a success."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(body)
        file.flush()
        before_s = server.cpu_s()
        done = subprocess.run(
            [
                *("taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
                *("--latency", "--timeout", "30s", "-s", str(HERE / "predict.lua")),
                server.url + path,
            ],
            env=os.environ | {"BENCH_BODY": file.name, "BENCH_KEY": KEY},
            capture_output=True,
            text=True,
            check=True,
        )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"{server.peer.name}: {done.stdout}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    count = re.search(r"(\d+) requests in", done.stdout)
    if rate is None or count is None:
        raise SystemExit(f"{server.peer.name}: {done.stdout}")
    per_cpu_s = int(count[1]) / (server.cpu_s() - before_s)
    p50_ms, p99_ms = (_percentile(done.stdout, percent) for percent in (50, 99))
    return Load(float(rate[1]), per_cpu_s, p50_ms, p99_ms)


def _percentile(printed: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", printed)
    if found is None:
        raise SystemExit(printed)
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


def ours(work: Path, **environ: str) -> Peer:
    """Give the API as its launcher starts it, with a model and folders of its own."""
    return Peer(
        "ours",
        [sys.executable, "api/api.py"],
        folder=PLATFORM,
        environ={
            "CAMRAIL_MODELS_DIR": str(work / "models"),
            "CAMRAIL_EVENT_STORE": str(work / "events.sqlite"),
            "CAMRAIL_LOGS_DIR": str(work / "logs"),
            **environ,
        },
    )
