"""Run a Python program as usual, and end it when the process that started it is gone.

    python -m cidp.tether PARENT_PID path/to/script.py [argument ...]
    python -m cidp.tether PARENT_PID -m module [argument ...]

A parent that is killed cannot stop its children. What Linux (PR_SET_PDEATHSIG) and Windows (job
objects) offer against that has no common form, so the child itself looks after its parent.
"""

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

LOOK_S = 0.5
GRACE_S = 10.0


def main(argv: Sequence[str]) -> None:
    """Tie this process to the first argument, a process id, then become the program after it."""
    threading.Thread(target=_end_with, args=(int(argv[0]),), daemon=True).start()
    if argv[1] == "-m":
        sys.argv = list(argv[2:])
        runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(argv[1:])
        sys.path[0] = str(Path(argv[1]).resolve().parent)
        runpy.run_path(argv[1], run_name="__main__")


def _end_with(parent_pid: int) -> None:
    """Wait for the end of the parent; then ask this process to stop, and insist after `GRACE_S`."""
    _wait_for_end(parent_pid)
    _ask_to_stop()
    time.sleep(GRACE_S)
    os._exit(1)


if sys.platform == "win32":
    import ctypes

    _SYNCHRONIZE = 0x0010_0000
    _INFINITE = 0xFFFF_FFFF

    def _wait_for_end(parent_pid: int) -> None:
        """Wait on the parent's handle; no handle means that it has already ended."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, parent_pid)
        if handle:
            kernel.WaitForSingleObject(handle, _INFINITE)

    def _ask_to_stop() -> None:
        signal.raise_signal(signal.SIGBREAK)

else:

    def _wait_for_end(parent_pid: int) -> None:
        """Wait until the parent has another id: an orphan is adopted at once."""
        while os.getppid() == parent_pid:
            time.sleep(LOOK_S)

    def _ask_to_stop() -> None:
        """Signal the process, not this thread: that wakes a main thread which waits."""
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
