"""The journal says once that the store is away, and once that it is back."""

from collections.abc import Iterator

import pytest
from fake_api import FakeApi, readiness
from loguru import logger

from cidp import store_watch
from cidp.api_client import ApiClient, ClientSettings
from cidp.store_watch import StoreWatch

AWAY = {"status": "unavailable", "backend": "postgresql", "error": "La base ne répond pas."}


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(sink)


def test_a_store_that_is_away_is_said_once_and_so_is_its_return(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(store_watch, "LOOK_S", 0.0)
    watch = StoreWatch(ApiClient(ClientSettings(fake_api.url, None)), "PostgreSQL")
    watch.look()
    fake_api.ready = (503, readiness(status="not_ready", store=AWAY))
    watch.look()
    watch.look()
    fake_api.ready = None
    watch.look()
    watch.look()
    assert said == ["PostgreSQL : La base ne répond pas.\n", "PostgreSQL répond de nouveau\n"]


def test_an_api_that_says_nothing_is_no_outage_of_the_store(
    fake_api: FakeApi, said: list[str]
) -> None:
    fake_api.ready = (500, b"?")
    StoreWatch(ApiClient(ClientSettings(fake_api.url, None)), "PostgreSQL").look()
    assert said == []


def test_the_api_is_not_asked_at_every_turn(fake_api: FakeApi) -> None:
    watch = StoreWatch(ApiClient(ClientSettings(fake_api.url, None)), "PostgreSQL")
    watch.look()
    watch.look()
    assert len(fake_api.received) == 1
