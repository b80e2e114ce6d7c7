"""Times contenders in child processes, one after the other in each round, with their memory."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
SERVICE: Final = ROOT / "Data-Pipeline-Automation"
PLATFORM: Final = ROOT / "Camrail-Industrial-Data-Platform"
TRAINER: Final = ROOT / "Predictive-Maintenance-Dashboard"
SAMPLING_S: Final = 0.02


class ContenderFailed(Exception):
    """A contender ended badly; the text is the end of what it wrote."""


@dataclass(frozen=True)
class Contender:
    """One way to do a job: a function of a file of `peers/`, called with `arguments`.

    `restore` puts back what the job changes, outside the measured time. `others` are the processes
    whose memory counts beside the contender's own. `python` runs it, where a peer needs its own.
    """

    name: str
    module: str
    function: str
    arguments: dict[str, Any]
    restore: Callable[[], None] = lambda: None
    others: Sequence[int] = ()
    python: str = sys.executable


@dataclass
class Measures:
    """What the rounds of one contender gave."""

    start_s: list[float] = field(default_factory=list)
    import_s: list[float] = field(default_factory=list)
    job_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    gave: list[Any] = field(default_factory=list)
    contents: Any = None


def say(text: str) -> None:
    """Tell the progress on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def alternated(contenders: Sequence[Contender], rounds: int) -> dict[str, dict[str, Any]]:
    """Run every contender once a round; give each one's measures by name."""
    found = {contender.name: Measures() for contender in contenders}
    for number in range(1, rounds + 1):
        for contender in contenders:
            contender.restore()
            told, started, peak = _run(contender)
            measures = found[contender.name]
            measures.start_s.append(told["began"] - started)
            measures.import_s.append(told["import_s"])
            measures.job_s.append(told["job_s"])
            measures.cpu_s.append(told["cpu_s"])
            measures.peak_mb.append(max(peak, told["peak_mb"] or 0.0))
            measures.gave.append(told["gave"])
            measures.contents = told["contents"]
            say(
                f"  {number}/{rounds} {contender.name}: {told['job_s']:.2f} s, "
                f"imports {told['import_s']:.2f} s, {measures.peak_mb[-1]:.0f} MB"
            )
    return {name: vars(measures) for name, measures in found.items()}


def gathered(measures: dict[str, dict[str, Any]], more: dict[str, dict[str, Any]]) -> None:
    """Append the measures of another round."""
    for name, found in more.items():
        known = measures.setdefault(name, {key: [] for key in found})
        for key, value in found.items():
            known[key] = value if key == "contents" else known[key] + value


def typical(measures: dict[str, Any]) -> float:
    """Give the median seconds of the job."""
    return float(median(measures["job_s"]))


def busy(measures: dict[str, Any]) -> float:
    """Give the median seconds of processors that the job took, all cores together."""
    return float(median(measures["cpu_s"]))


def environment() -> dict[str, str]:
    """Give the children our packages; nothing that counts coverage or shows bars."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE_"))}
    packages = os.pathsep.join([str(SERVICE / "src"), str(TRAINER / "src"), str(PLATFORM)])
    return kept | {"PYTHONPATH": packages, "PYTHONUTF8": "1"}


def _run(contender: Contender) -> tuple[dict[str, Any], float, float]:
    started = time.time()
    command = [
        contender.python,
        str(HERE / "child.py"),
        str(HERE / "peers" / contender.module),
        contender.function,
        json.dumps(contender.arguments),
    ]
    child = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    watch = _MemoryWatch([child.pid, *contender.others])
    watch.start()
    output, errors = child.communicate()
    peak = watch.finish()
    if child.returncode:
        raise ContenderFailed(f"{contender.name}: {errors[-4000:]}")
    return json.loads(output.strip().splitlines()[-1]), started, peak


class _MemoryWatch(threading.Thread):
    """Samples the resident memory of processes and their descendants; keeps the largest sum."""

    def __init__(self, pids: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._over = threading.Event()
        self._peak_bytes = 0

    def run(self) -> None:
        while not self._over.wait(SAMPLING_S):
            self._peak_bytes = max(self._peak_bytes, sum(map(_tree_bytes, self._pids)))

    def finish(self) -> float:
        """Stop, and give the peak in MB (2**20 bytes)."""
        self._over.set()
        self.join()
        return self._peak_bytes / 2**20


def _tree_bytes(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(map(_resident_bytes, family))


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
