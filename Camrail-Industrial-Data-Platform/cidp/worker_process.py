"""A process that answers requests: its logs, its application, its end with its parent."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from loguru import logger

from cidp.assembly import assemble
from cidp.front import Front, Limits
from cidp.http_api import app_of, log_context
from cidp.jobs_api import FORM_BYTES
from cidp.logs import configure_logs
from cidp.settings import Settings
from cidp.workers import Worker


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
