"""The production server around the API: one process that listens, and those that answer."""

import argparse
import multiprocessing
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from loguru import logger

from cidp.assembly import assemble
from cidp.cli import FrenchParser
from cidp.errors import CidpError, ServerError
from cidp.front import Front, Limits
from cidp.http_api import app_of, create_app, log_context
from cidp.jobs_api import FORM_BYTES
from cidp.logs import configure_logs
from cidp.ports import free_address
from cidp.settings import ApiSettings, Settings, launch_environment
from cidp.workers import Worker, shared_folder

__all__ = ["create_app", "main"]

STOP_TIMEOUT_S = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the API until it is asked to stop; return the exit code."""
    flags = _parser().parse_args(argv)
    try:
        settings = Settings.from_environ(
            launch_environment(os.environ),
            {"api": {"host": flags.host, "port": flags.port, "workers": flags.workers}},
        )
        _check_certificate(settings.api)
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
    parser.add_argument("--workers", metavar="N", type=int, help="processus qui répondent (1)")
    return parser


def _check_certificate(api: ApiSettings) -> None:
    """Raise `ServerError` unless certificate and key are absent, or are a pair that works."""
    certificate, key = api.tls_certificate, api.tls_key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise ServerError("API_TLS_CERTIFICATE et API_TLS_KEY vont ensemble : il en manque un.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise ServerError(
            f"Certificat {certificate.name} ou clé {key.name} inutilisable : deux fichiers PEM"
            " qui vont ensemble sont attendus, la clé sans mot de passe."
        ) from error


def serve(settings: Settings, address: str) -> int:
    """Run the server on IP `address`; return 0 when it was asked to stop, 1 when it broke."""
    multiprocessing.set_start_method("spawn", force=True)  # the one way that all systems have
    api = settings.api
    server = Server(
        "cidp",
        address=address,
        port=api.port,
        interface=Interfaces.RSGI,
        workers=api.workers,
        backpressure=api.connections,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=int(api.header_timeout_s * 1000)),
        websockets=False,
        log_level=LogLevels.critical,
        ssl_cert=api.tls_certificate,
        ssl_key=api.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        respawn_failed_workers=api.workers > 1,
        workers_kill_timeout=STOP_TIMEOUT_S,
    )
    try:
        with shared_folder(api.workers) as folder:
            loader: Any = partial(worker_app, settings, folder)  # granian's type knows no RSGI
            server.serve(target_loader=loader, wrap_loader=False)
    except SystemExit:
        # On Windows Ctrl-C reaches the worker too, and granian counts its end as a crash.
        if not server.interrupt_signal:
            sys.stderr.write("Le processus qui répond s'est arrêté : voir logs/api.log.\n")
            return 1
    return 0


def worker_app(settings: Settings, shared: Path | None = None) -> Front:
    """Build the application inside a process that answers requests."""
    worker = None if shared is None else Worker(shared)
    suffix = f"-{worker.number}" if worker else ""
    configure_logs(
        settings.logs.folder, f"api{suffix}", audit=f"audit{suffix}", context=log_context
    )
    _follow_parent()
    if settings.demo_key_only:
        logger.warning("Mode local : la clé de démonstration est acceptée depuis cette machine.")
    parts = assemble(settings, worker=worker)
    parts.model.start()
    parts.notifier.start()
    api = settings.api
    logger.info("API sur {}://{}:{}", api.scheme, api.host, api.port)
    largest_body = max(api.largest_body, settings.jobs.upload_max_bytes + FORM_BYTES)
    return Front(app_of(parts), Limits(api.threads, api.body_timeout_s, largest_body))


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
