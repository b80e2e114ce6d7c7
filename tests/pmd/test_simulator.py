from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from pmd.degradation import (
    BEARING,
    COOLING,
    FAILURE_TYPES,
    FILTER,
    LEAK,
    PlannedFailure,
    WorkOrder,
)
from pmd.scenario import Scenario
from pmd.sensor_faults import GAP, SensorFault
from pmd.sensors import SENSORS, VIBRATION_ZONE_LIMITS_MM_S
from pmd.simulator import Fleet, Readings

FLOW, PRESSURE, VIBRATION, TEMPERATURE = range(4)


@pytest.fixture(scope="module")
def fleet() -> tuple[Fleet, Readings]:
    fleet = Fleet(60, 1.0, seed=11)
    return fleet, fleet.advance(24 * 60)


@pytest.fixture(scope="module")
def at_failure(fleet: tuple[Fleet, Readings]) -> dict[str, np.ndarray]:
    """Readings at the failures of each type, shape (failures, sensors)."""
    simulated, readings = fleet
    orders = [order for order in simulated.work_orders() if order.opened_h >= 0]
    return {
        name: np.array(
            [
                readings.values[round(order.opened_h), order.loco]
                for order in orders
                if order.failure_type == name
            ]
        )
        for name in FAILURE_TYPES
    }


def median(readings: np.ndarray, sensor: int) -> float:
    return float(np.median(readings[:, sensor]))


def test_a_healthy_fleet_reads_about_500_5_2_45(fleet: tuple[Fleet, Readings]) -> None:
    _, readings = fleet
    medians = np.median(readings.values[readings.in_service], axis=0)
    assert medians == pytest.approx([500, 5, 2, 45], rel=0.07)


def test_a_leak_ends_with_low_flow_and_low_pressure(at_failure: dict[str, np.ndarray]) -> None:
    leaks = at_failure[FAILURE_TYPES[LEAK]]
    assert median(leaks, FLOW) < 350
    assert median(leaks, PRESSURE) < 3.5


def test_a_clogged_filter_ends_with_low_flow_and_high_pressure(
    at_failure: dict[str, np.ndarray],
) -> None:
    clogged = at_failure[FAILURE_TYPES[FILTER]]
    assert median(clogged, FLOW) < 420
    assert median(clogged, PRESSURE) > 7


def test_cooling_loss_ends_hot_without_vibration(at_failure: dict[str, np.ndarray]) -> None:
    hot = at_failure[FAILURE_TYPES[COOLING]]
    assert median(hot, TEMPERATURE) > 80
    assert median(hot, VIBRATION) < VIBRATION_ZONE_LIMITS_MM_S[1]


def test_a_worn_bearing_ends_in_zone_d_and_hot(at_failure: dict[str, np.ndarray]) -> None:
    worn = at_failure[FAILURE_TYPES[BEARING]]
    assert median(worn, VIBRATION) > VIBRATION_ZONE_LIMITS_MM_S[2]
    assert median(worn, TEMPERATURE) > 75


def test_vibration_of_a_worn_bearing_comes_before_its_heat(fleet: tuple[Fleet, Readings]) -> None:
    simulated, readings = fleet
    day_before = np.array(
        [
            readings.values[round(order.opened_h) - 24, order.loco]
            for order in simulated.work_orders()
            if order.failure_type == FAILURE_TYPES[BEARING] and order.opened_h >= 24
        ]
    )
    vibration_risen = median(day_before, VIBRATION) / 2 - 1
    temperature_risen = median(day_before, TEMPERATURE) / 45 - 1
    assert vibration_risen > 2 * temperature_risen > 0


def test_a_locomotive_in_repair_stands_still(fleet: tuple[Fleet, Readings]) -> None:
    _, readings = fleet
    standing = readings.values[~readings.in_service]
    assert len(standing) > 100
    assert np.median(standing[:, FLOW]) == 0
    assert np.median(standing[:, VIBRATION]) < 0.1


def test_readings_stay_on_the_scale_of_their_sensor(fleet: tuple[Fleet, Readings]) -> None:
    _, readings = fleet
    for column, sensor in enumerate(SENSORS):
        assert readings.values[..., column].min() >= sensor.minimum
        assert readings.values[..., column].max() <= sensor.maximum


def test_a_failing_reading_is_never_lost(fleet: tuple[Fleet, Readings]) -> None:
    _, readings = fleet
    assert readings.present[readings.failing].all()
    assert not readings.present.all()


@pytest.mark.parametrize("blocks", [(1, 499), (250, 250), (7, 93, 400)])
def test_the_same_seed_gives_the_same_readings_however_time_is_cut(blocks: tuple[int, ...]) -> None:
    whole = Fleet(6, 2.0, seed=3).advance(500)
    cut = Fleet(6, 2.0, seed=3)
    parts = [cut.advance(steps) for steps in blocks]
    assert (np.concatenate([part.values for part in parts]) == whole.values).all()
    assert (np.concatenate([part.present for part in parts]) == whole.present).all()


def test_another_seed_gives_other_readings() -> None:
    assert (
        Fleet(3, 1.0, seed=1).advance(5).values != Fleet(3, 1.0, seed=2).advance(5).values
    ).any()


def test_afternoons_are_warmer_than_mornings() -> None:
    values = Fleet(200, 1.0, seed=5).advance(24).values
    by_hour = np.median(values[..., TEMPERATURE], axis=1)
    assert by_hour[13] > by_hour[1] + 2  # 14:00 and 02:00 in Douala
    later = Fleet(200, 1.0, 5, start=datetime(2026, 1, 1, 12, tzinfo=UTC)).advance(24).values
    by_later_hour = np.median(later[..., TEMPERATURE], axis=1)
    assert by_later_hour[1] > by_later_hour[13] + 2


def test_the_end_of_the_dry_season_is_warmer_than_the_rains() -> None:
    def typical(month: int) -> float:
        fleet = Fleet(50, 1.0, seed=5, start=datetime(2026, month, 1, tzinfo=UTC))
        return float(np.median(fleet.advance(48).values[..., TEMPERATURE]))

    assert 2 < typical(3) - typical(9) < 4


def test_flow_follows_the_notch() -> None:
    sound = Scenario(random_failures=False, random_sensor_faults=False)
    flow = Fleet(1, 0.25, seed=2, scenario=sound).advance(4 * 100).values[:, 0, FLOW]
    assert 1.15 < np.quantile(flow, 0.98) / np.quantile(flow, 0.02) < 1.5


def test_locomotives_differ_in_ways_that_only_their_history_tells() -> None:
    sound = Scenario(random_failures=False, random_sensor_faults=False)
    values = Fleet(60, 1.0, seed=9, scenario=sound).advance(24 * 20).values
    between = values.mean(axis=0).std(axis=0)
    assert between[FLOW] > 5
    assert between[PRESSURE] > 0.1
    assert between[VIBRATION] > 0.2
    assert between[TEMPERATURE] > 1


def test_a_planned_failure_takes_place_as_told() -> None:
    planned = PlannedFailure(1, BEARING, onset_h=10, failure_h=50, repair_h=12, severity=0.5)
    scenario = Scenario((planned,), random_failures=False, random_sensor_faults=False)
    fleet = Fleet(3, 0.5, seed=1, scenario=scenario)
    readings = fleet.advance(2 * 100)
    assert np.argwhere(readings.failing).tolist() == [[100, 1]]
    assert fleet.work_orders() == [WorkOrder(1, FAILURE_TYPES[BEARING], 50.0, 62.0)]
    assert readings.values[100, 1, VIBRATION] > VIBRATION_ZONE_LIMITS_MM_S[2]
    assert (~readings.in_service).sum() == 23


def test_a_planned_fault_of_a_sensor_shows_in_its_readings_alone() -> None:
    fault = SensorFault(0, GAP, 0, 5.0, 10.0)
    quiet = Scenario(random_failures=False, random_sensor_faults=False)
    spoilt = replace(quiet, sensor_faults=(fault,))
    before = Fleet(2, 1.0, seed=4, scenario=quiet).advance(20)
    after = Fleet(2, 1.0, seed=4, scenario=spoilt).advance(20)
    assert before.present.all()
    assert np.argwhere(~after.present).tolist() == [[row, 0] for row in range(5, 10)]
    assert (after.values == before.values).all()
