from pmd.degradation import PlannedFailure
from pmd.scenario import NOTHING_PLANNED, Scenario


def planned(loco: int, onset_h: float) -> PlannedFailure:
    return PlannedFailure(loco, 0, onset_h, onset_h + 10, 6.0, 0.5)


def test_failures_are_told_by_locomotive_in_order_of_time() -> None:
    late, early, other = planned(2, 50), planned(2, 5), planned(0, 20)
    assert Scenario((late, early, other)).failures_by_loco() == {2: [early, late], 0: [other]}


def test_nothing_planned_leaves_chance_alone() -> None:
    assert NOTHING_PLANNED.failures_by_loco() == {}
    assert NOTHING_PLANNED.random_failures
    assert NOTHING_PLANNED.random_sensor_faults
