"""Scores of one and of many agree, decide before rounding, and warn outside the trained range."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cidp.model_bundle import load_bundle
from cidp.scoring import Scorer, TrainedRange
from cidp.telemetry import READINGS, Reading


class FakeSession:
    """Answers the third column divided by 100 as the risk of each row."""

    class Input:
        name = "X"

    def get_inputs(self) -> list[Any]:
        return [self.Input]

    def run(self, outputs: list[str], feed: dict[str, Any]) -> list[Any]:
        risks = feed["X"][:, 2] / 100
        return [np.column_stack([1 - risks, risks])]


RANGES = [
    TrainedRange("temperature", 20, 90, 45, 10, 1),
    TrainedRange("flow_rate", 300, 700, 500, 100, -1),
    TrainedRange("vibration", 0, 15, 2, 2, 1),
    TrainedRange("pressure", 2, 9.5, 5, 1, 0),
]


def reading(vibration: float = 2, temperature: float = 45, pressure: float = 5) -> Reading:
    return Reading(
        loco_id="L1",
        flow_rate=500,
        pressure=pressure,
        vibration=vibration,
        temperature=temperature,
    )


def scorer(threshold: float = 0.5) -> Scorer:
    return Scorer(FakeSession(), "probabilities", RANGES, threshold, "v1")


def test_a_reading_at_the_threshold_is_not_critical() -> None:
    exactly = float(np.float32(50) / 100)
    assert not scorer(exactly).score_one(reading(vibration=50)).critical
    assert scorer(exactly).score_one(reading(vibration=50.1)).critical


def test_the_columns_follow_the_models_order() -> None:
    assert scorer().score_one(reading(vibration=25)).probability == pytest.approx(0.25)


def test_no_reading_gives_no_score() -> None:
    assert scorer().score_many([]) == []


def test_one_and_many_agree(bundles: list[Path]) -> None:
    served = load_bundle(bundles[0]).scorer
    readings = [reading(vibration=v, temperature=t) for v in range(0, 20, 3) for t in (20, 60, 99)]
    many = served.score_many(readings)
    ones = [served.score_one(r) for r in readings]
    assert [s.probability for s in many] == pytest.approx([s.probability for s in ones], abs=1e-6)
    assert [s.critical for s in many] == [s.critical for s in ones]
    assert {score.critical for score in many} == {True, False}
    assert {score.model_version for score in many} == {bundles[0].name}


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ((500, 5, 8, 45), "vibration"),
        ((500, 5, 8, 85), "temperature"),  # 4 spreads, against 3
        ((100, 5, 4, 45), "flow_rate"),
        ((900, 5, 4, 45), "vibration"),  # more flow is no danger
        ((500, 1, 4, 45), "pressure"),  # a leak,
        ((500, 9, 4, 45), "pressure"),  # a clogged filter
    ],
)
def test_the_cause_is_the_reading_furthest_on_its_dangerous_side(
    values: tuple[float, ...], cause: str
) -> None:
    assert READINGS[scorer().causes(np.array([values], np.float64))[0]] == cause


def test_a_reading_inside_the_trained_range_has_no_warning() -> None:
    assert scorer().warnings(reading(vibration=15, temperature=20)) == []


def test_each_reading_outside_the_trained_range_is_named() -> None:
    assert scorer().warnings(reading(vibration=15.25, pressure=1)) == [
        "hors domaine : vibration 15,25 mm/s, appris de 0 à 15 mm/s",
        "hors domaine : pression 1 bar, appris de 2 à 9,5 bar",
    ]
