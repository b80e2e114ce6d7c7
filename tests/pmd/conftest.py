"""A small simulated history, a model trained on it, and folders of a service run in a test."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pmd.evaluation import Costs
from pmd.history import History, simulate_history
from pmd.sensors import SENSOR_NAMES
from pmd.telemetry_file import write_csv
from pmd.training import Trained, train
from pmd.training_table import Columns, telemetry_table

READINGS = Columns(SENSOR_NAMES, "failure", None, None, (-1, 0, 1, 1))


@pytest.fixture(scope="session")
def history() -> History:
    return simulate_history(24, 40, 120, 5, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def history_files(history: History, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("history")
    telemetry, maintenance = folder / "sensors.csv", folder / "maintenance.csv"
    sensors = history.telemetry.drop(columns="failure")
    write_csv({telemetry: sensors, maintenance: history.maintenance})
    return telemetry, maintenance


@pytest.fixture(scope="session")
def trained(history_files: tuple[Path, Path]) -> Trained:
    table = telemetry_table(*history_files, 24, READINGS, datetime.now(UTC))
    return train(table, Costs(10, 1), 42, lambda _: None)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds data, models and logs of the commands run in the test."""
    for name in ("data", "models", "logs"):
        monkeypatch.setenv(f"PMD_{name.upper()}_DIR", str(tmp_path / name))
    return tmp_path
