from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pmd.degradation import FAILURE_TYPES
from pmd.history import History, HistoryPlan, Simulation, simulate_history
from pmd.telemetry_file import write_csv

END = datetime(2026, 1, 1, tzinfo=UTC)


def test_columns_are_those_that_the_next_step_reads(history: History) -> None:
    assert list(history.telemetry.columns) == [
        "timestamp", "loco_id", "flow_rate", "pressure", "vibration", "temperature", "failure",
    ]  # fmt: skip
    assert list(history.maintenance.columns) == [
        "loco_id", "opened_at", "closed_at", "failure_type", "status",
    ]  # fmt: skip


def test_there_is_at_most_one_reading_per_locomotive_and_step(history: History) -> None:
    telemetry = history.telemetry
    assert not telemetry.duplicated(["loco_id", "timestamp"]).any()
    assert 0.99 * 24 * 40 * 12 < len(telemetry) < 24 * 40 * 12


def test_the_last_reading_is_at_the_end_and_none_after(history: History) -> None:
    assert history.telemetry["timestamp"].max() == pd.Timestamp(END)
    assert history.maintenance["opened_at"].max() <= pd.Timestamp(END)
    assert history.maintenance["closed_at"].max() <= pd.Timestamp(END)


def test_each_failure_has_its_work_order(history: History) -> None:
    telemetry, orders = history
    failing = telemetry[telemetry["failure"] == 1]
    opened = orders[orders["opened_at"] >= telemetry["timestamp"].min()]
    assert len(failing) > 30
    key = sorted(zip(failing["loco_id"], failing["timestamp"], strict=True))
    assert key == sorted(zip(opened["loco_id"], opened["opened_at"], strict=True))
    assert set(orders["failure_type"]) <= set(FAILURE_TYPES)


def test_an_order_without_closing_is_open(history: History) -> None:
    open_orders = history.maintenance["closed_at"].isna()
    assert (history.maintenance["status"] == "open").equals(open_orders)
    assert open_orders.any()


def test_the_same_seed_gives_the_same_bytes(
    history: History, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("again")
    again = simulate_history(24, 40, 120, 5, END)
    for name, frames in (("t", (history[0], again[0])), ("m", (history[1], again[1]))):
        for index, frame in enumerate(frames):
            write_csv({folder / f"{name}{index}.csv": frame})
        assert (folder / f"{name}0.csv").read_bytes() == (folder / f"{name}1.csv").read_bytes()


def test_readings_have_the_resolution_of_their_sensor(history: History) -> None:
    assert history.telemetry["flow_rate"].equals(history.telemetry["flow_rate"].round(1))
    assert history.telemetry["vibration"].equals(history.telemetry["vibration"].round(2))


def test_a_history_of_a_moment_has_one_step() -> None:
    telemetry, orders = simulate_history(3, 0.001, 30, 1, END)
    assert set(telemetry["timestamp"]) == {pd.Timestamp(END)}
    assert set(orders["status"]) <= {"open"}


def test_parts_hold_no_more_rows_than_asked_for_and_all_of_them_together() -> None:
    plan = HistoryPlan(4, 10, 30, 1, END)
    simulation = Simulation(plan)
    sizes = [part.num_rows for part in simulation.telemetry(100)]
    assert max(sizes) <= 100
    assert 0.95 * 4 * plan.steps < sum(sizes) < 4 * plan.steps
    assert len(simulation.maintenance()) == len(simulate_history(4, 10, 30, 1, END).maintenance)


def test_a_fleet_larger_than_a_part_advances_step_by_step() -> None:
    parts = list(Simulation(HistoryPlan(8, 0.1, 30, 1, END)).telemetry(3))
    assert [part["timestamp"].unique().to_pylist() for part in parts] == [
        [END - timedelta(minutes=30 * back)] for back in (4, 3, 2, 1, 0)
    ]


def test_a_plan_ends_at_its_end() -> None:
    plan = HistoryPlan(4, 2, 60, 1, END)
    assert plan.steps == 48
    assert plan.hours == 47
    assert plan.start == datetime(2025, 12, 30, 1, tzinfo=UTC)
