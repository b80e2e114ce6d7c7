"""What holds for every page: each failure of the API, old data, none, an unusable address."""

import pytest
from api_samples import Open, alerts, fleet, in_order, jobs
from fake_api import FakeApi, readiness
from streamlit.testing.v1 import AppTest

from cidp.api_client import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, READY_TIMEOUT_S

PAGES = {
    "supervision": "/predict",
    "fleet": "/fleet",
    "alerts": "/alerts",
    "logistics": "/warehouse/filters",
    "model": "/model",
    "system": "/health",
}


def warnings(screen: AppTest) -> str:
    assert not screen.exception, screen.exception
    return "\n".join(str(warning.value) for warning in screen.warning)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_a_platform_in_order_warns_of_nothing(opened: Open, page: str) -> None:
    screen = opened(page).run()
    assert warnings(screen) == ""


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("status", "body", "title", "remedy"),
    [
        (401, {"error": "Unauthorized", "message": "Clé absente."}, "Clé refusée", "API_KEY"),
        (403, {"error": "Forbidden", "message": "sans droit « read »"}, "Clé refusée", "« read »"),
        (429, {"error": "Too Many", "message": "dans 6 s"}, "demande d’attendre", "dans 6 s"),
        (500, b"oups", "Réponse inutilisable", "HTTP 500"),
    ],
)
def test_each_refusal_has_its_sentence_and_heals_by_itself(
    opened: Open, fake_api: FakeApi, page: str, status: int, body: object, title: str, remedy: str
) -> None:
    screen = opened(page)
    fake_api.answers[PAGES[page]] = (status, body)
    screen.run()
    assert title in warnings(screen)
    assert remedy in warnings(screen)

    del fake_api.answers[PAGES[page]]
    in_order(fake_api)
    screen.run()
    assert warnings(screen) == ""


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("supervision", "Aucun modèle en service"),
        ("fleet", "Service indisponible"),
        ("alerts", "Service indisponible"),
        ("model", "Aucun modèle en service"),
    ],
)
def test_a_part_that_is_down_is_told_with_its_reason(
    opened: Open, fake_api: FakeApi, page: str, said: str
) -> None:
    body = {"error": "Service Unavailable", "message": "La base ne répond pas."}
    fake_api.answers[PAGES[page]] = (503, body)
    screen = opened(page).run()
    assert said in warnings(screen)
    assert "La base ne répond pas." in warnings(screen)


@pytest.mark.parametrize("page", ["logistics", "system"])
def test_jobs_that_are_down_are_told_with_their_reason(
    opened: Open, fake_api: FakeApi, page: str
) -> None:
    body = {"error": "Service Unavailable", "message": "La base des travaux est occupée."}
    fake_api.answers["/jobs"] = (503, body)
    screen = opened(page).run()
    assert "Service indisponible" in warnings(screen)
    assert "La base des travaux est occupée." in warnings(screen)


@pytest.mark.parametrize("page", PAGES)
def test_an_absent_api_is_said_and_asked_once(
    opened: Open, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    screen = opened(page).run()
    assert "API injoignable" in warnings(screen)
    assert "run_platform" in warnings(screen)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("with_ready", [False, True])
def test_a_slow_api_is_waited_for_once_and_for_less_than_three_seconds(
    opened: Open, fake_api: FakeApi, page: str, with_ready: bool
) -> None:
    screen = opened(page)
    screen.query_params |= {"loco": "LOCO_002", "alerte": "7"}
    screen.run()
    assert not screen.exception
    fake_api.slow = {PAGES[page], *(fake_api.answers if page != "system" else ())}
    fake_api.slow |= {"/ready"} if with_ready else set()
    screen.session_state["api_state"] = None  # as if the last look were long ago
    fake_api.received.clear()
    screen.run()
    assert len([request for request in fake_api.received if request.path in fake_api.slow]) == 1
    assert CONNECT_TIMEOUT_S + max(READY_TIMEOUT_S, ANSWER_TIMEOUT_S) < 3
    assert "API trop lente" in warnings(screen)
    assert "réessaie d’elle-même" in warnings(screen)


@pytest.mark.parametrize("page", PAGES)
def test_old_data_are_told_on_every_page(opened: Open, fake_api: FakeApi, page: str) -> None:
    known = readiness()
    known["source"] |= {"last_event_age_seconds": 7_200.0, "stale": True}
    fake_api.ready = (200, known)
    screen = opened(page).run()
    assert not screen.exception
    assert any("PÉRIMÉ" in text.value for text in screen.markdown)
    assert any("il y a 2" in caption.value for caption in screen.caption)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("supervision", "bootstrap_local.py"),
        ("fleet", "la flotte apparaît d’elle-même"),
        ("alerts", "Aucune alerte ne répond"),
        ("logistics", "pas encore d'entrepôt"),
        ("model", "bootstrap_local.py"),
        ("system", "Aucun travail n’a encore été lancé"),
    ],
)
def test_a_platform_without_anything_says_what_to_do(
    opened: Open, fake_api: FakeApi, page: str, said: str
) -> None:
    unavailable = (503, {"error": "No Warehouse", "message": "Il n'y a pas encore d'entrepôt."})
    absent = (404, {"error": "Not Found", "message": "Aucun rapport n'est encore écrit."})
    nothing = {"last_event_at": None, "last_event_age_seconds": None, "stale": True}
    model = {"status": "missing", "version": None, "error": None}
    known = readiness(status="not_ready", model=model, source={"mode": "none", **nothing})
    fake_api.ready = (503, known)
    fake_api.answers |= {
        "/fleet": (200, fleet()),
        "/alerts": (200, alerts()),
        "/jobs": (200, jobs()),
        "/model": (503, {"error": "No Model", "message": "rien à servir"}),
        "/models": (200, {"count": 0, "models": []}),
        **dict.fromkeys(
            ("/warehouse/filters", "/warehouse/rejects", "/warehouse/runs"), unavailable
        ),
        "/reports/rapport_supply_chain.xlsx": absent,
    }
    screen = opened(page).run()
    assert not screen.exception
    texts = [*screen.info, *screen.warning, *screen.caption]
    assert any(said in text.value for text in texts)
    assert any("Aucune donnée reçue" in text.value for text in screen.markdown)


@pytest.mark.parametrize(
    ("page", "given", "unusable"),
    [
        ("supervision", {"vibration": "99", "temperature": "85.0"}, "vibration=99"),
        ("supervision", {"pressure": "beaucoup"}, "pressure=beaucoup"),
        ("fleet", {"periode": "3 ans"}, "periode=3 ans"),
        ("fleet", {"loco": "LOCO_002", "serie": "Rêvée"}, "serie=Rêvée"),
        ("alerts", {"etat": "Perdues", "jugement": "Jugées"}, "etat=Perdues"),
        ("alerts", {"alerte": "*sept*"}, r"alerte=\*sept\*"),
        ("logistics", {"du": "2026-02-31", "au": "2026-01-20"}, "du=2026-02-31"),
        ("logistics", {"sites": "Atlantide"}, "sites=Atlantide"),
        ("model", {"version": "3"}, "version=3"),
        ("system", {"page": "2"}, "page=2"),
    ],
)
def test_an_unusable_setting_of_the_address_is_named_and_the_page_goes_on(
    opened: Open, page: str, given: dict[str, str], unusable: str
) -> None:
    screen = opened(page)
    screen.query_params |= given
    screen.run()
    assert f"inutilisables** : {unusable}. La page garde" in warnings(screen)
    screen.run()
    assert unusable in warnings(screen)


@pytest.mark.parametrize(
    ("page", "given"),
    [
        ("supervision", {"loco_id": "L7", "vibration": "7.0", "flow_rate": "200"}),
        ("fleet", {"loco": "LOCO_002", "serie": "Simulée", "periode": "24 h"}),
        ("alerts", {"etat": "Toutes", "jugement": "À juger", "alerte": "7"}),
        ("logistics", {"sites": "Edéa", "du": "2026-01-02", "au": "2026-01-20"}),
    ],
)
def test_a_usable_address_is_taken_in_silence(
    opened: Open, page: str, given: dict[str, str]
) -> None:
    screen = opened(page)
    screen.query_params |= given
    screen.run()
    assert warnings(screen) == ""
