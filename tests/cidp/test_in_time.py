"""A scrape waits for the store no longer than who asks for the scrape."""

import threading

import pytest
from waiting import until

from cidp import in_time
from cidp.api_client import ANSWER_TIMEOUT_S
from cidp.in_time import WAIT_S, InTime
from cidp.telemetry_sample import WAIT_S as SAMPLE_S


def test_a_scrape_is_over_before_the_dashboard_gives_up() -> None:
    assert 2 * WAIT_S + SAMPLE_S < ANSWER_TIMEOUT_S - 0.2


def test_what_is_late_is_unknown_and_is_not_begun_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    free, begun = threading.Event(), threading.Semaphore(0)

    def read() -> int:
        begun.release()
        free.wait(60)
        return 7

    reading = InTime(read)
    with monkeypatch.context() as hurried:
        hurried.setattr(in_time, "WAIT_S", 0.01)
        assert reading() is None
    assert reading() is None  # at once: who waits until `free` is over reads again
    assert begun.acquire(timeout=240)
    assert not begun.acquire(blocking=False)
    free.set()
    assert until(reading) == 7


def test_what_the_reading_raises_is_raised() -> None:
    def read() -> int:
        raise ZeroDivisionError

    reading = InTime(read)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            reading()


def test_without_threads_nothing_is_read_and_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    reading = InTime(lambda: 7)
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        assert reading() is None
    assert reading() == 7
