"""The three documented commands, as a person runs them: other folder, child process, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "Predictive-Maintenance-Dashboard/src"


def launch(service: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SOURCE / script), *arguments],
        cwd=service,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_the_three_steps_make_a_model_from_nothing(service: Path) -> None:
    small = ["--locos", "12", "--days", "40", "--step-minutes", "240"]
    assert launch(service, "data_generator.py", *small).returncode == 0
    assert launch(service, "data_processing.py").returncode == 0
    trained = launch(service, "model_training.py", "--json")
    assert trained.returncode == 0, trained.stderr
    document = json.loads(trained.stdout)
    assert document["manifest"]["data"][0]["name"] == "processed_telemetry.csv"
    assert [feature["monotone"] for feature in document["manifest"]["features"]] == [-1, 0, 1, 1]
    assert (service / "models/rf_failure_predict.joblib").is_file()


def stream(service: Path, *arguments: str) -> subprocess.Popen[str]:
    flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {}
    return subprocess.Popen(
        [sys.executable, str(SOURCE / "data_generator.py"), "--stream", *arguments],
        cwd=service,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **flags,
    )


STOPS = [signal.CTRL_BREAK_EVENT] if os.name == "nt" else [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("stop", STOPS)
def test_a_stream_ends_cleanly_when_stopped(service: Path, stop: signal.Signals) -> None:
    with stream(service, "--rate", "50") as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        process.send_signal(stop)
        rest, err = process.communicate(timeout=240)
    assert first["loco_id"] == "LOCO_001"
    assert process.returncode == 0
    assert all(json.loads(line) for line in rest.splitlines())
    assert "mesures émises" in err


def test_a_stream_ends_cleanly_when_its_reader_leaves(service: Path) -> None:
    with stream(service, "--rate", "200") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=240) == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
