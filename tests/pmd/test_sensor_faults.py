import numpy as np
import pytest

from pmd import sensor_faults
from pmd.sensor_faults import DRIFT, FAULT_KINDS, GAP, SPIKE, STUCK, SensorFault, SensorFaults
from pmd.sensors import SENSORS

NOMINAL = np.array([sensor.nominal for sensor in SENSORS])
STEPS = np.arange(4000)


def true_values(locos: int = 5) -> np.ndarray:
    return NOMINAL + np.random.default_rng(0).normal(0, 0.1, (len(STEPS), locos, 4))


def spoiled(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    true = true_values()
    return true, *SensorFaults(5, 1.0, np.random.SeedSequence(seed)).spoil(STEPS, true)


def spoiled_by(*planned: SensorFault, step_h: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    faults = SensorFaults(5, step_h, np.random.SeedSequence(1), planned, random=False)
    return faults.spoil(STEPS, true_values())


def often(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Let faults of one kind happen, every 50 hours or so."""
    shares = np.cumsum([float(name == kind) for name in FAULT_KINDS])
    monkeypatch.setattr(sensor_faults, "_SHARES", shares)
    monkeypatch.setattr(sensor_faults, "_TOTAL_PER_LOCO_H", 0.02)


def test_faults_touch_few_readings() -> None:
    true, reported, lost = spoiled()
    assert 0 < (reported != true).mean() < 0.02
    assert 0 < lost.mean() < 0.01


def test_every_kind_of_fault_happens_at_its_rate() -> None:
    rates = sensor_faults.PER_LOCO_H
    draws = sensor_faults._Draws(0, np.random.default_rng(1))
    kinds = [fault.kind for fault in draws.until(1e6)]
    for kind in FAULT_KINDS:
        assert kinds.count(kind) == pytest.approx(1e6 * rates[kind], rel=0.3)


def test_reported_values_stay_on_the_scale_of_their_sensor() -> None:
    wild = [SensorFault(0, SPIKE, column, 5.0, 5.0, 1e6) for column in range(4)]
    low = [SensorFault(1, DRIFT, column, 5.0, 50.0, -1e6) for column in range(4)]
    reported, _ = spoiled_by(*wild, *low)
    for column, sensor in enumerate(SENSORS):
        assert reported[5, 0, column] == sensor.maximum
        assert reported[20, 1, column] == sensor.minimum


def test_a_spike_is_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    reported, _ = spoiled_by(SensorFault(2, SPIKE, 3, 7.2, 7.2, 30.0))
    changed = np.argwhere(reported != true_values())
    assert changed.tolist() == [[8, 2, 3]]
    assert reported[8, 2, 3] == pytest.approx(true_values()[8, 2, 3] + 30)
    often(monkeypatch, SPIKE)
    true, random, _ = spoiled()
    assert (random[1:] != true[1:]).any(axis=(1, 2)).mean() > 0.05


def test_a_spike_on_a_step_is_one_reading_whatever_rounding_does() -> None:
    reported, _ = spoiled_by(SensorFault(2, SPIKE, 3, 36.0, 36.0, 30.0), step_h=1 / 3)
    assert np.argwhere(reported != true_values()).tolist() == [[108, 2, 3]]


def test_a_stuck_sensor_repeats_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    reported, _ = spoiled_by(SensorFault(0, STUCK, 1, 10.0, 16.0))
    assert (reported[10:16, 0, 1] == true_values()[10, 0, 1]).all()
    assert reported[16, 0, 1] != reported[15, 0, 1]
    often(monkeypatch, STUCK)
    _, random, _ = spoiled()
    assert 0.01 < (random[1:] == random[:-1]).mean() < 0.2


def test_a_drift_grows_to_its_size_and_ends() -> None:
    reported, _ = spoiled_by(SensorFault(0, DRIFT, 0, 10.0, 30.0, -40.0))
    gone = (reported - true_values())[:, 0, 0]
    assert gone[9] == gone[30] == 0
    assert gone[10:30] == pytest.approx(np.arange(1, 21) * -2.0)


def test_a_gap_silences_the_whole_locomotive(monkeypatch: pytest.MonkeyPatch) -> None:
    reported, lost = spoiled_by(SensorFault(3, GAP, 0, 10.0, 13.0))
    assert np.argwhere(lost).tolist() == [[10, 3], [11, 3], [12, 3]]
    assert (reported == true_values()).all()
    often(monkeypatch, GAP)
    _, _, random = spoiled()
    assert 0.03 < random.mean() < 0.2


def test_a_fault_shorter_than_a_step_is_seen_once() -> None:
    _, lost = spoiled_by(SensorFault(3, GAP, 0, 10.2, 10.4))
    assert np.argwhere(lost).tolist() == [[11, 3]]


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize("length", [1, 7, 400])
def test_how_time_is_cut_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, kind: str, length: int
) -> None:
    often(monkeypatch, kind)
    steps, true = STEPS[:400], true_values()[:400]
    planned = [SensorFault(1, STUCK, 0, 6.5, 30.0), SensorFault(1, SPIKE, 0, 7.0, 7.0, 5.0)]
    whole, lost = SensorFaults(5, 1.0, np.random.SeedSequence(1), planned).spoil(steps, true)
    faults = SensorFaults(5, 1.0, np.random.SeedSequence(1), planned)
    parts = [
        faults.spoil(steps[i : i + length], true[i : i + length]) for i in range(0, 400, length)
    ]
    assert (np.concatenate([part[0] for part in parts]) == whole).all()
    assert (np.concatenate([part[1] for part in parts]) == lost).all()


def test_without_chance_nothing_happens() -> None:
    reported, lost = spoiled_by()
    assert (reported == true_values()).all()
    assert not lost.any()


def test_the_callers_values_are_left_alone() -> None:
    true = true_values()
    SensorFaults(5, 1.0, np.random.SeedSequence(2)).spoil(STEPS, true)
    assert (true == true_values()).all()
