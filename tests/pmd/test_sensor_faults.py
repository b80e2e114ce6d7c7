import numpy as np
import pytest

from pmd import sensor_faults
from pmd.sensor_faults import SensorFaults
from pmd.sensors import SENSORS

NOMINAL = np.array([sensor.nominal for sensor in SENSORS])
HOURS = np.arange(2000.0)


def spoiled(seed: int = 1, locos: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true = NOMINAL + rng.normal(0, 0.1, (len(HOURS), locos, 4))
    return true, *SensorFaults(locos, 1.0, np.random.SeedSequence(seed)).spoil(HOURS, true)


def test_faults_touch_few_readings() -> None:
    true, reported, lost = spoiled()
    assert 0 < (reported != true).mean() < 0.01
    assert 0 < lost.mean() < 0.01


def test_spikes_jump_far_and_stay_on_the_scale_of_the_sensor() -> None:
    true, reported, _ = spoiled()
    jumps = np.abs(reported - true) / sensor_faults.SPIKE_SIZE
    assert (jumps > 0.2).sum() > 5
    for column, sensor in enumerate(SENSORS):
        assert reported[..., column].min() >= sensor.minimum
        assert reported[..., column].max() <= sensor.maximum


def test_a_stuck_sensor_repeats_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_faults, "STUCK_PER_H", 0.01)
    _, reported, _ = spoiled()
    repeated = (reported[1:] == reported[:-1]).mean()
    assert 0.02 < repeated < 0.2


def test_a_stuck_sensor_stays_stuck_in_the_next_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_faults, "STUCK_PER_H", 0.01)
    true, reported, _ = spoiled()
    faults = SensorFaults(5, 1.0, np.random.SeedSequence(1))
    blocks = [faults.spoil(HOURS[i : i + 7], true[i : i + 7])[0] for i in range(0, len(HOURS), 7)]
    assert (np.concatenate(blocks) == reported).all()


def test_the_callers_values_are_left_alone() -> None:
    true, _, _ = spoiled()
    before = true.copy()
    SensorFaults(5, 1.0, np.random.SeedSequence(2)).spoil(HOURS, true)
    assert (true == before).all()
