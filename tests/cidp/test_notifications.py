"""People are told of an opened alert once, later when it surely failed, and never twice."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from postgres import BACK_ENDS
from stores import NOON, batch, event, new_url, rows, store_at

from cidp.alert_desk import Alert
from cidp.errors import NotConfirmed, NotDelivered
from cidp.event_batch import Door
from cidp.event_store import EventStore
from cidp.notifications import FIRST_DELAY, MAX_ATTEMPTS, Notifier


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Phone:
    """A sender that raises the failures it is given, then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.told: list[str] = []

    def __call__(self, alert: Alert) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(alert.loco_id)


@pytest.fixture(params=BACK_ENDS)
def make_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], EventStore]]:
    url = new_url(request, request.param, tmp_path)
    made: list[EventStore] = []

    def make() -> EventStore:
        made.append(store_at(url, channels=["webhook"]))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: Callable[[], EventStore]) -> EventStore:
    return make_store()


def alarm(store: EventStore, loco_id: str = "L1", door: Door = "http") -> None:
    critical = [event(n, 9, 0.9, loco_id) for n in (0, 1)]
    store.save(batch(*critical, door=door), [], NOON)


def states(store: EventStore) -> list[tuple[object, ...]]:
    return rows(store, "SELECT state, attempts FROM notifications ORDER BY alert_id")


def test_an_alert_is_told_once(store: EventStore) -> None:
    phone = Phone()
    notifier = Notifier(store, {"webhook": phone}, Clock())
    assert notifier.send_due() == 0
    alarm(store)
    alarm(store)
    assert (notifier.send_due(), notifier.send_due()) == (1, 0)
    assert (phone.told, states(store)) == (["L1"], [("sent", 1)])


def test_simulated_alerts_are_not_told(store: EventStore) -> None:
    alarm(store, door="simulator")
    assert len(rows(store, "SELECT id FROM alerts")) == 1
    assert states(store) == []


def test_what_surely_did_not_arrive_is_tried_again_later_and_later(store: EventStore) -> None:
    phone, clock = Phone(NotDelivered("busy"), NotDelivered("busy")), Clock()
    notifier = Notifier(store, {"webhook": phone}, clock)
    alarm(store)
    for delay in (FIRST_DELAY, 2 * FIRST_DELAY):
        assert notifier.send_due() == 1
        clock.now += delay - timedelta(seconds=1)
        assert notifier.send_due() == 0
        clock.now += timedelta(seconds=1)
    assert notifier.send_due() == 1
    assert (phone.told, states(store)) == (["L1"], [("sent", 3)])


def test_trying_ends(store: EventStore) -> None:
    clock = Clock()
    phone = Phone(*[NotDelivered("gone")] * (MAX_ATTEMPTS + 1))
    notifier = Notifier(store, {"webhook": phone}, clock)
    alarm(store)
    for _ in range(MAX_ATTEMPTS + 1):
        notifier.send_due()
        clock.now += timedelta(days=1)
    assert states(store) == [("failed", MAX_ATTEMPTS)]


def test_what_may_have_arrived_is_not_sent_again(store: EventStore) -> None:
    clock = Clock()
    notifier = Notifier(store, {"webhook": Phone(NotConfirmed("cut"))}, clock)
    alarm(store)
    assert notifier.send_due() == 1
    clock.now += timedelta(days=1)
    assert (notifier.send_due(), states(store)) == (0, [("failed", 1)])


def test_a_process_that_dies_while_sending_sends_nothing_twice(store: EventStore) -> None:
    alarm(store)
    killed = Notifier(store, {"webhook": Phone(KeyboardInterrupt())}, Clock())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        killed.send_due()
    assert Notifier(store, {"webhook": Phone()}, Clock()).send_due() == 0
    assert states(store) == [("sending", 1)]


def test_several_processes_share_what_is_due(make_store: Callable[[], EventStore]) -> None:
    stores, phone = [make_store() for _ in range(3)], Phone()
    for number in range(9):
        alarm(stores[0], f"L{number}")
    together = threading.Barrier(3)

    def work(store: EventStore) -> None:
        together.wait()
        Notifier(store, {"webhook": phone}, Clock()).send_due()

    threads = [threading.Thread(target=work, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(phone.told) == [f"L{number}" for number in range(9)]


def test_the_thread_sends_and_stops(store: EventStore) -> None:
    alarm(store)
    told = threading.Event()
    notifier = Notifier(store, {"webhook": lambda alert: told.set()}, Clock(), poll_s=0.01)
    notifier.start()
    assert told.wait(240)
    notifier.stop()
    assert states(store) == [("sent", 1)]


def test_without_a_way_to_tell_nothing_starts(store: EventStore) -> None:
    before = set(threading.enumerate())
    notifier = Notifier(store, {}, Clock())
    notifier.start()
    assert set(threading.enumerate()) <= before
    notifier.stop()
