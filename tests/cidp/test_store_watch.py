"""The journal says once that the store is away, and once that it is back."""

import threading

import pytest
from fake_api import FakeApi, readiness
from waiting import until

from cidp import store_watch
from cidp.api_answers import Readiness
from cidp.api_client import READY_TIMEOUT_S, ApiClient, ClientSettings
from cidp.api_errors import ApiUnreachable
from cidp.store_watch import StoreWatch

AWAY = {"status": "unavailable", "backend": "postgresql", "error": "La base ne répond pas."}


def test_a_store_that_is_away_is_said_once_and_so_is_its_return(
    fake_api: FakeApi, said: list[str]
) -> None:
    watch = StoreWatch(ApiClient(ClientSettings(fake_api.url, None)), "PostgreSQL")
    watch.look()
    fake_api.ready = (503, readiness(status="not_ready", store=AWAY))
    watch.look()
    watch.look()
    fake_api.ready = None
    watch.look()
    watch.look()
    assert said == ["PostgreSQL : La base ne répond pas.\n", "PostgreSQL répond de nouveau\n"]


def test_a_store_that_never_answers_is_said_though_the_api_takes_its_time(
    fake_api: FakeApi, said: list[str]
) -> None:
    fake_api.ready = (503, readiness(status="not_ready", store=AWAY))
    fake_api.late_s = READY_TIMEOUT_S + 0.3
    client = ApiClient(ClientSettings(fake_api.url, None, ready_timeout_s=120))
    StoreWatch(client, "PostgreSQL").look()
    assert said == ["PostgreSQL : La base ne répond pas.\n"]


def test_an_api_that_says_nothing_is_no_outage_of_the_store(
    fake_api: FakeApi, said: list[str]
) -> None:
    fake_api.ready = (500, b"?")
    StoreWatch(ApiClient(ClientSettings(fake_api.url, None)), "PostgreSQL").look()
    assert said == []


def test_the_api_is_asked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Client(ApiClient):
        def ready(self) -> Readiness:
            asked.append(True)
            if len(asked) == 3:
                threading.Event().wait()  # until the process ends
            raise ApiUnreachable(self.settings.shown_url)

    monkeypatch.setattr(store_watch, "PAUSE_S", 0.01)
    StoreWatch(Client(ClientSettings("http://127.0.0.1:9", None)), "PostgreSQL").start()
    until(lambda: len(asked) == 3)
