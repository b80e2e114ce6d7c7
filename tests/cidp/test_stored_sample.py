"""Drift sees what any door stored in the last hour, and no store holds up a scrape."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from postgres import BACK_ENDS
from stores import ALERTING, NOON, batch, event, new_url, store_at

from cidp import stored_sample
from cidp.errors import StoreUnavailable
from cidp.event_batch import DOORS
from cidp.event_store import EventStore
from cidp.sqlite_store import SqliteStore
from cidp.store_session import Session
from cidp.stored_sample import RENEWED_EVERY_S, StoredSample, newest_readings


@pytest.fixture(params=BACK_ENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    made = store_at(new_url(request, request.param, tmp_path), timeout_s=2)
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
    with store.session(writes=False) as session:
        return sorted(newest_readings(session, NOON)[:, 2].tolist())


def test_an_empty_store_has_no_reading(store: EventStore) -> None:
    assert vibrations(store) == []


def test_each_reading_of_each_door_counts_once_with_its_risk(store: EventStore) -> None:
    for number, door in enumerate(DOORS):
        store.save(batch(event(number, vibration=number, risk=0.3), door=door), [], NOON)
        store.save(batch(event(number, vibration=number, risk=0.3), door=door), [], NOON)
    assert vibrations(store) == [0, 1, 2, 3]
    with store.session(writes=False) as session:
        assert newest_readings(session, NOON)[0].tolist() == [500, 5, 0, 45, 0.3]


def test_readings_of_before_do_not_count(store: EventStore) -> None:
    store.save(batch(event(-1, 1), event(0, 2), event(-1, 3, loco_id="L2")), [], NOON)
    assert vibrations(store) == [2]


def test_locomotives_share_the_sample(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_sample, "KEPT_ROWS", 7)
    many = [event(second, second) for second in range(20)]
    store.save(batch(*many, event(0, 99, loco_id="L2"), door="mqtt"), [], NOON)
    assert vibrations(store) == [17, 18, 19, 99]


def test_the_sample_is_found_by_the_key(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "events.sqlite", 0.1, ALERTING)
    with store.session(writes=False) as session:
        plan = session.rows(
            "EXPLAIN QUERY PLAN" + stored_sample._NEWEST,
            door="http", series="real", first=NOON, share=1,
        )  # fmt: skip
    store.close()
    steps = [step for *_, step in plan]
    assert any(
        "SEARCH readings USING PRIMARY KEY (source=? AND loco_id=? AND time" in s for s in steps
    )
    assert not any("ORDER BY" in step for step in steps)


def test_the_sample_is_renewed_from_time_to_time(store: EventStore) -> None:
    clock_s = [100.0]
    sample = StoredSample(store, lambda: NOON, lambda: clock_s[0])
    assert len(settled(sample)) == 0
    store.save(batch(event(-10)), [], NOON)
    assert len(settled(sample)) == 0
    clock_s[0] += RENEWED_EVERY_S
    assert len(settled(sample)) == 1


def settled(sample: StoredSample) -> list[list[float]]:
    """Ask, wait until the answer is there, ask again."""
    sample.rows()
    with sample._renewing:
        return sample.rows().tolist()


def test_a_store_that_is_away_leaves_no_sample_and_one_that_is_slow_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_sample, "WAIT_S", 0.01)
    clock_s = [100.0]
    kept = SqliteStore(tmp_path / "events.sqlite", 0.1, ALERTING)
    kept.save(batch(event(-10)), [], NOON)
    store = Failing(kept)
    sample = StoredSample(store, lambda: NOON, lambda: clock_s[0])  # type: ignore[arg-type]
    assert len(settled(sample)) == 1
    clock_s[0] += RENEWED_EVERY_S
    store.free.clear()
    store.away = True
    assert len(sample.rows()) == 1
    store.free.set()
    assert len(settled(sample)) == 0
    store.away = False
    clock_s[0] += RENEWED_EVERY_S
    assert len(settled(sample)) == 1
    kept.close()
