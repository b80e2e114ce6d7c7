"""The telemetry that the platform bootstraps from: made here, and enough for a good model."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmd.cli.generate import main
from pmd.evaluation import Costs
from pmd.sensors import SENSOR_NAMES
from pmd.training import Trained, train
from pmd.training_table import Columns, telemetry_table

DATA = Path(__file__).parents[2] / "Camrail-Industrial-Data-Platform/data"
README = Path(__file__).parents[2] / "Predictive-Maintenance-Dashboard/README.md"
COMMAND = "--seed 2026 --locos 60 --days 45 --step-minutes 120 --sensors-only"


@pytest.fixture(scope="module")
def model() -> Trained:
    columns = Columns(SENSOR_NAMES, "failure", None, None, (-1, 0, 1, 1))
    table = telemetry_table(
        DATA / "sensors.csv", DATA / "maintenance.csv", 24, columns, datetime.now(UTC)
    )
    return train(table, Costs(10, 1), 42, lambda _: None)


def test_the_documented_command_makes_it_byte_for_byte(service: Path) -> None:
    assert COMMAND in README.read_text(encoding="utf-8")
    outputs = ["--output", str(service / "sensors.csv"), "--maintenance", str(service / "m.csv")]
    assert main([*COMMAND.split(), *outputs]) == 0
    assert (service / "sensors.csv").read_bytes() == (DATA / "sensors.csv").read_bytes()
    assert (service / "m.csv").read_bytes() == (DATA / "maintenance.csv").read_bytes()


def test_it_is_small_and_holds_enough_failures() -> None:
    files = [DATA / "sensors.csv", DATA / "maintenance.csv"]
    assert sum(file.stat().st_size for file in files) < 1_800_000
    assert len(pd.read_csv(files[1])) >= 25


def test_its_model_beats_both_naive_rules_on_locomotives_and_days_never_seen(
    model: Trained,
) -> None:
    metrics = model.judgement.metrics
    figures = metrics["model"]
    for naive in (metrics["never_fails"], metrics["single_threshold"]):
        assert (
            float(figures["average_precision"] or 0) > float(naive["average_precision"] or 0) + 0.2
        )
        assert float(figures["cost"] or 0) < 0.5 * float(naive["cost"] or 0)


def test_its_model_plays_the_piloting_scenario(model: Trained) -> None:
    rows = np.array([[500, 5, 2, 45], [500, 5, 7, 85], [500, 5, 9, 95], [500, 5, 15, 120]])
    assert (risks(model, rows) > model.threshold).tolist() == [False, True, True, True]


def test_a_leak_and_a_clogged_filter_both_raise_the_risk(model: Trained) -> None:
    nominal, leak, clogged = risks(
        model, np.array([[500, 5, 2, 45], [350, 3.2, 2, 45], [380, 7.2, 2, 45]])
    )
    assert leak > model.threshold > nominal
    assert clogged > model.threshold


def test_its_probabilities_are_calibrated_on_locomotives_and_days_never_seen(
    model: Trained,
) -> None:
    figures = model.judgement.metrics["model"]
    assert float(figures["calibration_error"] or 1) <= 0.03
    assert 0.8 <= float(figures["calibration_slope"] or 0) <= 1.25
    assert float(figures["brier_skill"] or 0) > 0.3


def risks(model: Trained, rows: np.ndarray) -> np.ndarray:
    return np.asarray(model.model.predict_proba(rows.astype(np.float32))[:, 1])
