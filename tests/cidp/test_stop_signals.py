"""Requests to stop set an event, and nothing else."""

import signal
import sys
import threading

import pytest

from cidp.stop_signals import stop_on_signals


@pytest.mark.skipif(sys.platform == "win32", reason="signals to oneself are POSIX here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_ask_for_a_stop_and_are_given_back(number: signal.Signals) -> None:
    stop = threading.Event()
    before = signal.getsignal(number)
    with stop_on_signals(stop):
        signal.raise_signal(number)
    assert stop.is_set()
    assert signal.getsignal(number) == before
