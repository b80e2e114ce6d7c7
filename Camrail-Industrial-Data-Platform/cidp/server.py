"""The production WSGI server around the API: one process that listens, one that answers."""

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from loguru import logger

from cidp.assembly import assemble
from cidp.cli import FrenchParser
from cidp.errors import CidpError
from cidp.http_api import app_of, create_app
from cidp.logs import configure_logs
from cidp.ports import free_address
from cidp.settings import Settings, launch_environment

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["create_app", "main"]

HEADER_TIMEOUT_MS = 10_000
STOP_TIMEOUT_S = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the API until it is asked to stop; return the exit code."""
    flags = _parser().parse_args(argv)
    try:
        settings = Settings.from_environ(
            launch_environment(os.environ), {"api": {"host": flags.host, "port": flags.port}}
        )
        address = free_address(settings.api.host, settings.api.port, "API_PORT")
    except CidpError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return serve(settings, address)


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="api.py", description="Sert l'API de prédiction CAMRAIL jusqu'à Ctrl-C."
    )
    parser.add_argument("--host", metavar="ADRESSE", help="adresse d'écoute (127.0.0.1)")
    parser.add_argument("--port", metavar="PORT", type=int, help="port d'écoute (5000)")
    return parser


def serve(settings: Settings, address: str) -> int:
    """Run the server on IP `address`; return 0 when it was asked to stop, 1 when it broke."""
    multiprocessing.set_start_method("spawn", force=True)  # the one way that all systems have
    server = Server(
        "cidp",
        address=address,
        port=settings.api.port,
        interface=Interfaces.WSGI,
        blocking_threads=settings.api.threads,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        log_level=LogLevels.critical,
        workers_kill_timeout=STOP_TIMEOUT_S,
    )
    try:
        server.serve(target_loader=partial(worker_app, settings), wrap_loader=False)
    except SystemExit:
        # On Windows Ctrl-C reaches the worker too, and granian counts its end as a crash.
        if not server.interrupt_signal:
            sys.stderr.write("Le processus qui répond s'est arrêté : voir logs/api.log.\n")
            return 1
    return 0


def worker_app(settings: Settings) -> "Flask":
    """Build the application inside the process that answers requests."""
    configure_logs(settings.logs.folder, "api", audit=True)
    _follow_parent()
    if settings.demo_key_only:
        logger.warning("Mode local : la clé de démonstration est acceptée depuis cette machine.")
    parts = assemble(settings)
    parts.model.start()
    parts.notifier.start()
    logger.info("API sur http://{}:{}", settings.api.host, settings.api.port)
    return app_of(parts)


def _follow_parent() -> None:
    """Let only the parent stop this process, and stop when the parent is gone, even killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        if sys.platform != "win32":
            os.setpgrp()  # a Ctrl-C followed at once by the parent's SIGTERM can hang the server
        threading.Thread(target=_wait_for_end, args=(parent.join,), daemon=True).start()


def _wait_for_end(parent_join: Callable[[], object]) -> None:
    parent_join()
    os.kill(os.getpid(), signal.SIGTERM)
