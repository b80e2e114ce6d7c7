import time
from typing import Any

import pytest
from fake_api import readiness

from cidp.api_answers import Readiness
from cidp.api_errors import ApiUnreachable
from cidp.views.api_state import ApiState
from cidp.views.data_strip import newest_event, signs

NBSP = "\N{NO-BREAK SPACE}"


def state(**changes: Any) -> ApiState:
    return ApiState(Readiness.model_validate(readiness(**changes)), None, time.monotonic())


def source(mode: str, age_s: float | None, stale: bool) -> dict[str, Any]:
    at = "2026-03-01T12:00:00Z" if age_s is not None else None
    return {"mode": mode, "last_event_at": at, "last_event_age_seconds": age_s, "stale": stale}


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (source("simulator", 3.4, False), ["Simulateur local", "À jour"]),
        (source("http", 3.4, False), ["Données réelles — HTTP", "À jour"]),
        (source("simulator", 90.0, True), ["Simulateur local", "PÉRIMÉ"]),
        (source("none", None, True), ["Aucune donnée reçue"]),
        (source("unknown", None, True), ["Source et âge des données inconnus"]),
    ],
)
def test_the_strip_says_source_and_freshness(given: dict[str, Any], texts: list[str]) -> None:
    assert [sign.text for sign in signs(state(source=given))] == texts


def test_what_does_not_serve_stands_beside_the_source() -> None:
    model = {"status": "missing", "version": None, "error": None}
    store = {"status": "unavailable", "backend": "sqlite", "error": "verrouillée"}
    texts = [sign.text for sign in signs(state(model=model, store=store))]
    assert texts[-2:] == ["Aucun modèle en service", "Base d’événements indisponible"]

    loading = {"status": "loading", "version": None, "error": None}
    assert signs(state(model=loading))[-1].text == "Modèle en cours de chargement"


def test_without_api_the_age_of_the_data_is_unknown() -> None:
    unreachable = ApiState(None, ApiUnreachable("http://127.0.0.1:9"), time.monotonic())
    texts = [sign.text for sign in signs(unreachable)]
    assert texts == ["API injoignable", "Source et âge des données inconnus"]


def test_the_newest_event_is_told_in_the_time_of_douala() -> None:
    known = Readiness.model_validate(readiness()).source
    assert newest_event(known) == (
        f"Dernier événement à 13:00:00, heure de Douala (il y a 3{NBSP}s)"
    )


def test_without_event_the_strip_says_how_to_get_some() -> None:
    empty = Readiness.model_validate(readiness(source=source("none", None, True))).source
    assert "simulateur" in newest_event(empty)
    unknown = Readiness.model_validate(readiness(source=source("unknown", None, True))).source
    assert "simulateur" not in newest_event(unknown)


def test_a_stand_in_says_why_and_since_when() -> None:
    feed = {"door": "simulator", "since": "2026-03-01T13:02:30Z", "reason": "Kafka ne répond pas"}
    stand_in = source("simulator", 3.4, False) | {"feeds": [feed | {"lag": None}]}
    said = signs(state(source=stand_in))[0].text
    assert said == "Simulateur local — Kafka ne répond pas, depuis 14:02"
    real = source("kafka", 3.4, False) | {"feeds": [feed | {"door": "kafka", "lag": 12}]}
    assert signs(state(source=real))[0].text == "Données réelles — Kafka"


def test_messages_that_wait_while_nothing_is_stored_are_told() -> None:
    feed = {"door": "kafka", "since": "2026-03-01T13:02:30Z", "reason": "demandé", "lag": 1200}
    waits = source("kafka", 90.0, True) | {"feeds": [feed]}
    texts = [sign.text for sign in signs(state(source=waits))]
    assert texts[1:] == ["PÉRIMÉ", f"Enregistrement suspendu, en attente : 1{NBSP}200 messages"]
    read = source("kafka", 90.0, True) | {"feeds": [feed | {"lag": 0}]}
    assert [sign.text for sign in signs(state(source=read))][1:] == ["PÉRIMÉ"]
