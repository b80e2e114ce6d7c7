"""The production server around the API: one process that listens, and those that answer."""

import argparse
import multiprocessing
import os
import ssl
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from cidp.cli import FrenchParser
from cidp.errors import CidpError, ServerError
from cidp.ports import free_address
from cidp.settings import ApiSettings, Settings, launch_environment
from cidp.workers import shared_folder

if TYPE_CHECKING:
    from cidp.front import Front
    from cidp.http_api import ScoringApi

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
            loader: Any = partial(_worker, settings, folder)  # granian's type knows no RSGI
            server.serve(target_loader=loader, wrap_loader=False)
    except SystemExit:
        # On Windows Ctrl-C reaches the worker too, and granian counts its end as a crash.
        if not server.interrupt_signal:
            sys.stderr.write("Le processus qui répond s'est arrêté : voir logs/api.log.\n")
            return 1
    return 0


def create_app() -> "ScoringApi":
    """Build the application from the process's environment."""
    from cidp.http_api import create_app

    return create_app()


def _worker(settings: Settings, shared: Path | None) -> "Front":
    """Build the application, of which the process that only listens imports nothing."""
    from cidp.worker_process import worker_app

    return worker_app(settings, shared)
