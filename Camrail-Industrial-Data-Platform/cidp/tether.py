"""Run a Python program as usual, and end it when the process that started it is gone.

    python -m cidp.tether PARENT_PID [--interrupt] path/to/script.py [argument ...]
    python -m cidp.tether PARENT_PID [--interrupt] -m module [argument ...]

With `--interrupt`, a request to stop (SIGTERM, Ctrl-Break) reaches the program as Ctrl-C does, so
that it may tidy up.

A parent that is killed cannot stop its children. What Linux (PR_SET_PDEATHSIG) and Windows (job
objects) offer against that has no common form, so the child itself looks after its parent.
"""

import contextlib
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

LOOK_S = 0.5
GRACE_S = 10.0


def main(argv: Sequence[str]) -> None:
    """Tie this process to the first argument, a process id, then become the program after it."""
    threading.Thread(target=_end_with, args=(int(argv[0]),), daemon=True).start()
    program = list(argv[1:])
    if program[0] == "--interrupt":
        del program[0]
        _interrupt_on_stop()
    if program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        sys.path[0] = str(Path(program[0]).resolve().parent)
        runpy.run_path(program[0], run_name="__main__")


def _interrupt_on_stop() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # SIGINT: some shells have it ignored
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.default_int_handler)


def _end_with(parent_pid: int) -> None:
    """Wait for the end of the parent; then end this process and whatever it has started.

    On Windows that is at once; elsewhere they are asked to, and made to after `GRACE_S`.
    """
    me = psutil.Process()
    _wait_for_end(parent_pid, me)
    family = [*me.children(recursive=True), me]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    time.sleep(GRACE_S)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _wait_for_end(parent_pid: int, me: psutil.Process) -> None:
    """Look at the parent until it has ended; psutil's own wait lasts until somebody reaps it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(parent_pid)
        # A younger process has got the id of a parent that ended before we looked.
        if parent.create_time() > me.create_time():
            return
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK_S)


if __name__ == "__main__":
    main(sys.argv[1:])
