"""Drift sees the real telemetry of the last days, and no store holds up a scrape."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from postgres import BACK_ENDS
from stores import ALERTING, NOON, batch, event, new_url, store_at

from cidp import telemetry_sample
from cidp.errors import StoreUnavailable
from cidp.event_batch import DOORS
from cidp.event_store import EventStore
from cidp.sqlite_store import SqliteStore
from cidp.store_session import Session
from cidp.telemetry_sample import (
    AWAY_S,
    RENEWED_EVERY_S,
    WINDOW,
    TelemetrySample,
    hourly_readings,
)


@pytest.fixture(params=BACK_ENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    made = store_at(new_url(request, request.param, tmp_path))
    yield made
    made.close()


class Failing:
    """A store on whose sessions nobody can count."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.away = False
        self.free = threading.Event()
        self.free.set()

    def session(self, *, writes: bool) -> AbstractContextManager[Session]:
        self.free.wait()
        if self.away:
            raise StoreUnavailable("partie")
        return self.store.session(writes=writes)


def vibrations(store: EventStore) -> list[float]:
    """Sample at half past noon; a reading's vibration says which one it is."""
    with store.session(writes=False) as session:
        until = NOON + timedelta(minutes=30)
        return sorted(hourly_readings(session, until - WINDOW, until)[:, 2].tolist())


def test_an_empty_store_has_no_reading(store: EventStore) -> None:
    assert vibrations(store) == []


def test_the_first_reading_of_each_hour_counts_with_its_risk(store: EventStore) -> None:
    hour = 3600
    store.save(batch(event(-hour, 1, 0.3), event(-1, 2), event(0, 3), event(9, 4)), [], NOON)
    store.save(batch(event(5, 5, loco_id="L2"), event(6, 6, loco_id="L2")), [], NOON)
    assert vibrations(store) == [1, 3, 5]
    with store.session(writes=False) as session:
        first = hourly_readings(session, NOON - WINDOW, NOON)[0]
    assert first.tolist() == [500, 5, 1, 45, 0.3]


def test_real_telemetry_counts_by_any_door_and_the_simulator_by_none(store: EventStore) -> None:
    for number, door in enumerate(DOORS):
        store.save(batch(event(number, number, loco_id=door), door=door), [], NOON)
    real = [number for number, door in enumerate(DOORS) if door != "simulator"]
    assert vibrations(store) == real


def test_readings_from_before_the_window_do_not_count(store: EventStore) -> None:
    oldest = -3600 * 167
    silent = event(oldest - 1, 3, loco_id="L2")
    store.save(batch(event(oldest - 1, 1), event(oldest, 2), event(0, 4), silent), [], NOON)
    assert vibrations(store) == [2, 4]


def test_a_large_fleet_is_sampled_at_fewer_hours(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry_sample, "MOST_ROWS", 2 * 168 - 1)
    events = [
        event(-3600 * age, age, loco_id=loco_id) for age in range(4) for loco_id in ("L1", "L2")
    ]
    store.save(batch(*events), [], NOON)
    assert vibrations(store) == [0, 0, 2, 2]


def test_the_sample_is_found_by_keys(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "events.sqlite", 120, ALERTING)
    with store.session(writes=False) as session:
        plan = session.rows(
            "EXPLAIN QUERY PLAN" + telemetry_sample._FIRSTS,
            first=NOON, hours=[NOON],
        )  # fmt: skip
    store.close()
    steps = [step for *_, step in plan]
    for table, key in (
        ("hourly", "PRIMARY KEY (source=? AND loco_id=? AND hour=?)"),
        ("readings", "PRIMARY KEY (source=? AND loco_id=? AND time"),
    ):
        assert any(f"SEARCH {table} USING {key}" in step for step in steps), steps
    assert not any("ORDER BY" in step for step in steps)


def test_the_sample_is_renewed_from_time_to_time(store: EventStore) -> None:
    clock_s = [100.0]
    sample = TelemetrySample(store, lambda: NOON, WINDOW, lambda: clock_s[0])
    assert len(settled(sample)) == 0
    store.save(batch(event(-10)), [], NOON)
    assert len(settled(sample)) == 0
    clock_s[0] += RENEWED_EVERY_S
    assert len(settled(sample)) == 1


def test_hours_whose_readings_are_removed_do_not_count(store: EventStore) -> None:
    day = timedelta(days=1)
    store.save(batch(*(event(-3600 * age, age) for age in range(30))), [], NOON)
    store.prune(NOON - day)
    sample = TelemetrySample(store, lambda: NOON, day)
    assert sorted(row[2] for row in settled(sample)) == list(range(25))


def settled(sample: TelemetrySample) -> Any:
    """Ask, wait until the answer is there, ask again."""
    sample.rows()
    with sample._renewing:
        rows = sample.rows()
        return None if rows is None else rows.tolist()


def test_a_store_that_is_away_leaves_no_sample_and_one_that_is_slow_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry_sample, "WAIT_S", 0.01)
    clock_s = [100.0]
    kept = SqliteStore(tmp_path / "events.sqlite", 120, ALERTING)
    kept.save(batch(event(-10)), [], NOON)
    store = Failing(kept)
    sample = TelemetrySample(store, lambda: NOON, WINDOW, lambda: clock_s[0])  # type: ignore[arg-type]
    assert len(settled(sample)) == 1
    clock_s[0] += RENEWED_EVERY_S
    store.free.clear()
    store.away = True
    assert len(sample.rows()) == 1
    store.free.set()
    assert settled(sample) is None
    store.away = False
    clock_s[0] += AWAY_S
    assert len(settled(sample)) == 1
    kept.close()
