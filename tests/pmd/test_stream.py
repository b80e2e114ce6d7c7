import errno
import io
import itertools
import json
import os
import re
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pmd import stream
from pmd.degradation import LEAK, PlannedFailure
from pmd.errors import UnusableFile
from pmd.scenario import Scenario
from pmd.sensor_faults import GAP, SensorFault
from pmd.sensors import SENSOR_NAMES
from pmd.stream import (
    SIGNAL_CHECK_S,
    StreamPlan,
    WallClock,
    fleet_events,
    stop_on_signals,
    write_stream,
)

CONTRACT = Path(__file__).parents[2] / "docs/contracts/telemetry-event.schema.json"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLAN = StreamPlan(locos=4, rate=5.0, speed=3600.0, seed=1, count=None)


class FakeClock:
    """Time that passes only while one waits."""

    def __init__(self, stop_after: float = float("inf")) -> None:
        self.elapsed_s = 0.0
        self.stop_after = stop_after

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed_s)

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def wait(self, seconds: float) -> bool:
        self.elapsed_s += max(0.0, seconds)
        return self.elapsed_s > self.stop_after


def with_count(count: int, speed: float = 3600.0) -> StreamPlan:
    return StreamPlan(locos=4, rate=5.0, speed=speed, seed=1, count=count)


def lines(plan: StreamPlan, clock: FakeClock) -> list[dict[str, object]]:
    out = io.StringIO()
    write_stream(plan, out, clock)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_line_is_an_event_of_the_contract() -> None:
    schema = json.loads(CONTRACT.read_text(encoding="utf-8"))
    checker = jsonschema.Draft202012Validator(schema)
    for event in lines(with_count(500), FakeClock()):
        checker.validate(event)


def test_locomotives_take_turns_at_the_rate_of_the_plan() -> None:
    clock = FakeClock()
    turns = list(itertools.islice(fleet_events(PLAN, lambda: NOON), 51))
    spoken = [event for event in turns if event]
    assert len(lines(with_count(len(spoken)), clock)) == len(spoken)
    assert clock.elapsed_s == pytest.approx(10.0)


def test_a_fleet_that_is_all_in_repair_keeps_to_the_clock_and_can_be_stopped() -> None:
    alone = StreamPlan(locos=1, rate=1.0, speed=3600.0, seed=1, count=None)
    turns = list(itertools.islice(fleet_events(alone, lambda: NOON), 600))
    silence = [index for index in range(590) if not any(turns[index : index + 5])]
    clock = FakeClock(stop_after=silence[0] + 3.5)
    assert len(lines(alone, clock)) == sum(event is not None for event in turns[: silence[0]])
    assert clock.elapsed_s == pytest.approx(silence[0] + 4)


def test_timestamps_are_utc_with_microseconds_and_never_repeat() -> None:
    frozen = list(itertools.islice(fleet_events(PLAN, lambda: NOON), 50))
    stamps = [str(event["timestamp"]) for event in frozen if event]
    assert len(stamps) > 40
    assert all(re.fullmatch(r"2026-01-01T12:00:00\.\d{6}Z", stamp) for stamp in stamps)
    assert stamps == sorted(set(stamps))


def values(start: datetime, step: timedelta, plan: StreamPlan = PLAN) -> list[Any]:
    """What 100 turns say, instants aside, on a clock that goes on by `step` each time."""
    ticks = itertools.count()
    turns = itertools.islice(fleet_events(plan, lambda: start + next(ticks) * step), 100)
    return [event and {name: event[name] for name in SENSOR_NAMES} for event in turns]


def test_values_depend_on_the_seed_and_the_first_instant_alone() -> None:
    assert values(NOON, timedelta(0)) == values(NOON, timedelta(minutes=1))
    assert values(NOON, timedelta(0)) != values(NOON, timedelta(0), replace(PLAN, seed=2))


def test_the_physics_clock_starts_at_the_hour_of_the_first_event() -> None:
    def temperature(start: datetime) -> float:
        slow = StreamPlan(locos=100, rate=100.0, speed=1.0, seed=1, count=None)
        told = [event["temperature"] for event in values(start, timedelta(0), slow) if event]
        return sum(told) / len(told)

    assert temperature(NOON) > temperature(NOON - timedelta(hours=10)) + 4


def test_a_scenario_plays_in_a_stream() -> None:
    gap = SensorFault(1, GAP, 0, 3.0, 6.0)
    leak = PlannedFailure(2, LEAK, onset_h=4, failure_h=20, repair_h=12, severity=1.0)
    scenario = Scenario((leak,), (gap,), random_failures=False, random_sensor_faults=False)
    hourly = replace(PLAN, speed=5 / 4 * 3600, scenario=scenario)
    assert hourly.step_h == 1
    turns = values(NOON, timedelta(0), hourly)
    by_hour = [turns[first : first + 4] for first in range(0, len(turns), 4)]
    assert [hour for hour in range(24) if by_hour[hour][1] is None] == [3, 4, 5]
    assert [hour for hour in range(24) if by_hour[hour][2] is None] == [21, 22, 23]
    assert by_hour[20][2]["flow_rate"] < 350 < 450 < by_hour[3][2]["flow_rate"]


def test_events_do_not_depend_on_how_many_steps_are_simulated_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = values(NOON, timedelta(0))
    monkeypatch.setattr(stream, "BLOCK_STEPS", 3)
    assert values(NOON, timedelta(0)) == many


def test_a_fast_physics_clock_brings_degradations_into_a_short_stream() -> None:
    def hottest(speed: float) -> float:
        return max(
            float(str(e["temperature"])) for e in lines(with_count(2000, speed), FakeClock())
        )

    assert hottest(7200.0) > hottest(1.0) + 20


def test_locomotives_in_repair_send_nothing() -> None:
    events = lines(with_count(3000, 20_000.0), FakeClock())
    assert min(float(str(event["flow_rate"])) for event in events) > 0


def test_the_stream_ends_when_told() -> None:
    assert len(lines(PLAN, FakeClock(stop_after=2.05))) == 11


def test_a_late_stream_does_not_burst_to_catch_up() -> None:
    class Stalled(FakeClock):
        def wait(self, seconds: float) -> bool:
            if self.elapsed_s == 0:
                self.elapsed_s = 60.0
            return super().wait(seconds)

    clock = Stalled()
    lines(with_count(50), clock)
    assert clock.elapsed_s > 60 + (50 - 7) / 5


class BrokenPipe(io.StringIO):
    def __init__(self, number: int, file: io.BufferedWriter) -> None:
        super().__init__()
        self.number = number
        self.file = file

    def flush(self) -> None:
        raise OSError(self.number, os.strerror(self.number))

    def fileno(self) -> int:
        return self.file.fileno()


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EINVAL])
def test_the_stream_ends_quietly_when_nobody_reads(number: int, tmp_path: Path) -> None:
    with (tmp_path / "pipe").open("wb") as file:
        assert write_stream(PLAN, BrokenPipe(number, file), FakeClock()) == 0


def test_a_full_disk_ends_the_stream_with_an_error_of_ours(tmp_path: Path) -> None:
    with (tmp_path / "pipe").open("wb") as file, pytest.raises(UnusableFile, match="flux : "):
        write_stream(PLAN, BrokenPipe(errno.ENOSPC, file), FakeClock())


def test_a_termination_request_sets_the_stop() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        clock = WallClock(stop)
        assert not clock.wait(0)
        assert not clock.wait(SIGNAL_CHECK_S * 1.1)
        signal.raise_signal(signal.SIGTERM)
        assert clock.wait(60)
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_wall_clock_is_utc_and_goes_forward() -> None:
    with stop_on_signals() as stop:
        clock = WallClock(stop)
        assert clock.now().tzinfo is UTC
        assert clock.monotonic_s() <= clock.monotonic_s()
