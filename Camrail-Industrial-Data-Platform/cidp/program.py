"""A program that works until it is asked to stop: its settings, its log, its exit code."""

import os
import threading
from collections.abc import Callable

from loguru import logger

from cidp.errors import CidpError
from cidp.logs import configure_logs
from cidp.settings import Settings, launch_environment
from cidp.stop_signals import stop_on_signals


def run_until_stopped(name: str, work: Callable[[Settings, threading.Event], object]) -> int:
    """Call `work` with the settings and the event that a signal sets; return the exit code.

    `name` is that of the log. A `CidpError` is logged, and ends the program with 1.
    """
    stop = threading.Event()
    with stop_on_signals(stop):
        try:
            settings = Settings.from_environ(launch_environment(os.environ))
            configure_logs(settings.logs.folder, name)
            work(settings, stop)
        except CidpError as error:
            logger.error("{}", error)
            return 1
    return 0
