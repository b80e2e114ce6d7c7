"""Writes measured figures as a Markdown page."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

_FORMATS: Final = {"MB": ".0f", "%": ".0f", "/s": ".0f", "": ".3g"}


@dataclass(frozen=True)
class Target:
    """A figure of ours and the bound that it must keep; `at_most` or else at least."""

    text: str
    value: float
    bound: float
    at_most: bool
    unit: str = "×"

    @property
    def is_kept(self) -> bool:
        """Tell whether the figure is within its bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def line(self) -> str:
        """Write it as a row of a table."""
        sign = "≤" if self.at_most else "≥"
        mark = "✓" if self.is_kept else "✗"
        value = f"{self.value:{_FORMATS.get(self.unit, '.2f')}} {self.unit}".rstrip()
        bound = f"{sign} {self.bound:{'.0f' if self.unit == '/s' else 'g'}} {self.unit}".rstrip()
        return f"| {self.text} | {value} | {bound} | {mark} |"


def measures_table(measures: Mapping[str, Mapping[str, Any]]) -> str:
    """Tabulate the rounds of each contender."""
    with_cpu = all("cpu_s" in found for found in measures.values())
    cpu = " CPU, s |" if with_cpu else ""
    lines = [
        f"| | Python starts, s | imports, s | job, s: median (least to most) |{cpu} rounds | "
        "peak, MB |",
        "| --- | --- | --- | --- | --- | --- |" + " --- |" * with_cpu,
    ]
    for name, found in measures.items():
        jobs = found["job_s"]
        cpu = f" {median(found['cpu_s']):.2f} |" if with_cpu else ""
        lines.append(
            f"| {name} | {median(found['start_s']):.2f} | {median(found['import_s']):.2f} "
            f"| **{median(jobs):.2f}** ({min(jobs):.2f} to {max(jobs):.2f}) |{cpu} {len(jobs)} "
            f"| {max(found['peak_mb']):.0f} |"
        )
    return "\n".join(lines)


def targets_table(targets: Sequence[Target]) -> str:
    """Tabulate what was aimed at and what came."""
    if not targets:
        return ""
    head = ["| target | measured | wanted | |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *(target.line() for target in targets)])


def machine(packages: Sequence[str]) -> str:
    """Describe this machine, its Python and the versions that count."""
    memory = psutil.virtual_memory().total / 2**30
    found = ", ".join(f"{name} {_version(name)}" for name in packages)
    return (
        f"{_cpu()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, "
        f"{platform.system()}, Python {platform.python_version()}. {found}."
    )


def program_version(command: Sequence[str | Path]) -> str:
    """Give the first line that a program says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "absent"
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else "absent"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _cpu() -> str:
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return names[0] if names else platform.machine()
    return platform.processor() or platform.machine()
