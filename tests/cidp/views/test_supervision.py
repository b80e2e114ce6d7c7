from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import FakeApi, explained, readiness, score
from streamlit.testing.v1 import AppTest

from cidp.api_client import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, READY_TIMEOUT_S

APP = Path(__file__).parents[3] / "Camrail-Industrial-Data-Platform" / "dashboard" / "app.py"
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
def screen(fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch, on_loopback: None) -> AppTest:
    monkeypatch.setenv("API_URL", fake_api.url)
    monkeypatch.delenv("API_KEY", raising=False)
    return AppTest.from_file(str(APP), default_timeout=240)


def shown(screen: AppTest) -> str:
    assert not screen.exception, screen.exception
    elements = [*screen.success, *screen.error, *screen.warning, *screen.info, *screen.caption]
    return "\n".join(str(element.value) for element in elements)


def metrics(screen: AppTest) -> dict[str, str]:
    return {metric.label: metric.value.replace(NBSP, " ") for metric in screen.metric}


def test_the_sliders_start_where_the_user_guide_says(screen: AppTest) -> None:
    screen.run()
    sliders = {s.label: (s.min, s.max, s.value) for s in screen.slider}
    assert sliders == {
        "Débit d’huile (L/min)": (200, 800, 500),
        "Pression (bar)": (1, 10, 5),
        "Vibrations (mm/s)": (0.5, 15, 2),
        "Température (°C)": (20, 120, 45),
    }
    assert screen.title[0].value == "Camrail Live Monitor"


def test_a_nominal_reading_is_green_with_its_reliability(screen: AppTest) -> None:
    screen.run()
    assert "OPÉRATION NOMINALE" in screen.success[0].value
    assert screen.success[0].icon == ":material/check_circle:"
    assert not screen.error
    assert metrics(screen) == {
        "Débit d’huile": "500 L/min",
        "Pression": "5,0 bar",
        "Vibrations": "2,0 mm/s",
        "Température": "45 °C",
        "Taux de fiabilité machine": "97,3 %",
        "Probabilité de risque": "2,7 %",
    }
    assert f"seuil d’alerte : 42,0{NBSP}%" in screen.success[0].value


def test_moving_the_sliders_turns_the_banner_to_danger_and_back(
    screen: AppTest, fake_api: FakeApi
) -> None:
    screen.run()
    screen.slider(key="vibration").set_value(7.0)
    screen.slider(key="temperature").set_value(85.0)
    screen.run()
    assert "DANGER DÉTECTÉ" in screen.error[0].value
    assert screen.error[0].icon == ":material/dangerous:"
    assert not screen.success
    assert metrics(screen)["Taux de fiabilité machine"] == "2,7 %"
    assert (fake_api.predictions()[-1].body["vibration"]) == 7

    screen.slider(key="vibration").set_value(2.0).run()
    assert "OPÉRATION NOMINALE" in screen.success[0].value
    assert not screen.error


def test_a_danger_at_a_low_risk_says_why(screen: AppTest, fake_api: FakeApi) -> None:
    reading = score({"loco_id": "LOCO_001", "vibration": 7, "temperature": 85})
    fake_api.predict = (200, reading | {"risk_probability": 0.1234, "threshold": 0.05})
    screen.run()
    assert "DANGER DÉTECTÉ" in screen.error[0].value
    why = f"risque de panne de 12,3{NBSP}%, au-dessus du seuil d’alerte de 5,0{NBSP}%"
    assert why in screen.error[0].value
    assert "Ce seuil est bas exprès" in shown(screen)


def test_the_locomotive_is_sent_and_shown_as_typed(screen: AppTest, fake_api: FakeApi) -> None:
    screen.run()
    screen.text_input(key="loco_id").set_value(" LOCO_*7* ").run()
    assert fake_api.predictions()[-1].body["loco_id"] == "LOCO_*7*"
    assert r"LOCO\_\*7\*" in screen.success[0].value


def test_the_button_asks_again_and_keeps_its_result_in_sight(
    screen: AppTest, fake_api: FakeApi
) -> None:
    screen.run()
    assert "Test de" not in shown(screen)
    screen.button[0].click().run()
    assert len(fake_api.predictions()) == 2
    assert "réponse reçue en" in shown(screen)
    screen.run()
    assert "réponse reçue en" in shown(screen)

    fake_api.predict = (401, {"error": "Unauthorized"})
    screen.button[0].click().run()
    assert "Clé refusée par l’API." in shown(screen)


def test_warnings_of_the_api_are_shown(screen: AppTest, fake_api: FakeApi) -> None:
    reading = {"loco_id": "LOCO_001", "vibration": 15, "temperature": 120}
    warnings = ["vibration hors du domaine : 15 mm/s"]
    fake_api.predict = (200, score(reading) | {"warnings": warnings})
    screen.run()
    assert [element.value for element in screen.warning] == warnings


@pytest.mark.parametrize(
    ("status", "body", "title", "remedy"),
    [
        (401, {"error": "Unauthorized"}, "Clé refusée", "API_KEY"),
        (403, {"error": "Forbidden"}, "Clé refusée", "API_KEY"),
        (503, {"error": "No Model", "message": "amorçage"}, "Aucun modèle", "bootstrap_local"),
        (500, b"oups", "Réponse inutilisable", "HTTP 500"),
    ],
)
def test_each_failure_has_its_sentence_and_heals_by_itself(
    screen: AppTest, fake_api: FakeApi, status: int, body: object, title: str, remedy: str
) -> None:
    fake_api.predict = (status, body)
    screen.run()
    assert title in screen.warning[0].value
    assert remedy in screen.warning[0].value
    assert not screen.success
    assert not screen.error
    assert "Taux de fiabilité machine" not in metrics(screen)

    fake_api.predict = None
    screen.run()
    assert "OPÉRATION NOMINALE" in screen.success[0].value
    assert not screen.warning


def test_a_refused_reading_names_the_field_in_french(screen: AppTest, fake_api: FakeApi) -> None:
    details = [{"field": "loco_id", "message": "caractère refusé"}, {"field": "x", "message": "?"}]
    fake_api.predict = (400, {"error": "Data Validation Failed", "details": details})
    screen.run()
    assert "- **Identifiant de la locomotive** : caractère refusé" in screen.warning[0].value
    assert "- **x** : ?" in screen.warning[0].value


@pytest.mark.parametrize("slow", [{"/predict"}, {"/predict", "/ready"}])
def test_a_slow_api_is_waited_for_once_and_said_within_three_seconds(
    screen: AppTest, fake_api: FakeApi, slow: set[str]
) -> None:
    assert CONNECT_TIMEOUT_S + max(ANSWER_TIMEOUT_S, READY_TIMEOUT_S) < 3
    screen.run()
    fake_api.slow = slow
    screen.session_state["api_state"] = None  # as if the last look were long ago
    fake_api.received.clear()
    screen.run()
    assert len([request for request in fake_api.received if request.path in slow]) == 1
    assert "API trop lente" in screen.warning[0].value
    assert not screen.success


def test_the_page_follows_an_api_that_changed_since_the_last_look(
    screen: AppTest, fake_api: FakeApi
) -> None:
    screen.run()
    assert "OPÉRATION NOMINALE" in screen.success[0].value
    missing = {"status": "missing", "version": None, "error": None}
    fake_api.ready = (503, readiness(status="not_ready", model=missing))
    screen.session_state["api_state"] = replace(screen.session_state["api_state"], seen_at_s=0.0)
    screen.run()
    assert "Aucun modèle en service" in screen.warning[0].value
    assert not screen.success


def test_an_absent_api_is_said_and_nothing_is_asked_of_it(
    screen: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    screen.run()
    assert "API injoignable" in screen.warning[0].value
    assert "run_platform" in screen.warning[0].value


@pytest.mark.parametrize(
    ("status", "said"), [("loading", "en cours de chargement"), ("missing", "raison précise")]
)
def test_without_a_model_nothing_is_asked_and_the_reason_is_said(
    screen: AppTest, fake_api: FakeApi, status: str, said: str
) -> None:
    model = {"status": status, "version": None, "error": "raison précise"}
    fake_api.ready = (503, readiness(status="not_ready", model=model))
    screen.run()
    assert said in shown(screen)
    assert not fake_api.predictions()


def test_the_reasons_stand_beside_the_verdict(screen: AppTest, fake_api: FakeApi) -> None:
    screen.run()
    assert fake_api.predictions()[-1].query == "explain=1&hypothetical=1"
    assert [header.value for header in screen.subheader] == [
        "Pourquoi ce risque",
        "Risque autour de ce point",
    ]
    assert "Température +58 pts, vibration +10 pts, débit −2 pts." in [
        text.value for text in screen.markdown
    ]
    assert len(screen.get("vega_lite_chart")) == 2


def test_the_smallest_change_can_be_applied_to_the_sliders(screen: AppTest) -> None:
    screen.run()
    assert [button.key for button in screen.button] == [screen.button[0].key]
    screen.slider(key="vibration").set_value(7.0)
    screen.slider(key="temperature").set_value(85.0).run()
    assert any(
        "température sous 60 °C ; le risque serait de 4,1" in t.value for t in screen.markdown
    )
    screen.button(key="apply_counterfactual").click().run()
    assert screen.slider(key="temperature").value == 60
    assert screen.slider(key="vibration").value == 7
    assert "OPÉRATION NOMINALE" in screen.success[0].value


def test_a_change_that_the_sliders_cannot_follow_is_said_only(
    screen: AppTest, fake_api: FakeApi
) -> None:
    answer = explained({"loco_id": "LOCO_001", "vibration": 7, "temperature": 85})
    answer["explanation"]["counterfactual"]["changes"] = {"temperature": 10.0}
    fake_api.predict = (200, answer)
    screen.run()
    assert any("Retour au nominal" in text.value for text in screen.markdown)
    assert len(screen.button) == 1


def test_by_the_button_alone_nothing_is_asked_before_it(screen: AppTest, fake_api: FakeApi) -> None:
    screen.run()
    screen.toggle(key="live_supervision").set_value(False).run()
    asked = len(fake_api.predictions())
    screen.slider(key="vibration").set_value(7.0)
    screen.slider(key="temperature").set_value(85.0).run()
    assert len(fake_api.predictions()) == asked
    assert "OPÉRATION NOMINALE" in screen.success[0].value
    assert "« Tester l’API » l’actualise" in screen.info[0].value

    screen.button[0].click().run()
    assert "DANGER DÉTECTÉ" in screen.error[0].value
    assert not screen.info


def test_the_map_is_asked_around_the_point_for_two_of_the_readings(
    screen: AppTest, fake_api: FakeApi
) -> None:
    screen.run()
    screen.selectbox(key="map_x").select("Pression").run()
    (*_, request) = [r for r in fake_api.received if r.path == "/predict/batch"]
    assert len(request.body) == 21 * 21
    assert {reading["pressure"] for reading in request.body} >= {1.0, 10.0}
    assert {reading["flow_rate"] for reading in request.body} == {500.0}


def test_the_map_is_asked_again_only_when_something_of_it_moved(
    screen: AppTest, fake_api: FakeApi
) -> None:
    def maps() -> int:
        return len([r for r in fake_api.received if r.path == "/predict/batch"])

    screen.run()
    screen.run()
    assert maps() == 1
    screen.slider(key="vibration").set_value(7.0).run()
    assert maps() == 2
    answer = explained({"loco_id": "L", "vibration": 7.0, "temperature": 45.0})
    fake_api.predict = (200, answer | {"model_version": "autre"})
    screen.run()
    assert maps() == 3


def test_a_map_that_fails_leaves_the_verdict(screen: AppTest, fake_api: FakeApi) -> None:
    fake_api.answers["/predict/batch"] = (503, {"error": "No Model", "message": "chargement"})
    screen.run()
    assert "OPÉRATION NOMINALE" in screen.success[0].value
    assert "Aucun modèle en service" in screen.warning[0].value


def test_the_position_stands_in_the_address(screen: AppTest) -> None:
    screen.query_params["vibration"] = "7.0"
    screen.query_params["temperature"] = "85.0"
    screen.run()
    assert "DANGER DÉTECTÉ" in screen.error[0].value
