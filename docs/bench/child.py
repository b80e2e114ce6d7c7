"""Runs one contender in a process of its own: child.py MODULE FUNCTION '{"argument": …}'.

The last line of standard output is JSON: when the process began, seconds of imports and of the job,
what the job gave, and the contents that the module's `contents` counts afterwards, outside the
measured time.
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType

BEGAN = time.time()


def loaded_module(path: Path) -> ModuleType:
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def peak_mb() -> float | None:
    """Give the largest resident memory of this process, where the system tells it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def cpu_s() -> float:
    """Give the seconds of processors of this process and of its children that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    """Import, run, measure and tell."""
    path, function, arguments = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    before_s = time.perf_counter()
    module = loaded_module(path)
    imported_s = time.perf_counter()
    imported_cpu_s = cpu_s()
    gave = getattr(module, function)(**arguments)
    done_s, done_cpu_s = time.perf_counter(), cpu_s()
    told = {
        "began": BEGAN,
        "import_s": imported_s - before_s,
        "job_s": done_s - imported_s,
        "cpu_s": done_cpu_s - imported_cpu_s,
        "peak_mb": peak_mb(),
        "gave": gave,
        "contents": module.contents(**arguments) if hasattr(module, "contents") else None,
    }
    sys.stdout.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
