"""Ready means: a model serves and the store answers; the source is said beside it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from postgres import frozen, running_server
from postgres_server import PostgresServer
from waiting import stopwatch, until

from cidp import in_time, telemetry_sample
from cidp.assembly import Parts, assemble
from cidp.event_batch import Message
from cidp.feeds import Feeder
from cidp.http_api import app_of
from cidp.in_time import WAIT_S as SCRAPE_S
from cidp.readiness import readiness
from cidp.settings import Settings, StoreSettings
from cidp.telemetry_sample import WAIT_S as SAMPLE_S

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENT = {
    "loco_id": "LOCO_001",
    "timestamp": "2026-03-01T11:00:00Z",
    "flow_rate": 500,
    "pressure": 5,
    "vibration": 2,
    "temperature": 45,
}


def test_without_a_loaded_model_the_service_is_not_ready(parts: Parts) -> None:
    body = readiness(parts)
    assert body["status"] == "not_ready"
    assert body["model"] == {"status": "loading", "version": None, "error": None}


@pytest.mark.parametrize("source", ["http", "simulator"])
def test_a_loaded_model_and_a_store_make_it_ready(parts: Parts, source: str) -> None:
    parts.model.refresh()
    assert readiness(parts)["source"] == {
        "mode": "none",
        "last_event_at": None,
        "last_event_age_seconds": None,
        "stale": True,
        "feeds": [],
    }
    parts.ingest.ingest_messages([Message(0, json.dumps(EVENT).encode())], source)
    body = readiness(parts)
    assert body["status"] == "ready"
    assert body["source"] == {
        "mode": source,
        "last_event_at": "2026-03-01T12:00:00.000000Z",
        "last_event_age_seconds": 0.0,
        "stale": False,
        "feeds": [],
    }


def test_what_is_real_names_the_source_until_it_is_stale(
    settings: Settings,
) -> None:
    clock = [NOW]
    parts = assemble(settings, now=lambda: clock[0])
    parts.model.refresh()
    simulator = Feeder(parts.store, "simulator", "repli", parts.now)
    parts.ingest.ingest_messages([Message(0, json.dumps(EVENT).encode())], "http")
    for number, (seconds, told) in enumerate([(60, ("http", 60)), (61, ("simulator", 0))]):
        clock[0] = NOW + timedelta(seconds=seconds)
        simulator.tell()
        event = EVENT | {"loco_id": f"LOCO_{number}"}
        parts.ingest.ingest_messages([Message(number, json.dumps(event).encode())], "simulator")
        source = readiness(parts)["source"]
        assert (source["mode"], source["last_event_age_seconds"]) == told
    parts.store.close()


def test_a_source_that_took_over_is_named_before_its_first_event(parts: Parts) -> None:
    parts.model.refresh()
    parts.ingest.ingest_messages([Message(0, json.dumps(EVENT).encode())], "simulator")
    feeder = Feeder(parts.store, "kafka", "Kafka répond", parts.now)
    feeder.tell(lambda: 12)
    source = readiness(parts)["source"]
    assert (source["mode"], source["last_event_at"], source["stale"]) == ("kafka", None, True)
    assert source["feeds"] == [
        {
            "door": "kafka",
            "since": "2026-03-01T12:00:00.000000Z",
            "reason": "Kafka répond",
            "lag": 12,
        }
    ]
    feeder.end()
    assert readiness(parts)["source"]["mode"] == "simulator"


def test_a_source_that_says_nothing_any_more_has_ended(parts: Parts) -> None:
    Feeder(parts.store, "kafka", "demandé", parts.now).tell()
    assert readiness(parts)["source"]["mode"] == "kafka"
    later = parts._replace(now=lambda: NOW + timedelta(seconds=16))
    assert readiness(later)["source"] == readiness(later)["source"] | {"mode": "none", "feeds": []}


def test_an_old_event_makes_the_source_stale_and_leaves_the_service_ready(parts: Parts) -> None:
    parts.model.refresh()
    parts.ingest.ingest_messages([Message(0, json.dumps(EVENT).encode())], "http")
    later = parts._replace(now=lambda: parts.now() + timedelta(seconds=61))
    body = readiness(later)
    assert body["status"] == "ready"
    assert body["source"]["stale"] is True
    assert body["source"]["last_event_age_seconds"] == 61


def test_a_store_that_does_not_answer_is_said(parts: Parts) -> None:
    parts.model.refresh()
    parts.settings.store.address.path.write_bytes(b"not a database" * 100)
    body = readiness(parts)
    assert body["status"] == "not_ready"
    assert body["store"]["status"] == "unavailable"
    assert "n'est pas une base SQLite" in body["store"]["error"]
    assert body["source"]["mode"] == "unknown"


@pytest.fixture
def on_postgresql(settings: Settings) -> Iterator[tuple[PostgresServer, Parts]]:
    """A server, and the parts of an API that stores there and waits for it as it does by itself."""
    with running_server() as server:
        store = StoreSettings(url=server.url("postgres"))
        assembled = assemble(settings.model_copy(update={"store": store}))
        assembled.model.refresh()
        yield server, assembled
        assembled.store.close()


@pytest.mark.postgresql
def test_a_store_that_freezes_is_said_in_time_everywhere_and_is_found_again(
    on_postgresql: tuple[PostgresServer, Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, parts = on_postgresql
    client = app_of(parts).test_client()

    def asked(path: str, within_s: float) -> tuple[int, str]:
        with stopwatch() as watch:
            answer = client.get(path, headers={"X-API-KEY": "une-cle-sans-droits"})
        assert watch.seconds < within_s, path
        return answer.status_code, answer.text

    def scraped(within_s: float) -> tuple[bool, bool]:
        text = asked("/metrics", within_s)[1]
        return 'telemetry_source_info{mode="unknown"} 1.0' in text, "dead_letters_open{" in text

    assert asked("/ready", 60)[0] == asked("/fleet", 60)[0] == 200
    assert scraped(3) == (False, True)
    with frozen(server), monkeypatch.context() as hurried:
        hurried.setattr(in_time, "WAIT_S", SCRAPE_S)
        hurried.setattr(telemetry_sample, "WAIT_S", SAMPLE_S)
        assert scraped(3) == (True, False)
        for path in ("/fleet", "/ready", "/fleet", "/alerts"):
            status, text = asked(path, parts.settings.store.timeout_s + 1)
            assert status == 503
            assert "serveur muet depuis" in text
        assert asked("/ready", 0.5)[0] == 503
        assert scraped(1) == (True, False)
    until(lambda: asked("/ready", 60)[0] == 200)
    assert asked("/fleet", 60)[0] == 200
    assert scraped(3) == (False, True)
