"""A worker builds the application, says how it is guarded, and ends with its parent."""

import signal
import sys
import threading
from pathlib import Path

import pytest
from loguru import logger

from cidp import worker_process
from cidp.http_api import ScoringApi
from cidp.settings import ApiSettings, LogSettings, Settings


def test_the_worker_builds_the_application_and_says_how_it_is_guarded(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    local = Settings.from_environ({}).keys
    here = settings.model_copy(
        update={"keys": local, "logs": LogSettings(folder=tmp_path), "api": ApiSettings(port=5999)}
    )
    try:
        front = worker_process.worker_app(here)
    finally:
        logger.remove()
        logger.configure(patcher=lambda record: None)
    said = capsys.readouterr().err
    assert "la clé de démonstration est acceptée depuis cette machine" in said
    assert "API sur http://127.0.0.1:5999" in said
    assert isinstance(front.app, ScoringApi)
    assert front.app.test_client().get("/health").status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_the_end_of_the_parent_asks_this_process_to_stop() -> None:
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    try:
        worker_process._wait_for_end(lambda: None)
        assert asked.wait(240)
    finally:
        signal.signal(signal.SIGTERM, before)
