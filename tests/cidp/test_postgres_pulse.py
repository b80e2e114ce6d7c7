"""The pulse of a server: what counts as an answer, and who is asked when."""

import threading
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import psycopg
import pytest
from waiting import until

from cidp.postgres_pulse import Pulse


class Server:
    """Opens connections as `answer` does, once it may."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.asked = threading.Semaphore(0)
        self.free = threading.Event()
        self._answer = answer

    def connect(self) -> Any:
        self.asked.release()
        assert self.free.wait(240)
        return self._answer()


def refused() -> Any:
    raise psycopg.OperationalError("FATAL: too many clients")


def test_a_server_is_asked_once_at_a_time_and_a_refusal_is_an_answer() -> None:
    server = Server(refused)
    pulse = Pulse(server.connect, 240)
    for _ in range(2):
        pulse.doubt(0.0)
    assert pulse.asking
    server.free.set()
    until(lambda: not pulse.asking)
    assert server.asked.acquire(blocking=False)
    assert not server.asked.acquire(blocking=False)
    pulse.check()


def test_a_server_that_is_silent_is_lost_and_is_asked_until_it_answers() -> None:
    answers = iter([psycopg.errors.ConnectionTimeout(), psycopg.OperationalError()])

    def answer() -> Any:
        raise next(answers)

    server = Server(answer)
    pulse = Pulse(server.connect, 0.0)
    pulse.doubt(0.0)

    def is_lost() -> bool:
        try:
            pulse.check()
        except psycopg.errors.ConnectionTimeout as error:
            return "muet" in str(error)
        return False

    until(is_lost)
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        pulse.connection()
    server.free.set()
    until(lambda: not is_lost())
    assert next(answers, None) is None


def test_without_threads_the_server_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pulse = Pulse(refused, 0.0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    pulse.doubt(0.0)
    assert not pulse.asking
    pulse.check()


def test_the_question_itself_waits_no_longer_than_the_server_may() -> None:
    connection = MagicMock()
    connection.__enter__.return_value = connection
    pulse = Pulse(lambda: connection, 7.0)
    pulse.doubt(0.0)
    until(lambda: not pulse.asking)
    connection.execute.assert_called_once_with("SELECT 1")
    assert connection.statement_s == 7.0
