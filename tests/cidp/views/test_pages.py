"""What holds for every page but Supervision: figures in French, and each failure of the API."""

import pytest
from api_samples import Open, in_order
from fake_api import FakeApi
from streamlit.testing.v1 import AppTest

from cidp.api_client import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, READY_TIMEOUT_S

PAGES = {
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

    in_order(fake_api)
    screen.run()
    assert warnings(screen) == ""


@pytest.mark.parametrize(
    ("page", "said"),
    [
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


@pytest.mark.parametrize("page", PAGES)
def test_an_absent_api_is_said_and_asked_once(
    opened: Open, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    screen = opened(page).run()
    assert "API injoignable" in warnings(screen)
    assert "run_platform" in warnings(screen)


@pytest.mark.parametrize("slow", [["/fleet"], ["/fleet", "/ready"]])
def test_a_slow_api_is_waited_for_once_and_for_less_than_three_seconds(
    opened: Open, fake_api: FakeApi, slow: list[str]
) -> None:
    screen = opened("fleet").run()
    fake_api.slow = set(slow)
    screen.session_state["api_state"] = None  # as if the last look were long ago
    fake_api.received.clear()
    screen.run()
    assert len([request for request in fake_api.received if request.path in slow]) == 1
    assert CONNECT_TIMEOUT_S + max(READY_TIMEOUT_S, ANSWER_TIMEOUT_S) < 3
    assert "API trop lente" in warnings(screen)
