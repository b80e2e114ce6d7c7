import csv
import io

import pytest
from api_samples import AT, Open, alert, alerts
from fake_api import FakeApi, Request

from cidp.api_answers import Alert
from cidp.api_client import ApiClient, ClientSettings
from cidp.views.alerts import every, exported

AUTHORED = {"at": AT, "author": "A. Ngo"}


def sent(api: FakeApi, path: str) -> list[Request]:
    return [request for request in api.received if request.path == path]


def test_open_alerts_are_listed_and_filtered(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("alerts").run()
    table = screen.dataframe[0].value
    assert table["Cause"].tolist() == ["Vibrations"]
    assert table["Ouverte"].tolist() == ["01/03/2026 13:00:00"]
    assert "state=open" in sent(fake_api, "/alerts")[0].query

    screen.text_input(key="alerts_loco").set_value("LOCO_002").run()
    assert "loco_id=LOCO_002" in sent(fake_api, "/alerts")[-1].query
    screen.text_input(key="alerts_loco").set_value("pas un nom").run()
    assert "loco_id" not in sent(fake_api, "/alerts")[-1].query
    assert "ignoré" in screen.warning[0].value


def test_the_state_and_the_verdict_are_filters(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("alerts")
    screen.query_params["etat"] = "Fermées"
    screen.query_params["jugement"] = "À juger"
    screen.run()
    assert "state=closed&judged=false" in sent(fake_api, "/alerts")[0].query


def test_no_alert_is_said(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/alerts"] = (200, alerts())
    screen = opened("alerts").run()
    assert "Aucune alerte" in screen.info[0].value


def test_an_alert_is_followed_in_the_name_of_the_person(opened: Open, fake_api: FakeApi) -> None:
    for verb in ("acknowledge", "comment", "verdict", "close"):
        fake_api.answers[f"/alerts/7/{verb}"] = (200, alert())
    screen = opened("alerts")
    screen.query_params["alerte"] = "7"
    screen.run()
    assert screen.subheader[0].value == "Alerte 7 : LOCO_002, vibrations"
    screen.text_input(key="person").set_value("Aïcha Ngo").run()
    screen.button(key="alert_acknowledge_").click().run()
    screen.button(key="alert_verdict_False").click().run()
    screen.button(key="alert_comment_send").click().run()
    assert "Écrivez le commentaire" in screen.warning[0].value
    screen.text_area(key="alert_comment").set_value("roulement changé")
    screen.button(key="alert_comment_send").click().run()
    screen.button(key="alert_close_").click().run()
    assert not screen.exception
    assert screen.text_area(key="alert_comment").value == ""
    assert {request.person for request in fake_api.received if "/alerts/7/" in request.path} == {
        "Aïcha Ngo"
    }
    assert sent(fake_api, "/alerts/7/verdict")[0].body == {"true_alarm": False}
    assert sent(fake_api, "/alerts/7/comment")[0].body == {"text": "roulement changé"}
    assert (
        len(sent(fake_api, "/alerts/7/acknowledge")) == len(sent(fake_api, "/alerts/7/close")) == 1
    )


def test_what_was_done_is_told_and_cannot_be_done_again(opened: Open, fake_api: FakeApi) -> None:
    actions = [
        {**AUTHORED, "action": "acknowledge", "detail": ""},
        {**AUTHORED, "action": "comment", "detail": "<b>roulement</b>"},
        {**AUTHORED, "action": "verdict", "detail": "true"},
    ]
    closed = alert(state="closed", closed_at=AT, true_alarm=True, actions=actions)
    fake_api.answers["/alerts"] = (200, alerts(closed))
    screen = opened("alerts")
    screen.query_params["alerte"] = "7"
    screen.run()
    said = "\n".join(text.value for text in screen.markdown)
    assert "- 01/03/2026 13:00:00 : A. Ngo a pris l’alerte en charge" in said
    assert r"a commenté : \<b\>roulement" in said
    assert "a jugé : vraie alerte" in said
    assert "fermée d’elle-même" in said
    assert screen.button(key="alert_acknowledge_").disabled
    assert screen.button(key="alert_close_").disabled
    assert not screen.button(key="alert_verdict_True").disabled


def test_a_refused_action_is_said_once(opened: Open, fake_api: FakeApi) -> None:
    refusal = {"error": "Conflict", "message": "Cette alerte est déjà fermée."}
    fake_api.answers["/alerts/7/close"] = (409, refusal)
    screen = opened("alerts")
    screen.query_params["alerte"] = "7"
    screen.run()
    screen.button(key="alert_close_").click().run()
    assert "déjà fermée" in screen.warning[0].value
    screen.run()
    assert not screen.warning


def test_without_the_right_there_are_no_buttons(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/whoami"] = (200, {"id": "lecture", "scopes": ["read"]})
    screen = opened("alerts")
    screen.query_params["alerte"] = "7"
    screen.run()
    assert not screen.button
    assert any("rôle d’opérateur" in caption.value for caption in screen.caption)


def test_an_alert_that_does_not_exist_is_said(opened: Open) -> None:
    screen = opened("alerts")
    screen.query_params["alerte"] = "99"
    screen.run()
    assert "L’alerte 99 n’existe pas" in screen.info[0].value


def test_the_export_says_what_was_typed_as_it_was_typed() -> None:
    typed = "palier [n°2] ~3 mm,\nvoir *LOCO*"
    actions = [{**AUTHORED, "action": "comment", "detail": typed}]
    content = exported([Alert.model_validate(alert(actions=actions))], cut=False)
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";")
    assert row["Suivi"].endswith("A. Ngo a commenté : palier [n°2] ~3 mm, voir *LOCO*")


@pytest.mark.parametrize(("older", "told"), [(None, 0), (3, 1)])
def test_an_export_that_leaves_some_out_says_so(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch, older: int | None, told: int
) -> None:
    monkeypatch.setattr("cidp.views.alerts.MOST_EXPORTED", 2)
    fake_api.answers["/alerts"] = (200, alerts(alert(8), alert(7), next_before=older))
    found, cut = every(ApiClient(ClientSettings(fake_api.url, None)), {"state": "open"})
    assert [found_one.id for found_one in found] == [8, 7]
    assert exported(found, cut).decode().count("D’autres alertes, plus anciennes") == told


def test_the_export_opens_in_a_french_excel_and_holds_no_formula() -> None:
    actions = [{**AUTHORED, "action": "comment", "detail": "=1+1"}]
    found = [Alert.model_validate(alert(actions=actions, loco_id="-L"))]
    content = exported(found, cut=False)
    assert content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";")
    assert row["Locomotive"] == "'-L"
    assert row["Risque"].replace("\N{NO-BREAK SPACE}", " ") == "81,0 %"
    assert row["Suivi"].endswith("A. Ngo a commenté : =1+1")
    assert b"\r\n" in exported([], cut=False)
