"""An API in a folder of its own, with a real model, for the scripts of this folder."""

import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopback import free_port

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Camrail-Industrial-Data-Platform"))

from cidp.assembly import Parts, assemble
from cidp.settings import SERVICE_FOLDER, Settings
from cidp.telemetry import READINGS

START_S = 60
STOP_S = 30


def model_registry(folder: Path, given: Path | None) -> Path:
    """Copy the registry `given` into `folder`, or train a model there with the seed data."""
    models = folder / "models"
    if given is not None:
        shutil.copytree(given, models)
        return models
    environ = os.environ | {"CAMRAIL_MODELS_DIR": str(models), "CAMRAIL_LOGS_DIR": str(folder)}
    script = str(SERVICE_FOLDER / "bootstrap_local.py")
    subprocess.run([sys.executable, script], env=environ, check=True, capture_output=True)
    return models


def readings(rows: int) -> list[dict[str, Any]]:
    """Return the first complete readings of the seed data, which come from the simulator."""
    lines = (SERVICE_FOLDER / "data" / "sensors.csv").read_text(encoding="utf-8").splitlines()
    names = lines[0].split(",")
    found = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    whole = [row for row in found if all(row[name] for name in READINGS)]
    return [
        {"loco_id": row["loco_id"]} | {name: float(row[name]) for name in READINGS}
        for row in whole[:rows]
    ]


def load_warehouse(environ: Mapping[str, str]) -> None:
    """Run the ETL on its sample, into the places that `environ` names."""
    script = SERVICE_FOLDER.parent / "Data-Pipeline-Automation" / "src" / "main_pipeline.py"
    command = [sys.executable, str(script)]
    subprocess.run(command, env=os.environ | environ, check=True, capture_output=True)


def variables(folder: Path, models: Path, key: str) -> dict[str, str]:
    """Return the environment of an API that keeps everything in `folder`."""
    return {
        "CAMRAIL_MODELS_DIR": str(models),
        "CAMRAIL_EVENT_STORE": str(folder / "events.sqlite"),
        "CAMRAIL_JOBS_DIR": str(folder / "jobs"),
        "CAMRAIL_LOGS_DIR": str(folder / "logs"),
        "DPA_DWH": str(folder / "dwh.sqlite"),
        "DPA_REPORT": str(folder / "rapport.xlsx"),
        "API_KEY": key,
    }


@contextmanager
def served_parts(folder: Path, given: Path | None, key: str) -> Iterator[Parts]:
    """Give the parts of an API whose model serves, with `key` allowed everything."""
    environ = variables(folder, model_registry(folder, given), key)
    parts = assemble(Settings.from_environ(environ))
    parts.model.refresh()
    try:
        yield parts
    finally:
        parts.model.stop()
        parts.store.close()


@contextmanager
def running_api(folder: Path, models: Path, key: str) -> Iterator[int]:
    """Start `api/api.py`, wait until it is ready, and give its port."""
    port = free_port()
    environ = os.environ | variables(folder, models, key) | {"API_PORT": str(port)}
    script = str(SERVICE_FOLDER / "api" / "api.py")
    child = subprocess.Popen(
        [sys.executable, script], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(port)
        yield port
    finally:
        child.terminate()
        child.wait(STOP_S)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            client.request("GET", "/ready")
            if client.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"the API on port {port} is not ready after {START_S} s")
