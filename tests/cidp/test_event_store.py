"""Either store keeps each event once, a batch whole or not at all, and says when it cannot."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from postgres import BACK_ENDS
from stores import NOON, batch, event, new_url, rows, store_at

from cidp.errors import StoreError, StoreUnavailable
from cidp.event_batch import DeadLetter, Message, Outcome, Receipt, StreamPosition
from cidp.event_store import CONFLICT, MAX_PAYLOAD_BYTES, EventStore, utc_text
from cidp.store_url import StoreUrl

COPYING = pytest.param("postgresql, by COPY", marks=pytest.mark.postgresql)


@pytest.fixture(params=[*BACK_ENDS, COPYING])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StoreUrl:
    if request.param == COPYING.values[0]:
        monkeypatch.setattr("cidp.postgres_store.MANY_EVENTS", 1)
    return new_url(request, request.param, tmp_path)


@pytest.fixture
def store(url: StoreUrl) -> Iterator[EventStore]:
    made = store_at(url)
    yield made
    made.close()


def readings(store: EventStore) -> int:
    return int(rows(store, "SELECT count(*) FROM readings")[0][0])


def test_an_event_and_its_score_are_stored(store: EventStore) -> None:
    saved = store.save(batch(event(risk=0.75)), [], NOON)
    assert saved.receipts() == [Receipt(Outcome.STORED, 0.75, True)]
    assert saved.count(Outcome.STORED) == 1
    (row,) = rows(
        store,
        "SELECT source, loco_id, flow_rate, pressure, vibration, temperature, probability,"
        " critical, model_version FROM readings",
    )
    assert row == ("http", "L1", 500, 5, 2, 45, 0.75, 1, "v1")
    with store.session() as session:
        ((timestamp, received_at),) = session.rows("SELECT timestamp, received_at FROM readings")
        assert (session.instant(timestamp), session.instant(received_at)) == (NOON, NOON)


def test_a_large_batch_is_stored_as_small_ones_are(store: EventStore) -> None:
    events = [
        event(n, vibration=n / 8, risk=n / 2048, loco_id=f"L{n % 13:0{1 + n % 3}}")
        for n in range(1200)
    ]
    assert store.save(batch(*events, door="kafka"), [], NOON).count(Outcome.STORED) == 1200
    kept = "SELECT loco_id, timestamp, vibration, probability, critical, received_at FROM readings"
    together = rows(store, f"{kept} ORDER BY loco_id, timestamp")
    store.prune(NOON + timedelta(days=40))
    for first in range(0, 1200, 100):
        store.save(batch(*events[first : first + 100], door="kafka"), [], NOON)
    assert rows(store, f"{kept} ORDER BY loco_id, timestamp") == together


def test_a_large_batch_with_known_events_stores_the_rest(store: EventStore) -> None:
    store.save(batch(event(7), event(8, vibration=3), door="kafka"), [], NOON)
    saved = store.save(batch(*map(event, range(1200)), door="kafka"), [], NOON)
    assert [index for index, each in enumerate(saved.receipts()) if each.outcome != "stored"] == [
        7, 8,
    ]  # fmt: skip
    assert (readings(store), saved.count(Outcome.CONFLICT)) == (1200, 1)
    assert rows(store, "SELECT sum(readings) FROM hourly") == [(1200,)]


def test_microseconds_are_kept(store: EventStore) -> None:
    store.save(batch(event(0.000001), event(0.000002)), [], NOON)
    assert readings(store) == 2


def test_the_same_event_again_is_a_duplicate_with_its_first_score(store: EventStore) -> None:
    store.save(batch(event(risk=0.75)), [], NOON)
    again = store.save(batch(event(risk=0.25)), [], NOON)
    assert again.receipts() == [Receipt(Outcome.DUPLICATE, 0.75, True)]
    assert (readings(store), rows(store, "SELECT * FROM dead_letters")) == (1, [])


def test_other_values_at_a_known_instant_are_a_conflict_and_kept_apart(store: EventStore) -> None:
    store.save(batch(event(vibration=2), door="kafka", topic="t"), [], NOON)
    conflict = batch(event(1), event(vibration=3, risk=0.5, at=7), door="kafka", topic="t")
    saved = store.save(conflict, [], NOON)
    assert [receipt.outcome for receipt in saved.receipts()] == [Outcome.STORED, Outcome.CONFLICT]
    assert saved.receipts()[1].probability == 0.5
    assert rows(store, "SELECT vibration FROM readings ORDER BY timestamp") == [(2,), (2,)]
    assert rows(
        store, "SELECT door, topic, partition, position, reason, payload, state FROM dead_letters"
    ) == [("kafka", "t", 0, 7, CONFLICT, b'{"some":"payload"}', "open")]


def test_repeats_inside_one_batch_are_duplicates_or_conflicts_of_the_first(
    store: EventStore,
) -> None:
    saved = store.save(batch(event(), event(), event(vibration=9, risk=0.9), event(1)), [], NOON)
    assert [receipt.outcome.value for receipt in saved.receipts()] == [
        "stored", "duplicate", "conflict", "stored",
    ]  # fmt: skip
    assert readings(store) == 2
    again = store.save(batch(event(), event(vibration=9)), [], NOON)
    assert [receipt.outcome.value for receipt in again.receipts()] == ["duplicate", "conflict"]


def test_each_door_has_series_of_its_own(store: EventStore) -> None:
    for door in ("http", "simulator", "kafka", "mqtt"):
        saved = store.save(batch(event(), door=door), [], NOON)
        assert saved.count(Outcome.STORED) == 1
    assert readings(store) == 4


def test_a_door_that_is_not_on_the_list_is_refused(store: EventStore) -> None:
    with pytest.raises(StoreError):
        store.save(batch(event(), door="carrier pigeon"), [], NOON)  # type: ignore[arg-type]
    assert readings(store) == 0


def test_dead_letters_keep_reason_place_and_message(store: EventStore) -> None:
    long = b"x" * (MAX_PAYLOAD_BYTES + 1)
    letters = [
        DeadLetter(Message(3, b"\xff\x00", "train_telemetry", 2), "JSON invalide"),
        DeadLetter(Message(4, None, "train_telemetry", 2), "message vide"),
        DeadLetter(Message(0, long), "trop long"),
    ]
    store.save(batch(door="kafka"), letters, NOON)
    assert rows(
        store,
        "SELECT door, topic, partition, position, reason, payload, payload_bytes, state"
        " FROM dead_letters ORDER BY id",
    ) == [
        ("kafka", "train_telemetry", 2, 3, "JSON invalide", b"\xff\x00", 2, "open"),
        ("kafka", "train_telemetry", 2, 4, "message vide", b"", 0, "open"),
        ("kafka", None, None, 0, "trop long", long[:-1], len(long), "open"),
    ]


def test_a_dead_letter_that_is_delivered_again_is_kept_once(store: EventStore) -> None:
    letter = DeadLetter(Message(3, b"?", "t", 0), "JSON invalide")
    other = DeadLetter(Message(3, b"!", "t", 0), "JSON invalide")  # a topic that was made anew
    store.save(batch(door="kafka"), [letter], NOON)
    store.save(batch(door="kafka"), [letter, other], NOON)
    assert rows(store, "SELECT payload FROM dead_letters ORDER BY id") == [(b"?",), (b"!",)]


def test_positions_are_written_with_the_batch(store: EventStore) -> None:
    assert store.positions("t") == {}
    store.save(batch(event()), [], NOON, [StreamPosition("t", 0, 10), StreamPosition("t", 1, 5)])
    store.save(batch(event(1)), [], NOON, [StreamPosition("t", 0, 12), StreamPosition("u", 0, 1)])
    assert store.positions("t") == {0: 12, 1: 5}


def test_a_failure_in_the_middle_of_a_batch_undoes_it(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("cidp.event_store._insert_letters", fail)
    with pytest.raises(ZeroDivisionError):
        store.save(batch(event()), [], NOON, [StreamPosition("t", 0, 10)])
    assert (readings(store), store.positions("t")) == (0, {})
    monkeypatch.undo()
    assert store.save(batch(event()), [], NOON).count(Outcome.STORED) == 1


def test_an_empty_batch_changes_nothing(store: EventStore) -> None:
    assert store.save(batch(), [], NOON).receipts() == []
    assert store.last_event() is None


def test_the_last_event_is_the_one_stored_last(store: EventStore) -> None:
    store.save(batch(event(), door="simulator"), [], NOON)
    store.save(batch(event(-50), door="kafka"), [], NOON + timedelta(seconds=1))
    assert store.last_event() == ("kafka", NOON + timedelta(seconds=1))
    store.save(batch(event(-60), door="kafka"), [], NOON + timedelta(seconds=2))
    assert store.last_event() == ("kafka", NOON + timedelta(seconds=2))


def test_old_readings_are_removed_and_their_hours_stay(store: EventStore) -> None:
    month_s = 31 * 86_400
    store.save(batch(event(-month_s), event(-month_s, loco_id="L2"), event()), [], NOON)
    store.prune(NOON - timedelta(days=20))
    assert readings(store) == 1
    assert rows(store, "SELECT sum(readings) FROM hourly") == [(3,)]
    store.save(batch(event(-month_s + 1)), [], NOON)
    assert readings(store) == 2


def test_a_batch_may_span_weeks(store: EventStore) -> None:
    day_s = 86_400
    store.save(batch(event(), event(-20 * day_s)), [], NOON)
    store.save(batch(event(-10 * day_s), event(-29 * day_s)), [], NOON)
    assert readings(store) == 4


def test_threads_that_open_a_new_store_at_once_share_it(url: StoreUrl) -> None:
    outcomes: list[Outcome] = []
    together = threading.Barrier(4)

    def work() -> None:
        store = store_at(url)
        together.wait()
        outcomes.extend(r.outcome for r in store.save(batch(event()), [], NOON).receipts())
        store.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [Outcome.DUPLICATE] * 3 + [Outcome.STORED]


def test_a_locked_store_is_unavailable_and_nothing_is_half_stored(
    url: StoreUrl, store: EventStore
) -> None:
    store.save(batch(event(-1)), [], NOON)
    hurried = store_at(url, timeout_s=0.1)
    with store.session() as session:
        session.run("UPDATE fleet SET calm = 1")
        with pytest.raises(StoreUnavailable, match="rien n'a été enregistré"):
            hurried.save(batch(event(), event(1)), [], NOON)
    hurried.close()
    assert readings(store) == 1
    assert store.save(batch(event()), [], NOON).count(Outcome.STORED) == 1


def test_instants_are_written_with_a_fixed_width() -> None:
    assert utc_text(NOON.replace(microsecond=7)) == "2026-03-01T12:00:00.000007Z"
    assert utc_text(NOON.replace(year=357)) == "0357-03-01T12:00:00.000000Z"
