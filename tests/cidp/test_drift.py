"""Readings like those of training show no drift, others do, and too few show nothing."""

from pathlib import Path

import numpy as np
import pytest

from cidp.drift import (
    ENOUGH_ROWS,
    KEPT_ROWS,
    WINDOW_S,
    DriftCollector,
    RecentReadings,
    Rows,
    as_rows,
    stability_index,
    within_window,
)
from cidp.model_bundle import Distribution, Manifest, load_bundle
from cidp.telemetry import READINGS

QUARTERS = Distribution(edges=[1.0, 2.0, 3.0], shares=[0.25] * 4)
NO_ROWS = np.empty((0, 5))


def manifest_of(bundle: Path) -> Manifest:
    return load_bundle(bundle).manifest


def collected(
    recent: RecentReadings, manifest: Manifest | None, now_s: float, stored: Rows | None = NO_ROWS
) -> dict[str, dict[str, float]]:
    """Give the number of readings (under "count") and the indexes of each source."""
    sources = {
        "predict": lambda: within_window([recent.rows()], now_s),
        "telemetry": lambda: stored,
    }
    found: dict[str, dict[str, float]] = {}
    for family in DriftCollector(sources, lambda: manifest, READINGS).collect():
        for sample in family.samples:
            of_source = found.setdefault(sample.labels["source"], {})
            of_source[sample.labels.get("variable", "count")] = sample.value
    return found


def test_the_same_shares_have_an_index_of_zero() -> None:
    assert stability_index(QUARTERS, np.array([0.0, 1.5, 2.5, 9.0])) == 0


def test_a_value_on_an_edge_belongs_below_it_as_in_training() -> None:
    assert stability_index(QUARTERS, np.array([1.0, 2.0, 3.0, 3.1])) == 0


def test_the_index_is_the_published_sum() -> None:
    two = Distribution(edges=[0.0], shares=[0.5, 0.5])
    values = np.array([-1.0] * 9 + [1.0])
    assert stability_index(two, values) == pytest.approx(0.4 * np.log(1.8) - 0.4 * np.log(0.2))


def test_an_interval_that_is_empty_now_gives_a_number() -> None:
    assert 0.25 < stability_index(QUARTERS, np.array([9.0] * 10)) < 100


def test_readings_far_from_training_drift_and_others_do_not(bundles: list[Path]) -> None:
    recent = RecentReadings(now_s=lambda: 100.0)
    rng = np.random.default_rng(0)
    for _ in range(ENOUGH_ROWS):
        vibration, risk = rng.choice([5.0, 15.0]), rng.choice([0.1, 0.9])
        recent.note((rng.choice([400, 600]), rng.choice([3, 7]), vibration, 200.0), risk)
    index = collected(recent, manifest_of(bundles[0]), 100.0)["predict"]
    assert index["count"] == ENOUGH_ROWS
    assert index["temperature"] > 0.25
    for steady in ("flow_rate", "pressure", "vibration", "risk"):
        assert index[steady] < 0.1, steady


def test_what_was_stored_is_not_mixed_with_what_was_only_scored(bundles: list[Path]) -> None:
    recent = RecentReadings(now_s=lambda: 100.0)
    recent.note((500, 5, 2, 45), 0.1)
    stored = np.tile([500.0, 5.0, 2.0, 200.0, 0.9], (ENOUGH_ROWS, 1))
    found = collected(recent, manifest_of(bundles[0]), 100.0, stored)
    assert found["predict"] == {"count": 1}
    assert found["telemetry"]["count"] == ENOUGH_ROWS
    assert found["telemetry"]["temperature"] > 0.25
    assert found["telemetry"]["risk"] > 0.25


def test_too_few_readings_or_no_model_give_only_their_number(bundles: list[Path]) -> None:
    recent = RecentReadings(now_s=lambda: 100.0)
    for _ in range(ENOUGH_ROWS - 1):
        recent.note((1, 2, 3, 4), 0.5)
    few = {"count": ENOUGH_ROWS - 1}
    assert collected(recent, manifest_of(bundles[0]), 100.0)["predict"] == few
    recent.note((1, 2, 3, 4), 0.5)
    assert collected(recent, None, 100.0)["predict"] == {"count": ENOUGH_ROWS}


def test_a_source_that_cannot_be_read_has_no_number() -> None:
    found = collected(RecentReadings(now_s=lambda: 100.0), None, 100.0, None)
    assert found == {"predict": {"count": 0}}


def test_readings_older_than_the_window_count_no_more() -> None:
    recent = RecentReadings(now_s=lambda: 100.0)
    recent.note((1, 2, 3, 4), 0.5)
    assert within_window([recent.rows()], 100.0 + WINDOW_S - 1).tolist() == [[1, 2, 3, 4, 0.5]]
    assert len(within_window([recent.rows()], 100.0 + WINDOW_S)) == 0


def test_the_ring_keeps_the_newest() -> None:
    recent = RecentReadings(now_s=lambda: 100.0)
    for number in range(KEPT_ROWS + 2):
        recent.note((number, 0, 0, 0), 0.5)
    rows = recent.rows()
    assert len(rows) == KEPT_ROWS
    assert rows[:3, 1].tolist() == [KEPT_ROWS, KEPT_ROWS + 1, 2]


def test_another_process_reads_the_ring_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "readings-1.ring"
    recent = RecentReadings(file, now_s=lambda: 7.0)
    recent.note((500, 5, 2, 45), 0.25)
    assert as_rows(file.read_bytes())[0].tolist() == [7.0, 500.0, 5.0, 2.0, 45.0, 0.25]
