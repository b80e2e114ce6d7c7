"""Alerts on either database: opened once, followed by people, closed, exported."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conformity import conforms
from flask.testing import FlaskClient
from postgres import BACK_ENDS
from stores import NOON, batch, event, new_url

from cidp.assembly import Parts, assemble
from cidp.event_batch import Door
from cidp.http_api import app_of
from cidp.settings import AlertSettings, Settings, StoreSettings

KEY = {"X-API-KEY": "une-cle-pour-les-tests"}
READ_ONLY = {"X-API-KEY": "une-cle-sans-droits"}
ACTIONS = ("acknowledge", "comment", "verdict", "close")


@pytest.fixture(params=BACK_ENDS)
def stored(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[Parts]:
    url = new_url(request, request.param, tmp_path)
    changed = {
        "store": StoreSettings(url=url.target, timeout_s=60),
        "alerts": AlertSettings(opening=2, window=3, closing=2),
    }
    parts = assemble(settings.model_copy(update=changed), now=lambda: NOON)
    yield parts
    parts.store.close()


@pytest.fixture
def client(stored: Parts) -> FlaskClient:
    return app_of(stored).test_client()


def get(client: FlaskClient, **query: str) -> Any:
    return conforms(client.get("/alerts", headers=READ_ONLY, query_string=query), "/alerts", "get")


def listed(client: FlaskClient, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(client, **query).json["alerts"]
    return found


def post(
    client: FlaskClient, alert_id: object, action: str, body: Any = None, operator: str = ""
) -> Any:
    headers = KEY | ({"X-Operator": quote(operator)} if operator else {})
    answer = client.post(f"/alerts/{alert_id}/{action}", json=body, headers=headers)
    return conforms(answer, f"/alerts/{{alert_id}}/{action}", "post")


def alarm(parts: Parts, second: float = 0, loco_id: str = "L1", door: Door = "http") -> None:
    critical = [event(second + n / 2, 9 + n, 0.8 + n / 10, loco_id) for n in (0, 1)]
    parts.store.save(batch(*critical, door=door), [], NOON)


def calm(parts: Parts, second: float, risk: float = 0.1, readings: int = 2) -> None:
    parts.store.save(batch(*[event(second + n, risk=risk) for n in range(readings)]), [], NOON)


def test_an_alert_tells_the_reading_that_opened_it(client: FlaskClient, stored: Parts) -> None:
    alarm(stored)
    (alert,) = listed(client)
    assert alert.pop("id") > 0
    assert alert == {
        "series": "real",
        "loco_id": "L1",
        "cause": "vibration",
        "state": "new",
        "opened_at": "2026-03-01T12:00:00.500000Z",
        "closed_at": None,
        "closed_by": None,
        "source": "http",
        "readings": {"flow_rate": 500, "pressure": 5, "vibration": 10, "temperature": 45},
        "risk_probability": 0.9,
        "peak_probability": 0.9,
        "model_version": "v1",
        "true_alarm": None,
        "actions": [],
    }


def test_more_critical_readings_raise_the_peak_and_open_nothing(
    client: FlaskClient, stored: Parts
) -> None:
    alarm(stored)
    stored.store.save(batch(event(2, 12, 0.99), event(3, 12, 0.95)), [], NOON)
    (alert,) = listed(client)
    assert (alert["risk_probability"], alert["peak_probability"]) == (0.9, 0.99)


def test_an_alert_closes_by_itself_after_calm_readings_and_may_open_again(
    client: FlaskClient, stored: Parts
) -> None:
    alarm(stored)
    calm(stored, 10, risk=0.3)  # neither critical nor calm
    calm(stored, 20, readings=1)
    assert listed(client, state="open") != []
    calm(stored, 30, readings=1)
    (alert,) = listed(client)
    assert (alert["state"], alert["closed_by"]) == ("closed", None)
    assert alert["closed_at"] == "2026-03-01T12:00:30.000000Z"
    alarm(stored, 40)
    assert [alert["state"] for alert in listed(client)] == ["new", "closed"]


def test_late_readings_move_no_alert(client: FlaskClient, stored: Parts) -> None:
    calm(stored, 10)
    alarm(stored, 0)
    assert listed(client) == []


def test_the_same_readings_again_move_no_alert(client: FlaskClient, stored: Parts) -> None:
    stored.store.save(batch(event(0, 9, 0.9)), [], NOON)
    stored.store.save(batch(event(0, 9, 0.9)), [], NOON)
    assert listed(client) == []


def test_real_and_simulated_alerts_are_apart(client: FlaskClient, stored: Parts) -> None:
    alarm(stored, 0, door="simulator")
    alarm(stored, 5, door="kafka")
    assert [alert["series"] for alert in listed(client)] == ["real", "simulated"]
    assert [alert["source"] for alert in listed(client, series="simulated")] == ["simulator"]


def test_an_operator_acknowledges_comments_judges_and_closes(
    client: FlaskClient, stored: Parts
) -> None:
    alarm(stored)
    number = listed(client)[0]["id"]
    assert post(client, number, "acknowledge", operator="Aïcha N.").json["state"] == "acknowledged"
    post(client, number, "comment", {"text": "Palier à revoir\nà Bélabo"}, operator="Aïcha N.")
    post(client, number, "verdict", {"true_alarm": False}, operator="Aïcha N.")
    post(client, number, "verdict", {"true_alarm": True})
    alert = post(client, number, "close", operator="Aïcha N.").json
    assert (alert["state"], alert["closed_by"], alert["true_alarm"]) == ("closed", "Aïcha N.", True)
    assert [(a["author"], a["action"], a["detail"]) for a in alert["actions"]] == [
        ("Aïcha N.", "acknowledge", ""),
        ("Aïcha N.", "comment", "Palier à revoir\nà Bélabo"),
        ("Aïcha N.", "verdict", "false"),
        ("tests", "verdict", "true"),  # no X-Operator: the key's name
        ("Aïcha N.", "close", ""),
    ]
    assert {a["at"] for a in alert["actions"]} == {"2026-03-01T12:00:00.000000Z"}
    assert listed(client) == [alert]


def test_acknowledging_twice_is_done_once(client: FlaskClient, stored: Parts) -> None:
    alarm(stored)
    number = listed(client)[0]["id"]
    first = post(client, number, "acknowledge", operator="A")
    assert post(client, number, "acknowledge", operator="B").json == first.json


def test_an_acknowledged_alert_is_not_opened_again(client: FlaskClient, stored: Parts) -> None:
    alarm(stored)
    post(client, listed(client)[0]["id"], "acknowledge")
    alarm(stored, 5)
    assert [alert["state"] for alert in listed(client)] == ["acknowledged"]


def test_after_a_person_closed_it_only_new_critical_readings_open_another(
    client: FlaskClient, stored: Parts
) -> None:
    alarm(stored)
    post(client, listed(client)[0]["id"], "close")
    stored.store.save(batch(event(2, 9, 0.9)), [], NOON)
    assert listed(client, state="open") == []
    stored.store.save(batch(event(3, 9, 0.9)), [], NOON)
    assert [alert["state"] for alert in listed(client)] == ["new", "closed"]


def test_a_closed_alert_is_neither_acknowledged_nor_closed_again(
    client: FlaskClient, stored: Parts
) -> None:
    alarm(stored)
    number = listed(client)[0]["id"]
    post(client, number, "close")
    for action in ("close", "acknowledge"):
        answer = post(client, number, action)
        assert (answer.status_code, "déjà fermée" in answer.json["message"]) == (409, True)
    assert post(client, number, "verdict", {"true_alarm": False}).status_code == 200
    assert post(client, number, "comment", {"text": "capteur débranché"}).status_code == 200


def test_an_unknown_alert_is_not_found(client: FlaskClient) -> None:
    bodies = {"comment": {"text": "?"}, "verdict": {"true_alarm": True}}
    for action in ACTIONS:
        for number in ("1", "0", "-1", "x", "9223372036854775808", "1e3", "٣"):
            assert post(client, number, action, bodies.get(action)).status_code == 404


def test_an_unknown_alert_is_named_as_it_was_asked_for(client: FlaskClient) -> None:
    digits = "12345678901234567890123"
    assert f"numéro {digits}." in post(client, digits, "close").json["message"]
    assert f"numéro {'9' * 40}…." in post(client, "9" * 5000, "close").json["message"]


def test_a_body_that_says_something_else_is_refused(client: FlaskClient, stored: Parts) -> None:
    alarm(stored)
    alert = listed(client)[0]
    for body in ({}, {"text": ""}, {"text": "x" * 2001}, {"text": "\x00"}, {"text": 7}):
        assert post(client, alert["id"], "comment", body).status_code == 400
    assert post(client, alert["id"], "comment", {"text": "a", "other": 1}).status_code == 400
    for verdict in ("true", 1, None):
        assert post(client, alert["id"], "verdict", {"true_alarm": verdict}).status_code == 400
    assert post(client, alert["id"], "verdict", [True]).status_code == 400
    assert post(client, alert["id"], "verdict").status_code == 415
    assert listed(client) == [alert]


def test_a_name_that_a_spreadsheet_or_a_screen_could_mistake_is_refused(
    client: FlaskClient, stored: Parts
) -> None:
    alarm(stored)
    for name in ("=SUM(A1)", "a\tb", "x" * 81, "<b>", "@a"):
        answer = post(client, listed(client)[0]["id"], "close", operator=name)
        assert answer.json["details"][0]["field"] == "X-Operator"
    assert listed(client)[0]["state"] == "new"


def test_a_name_with_accents_is_percent_encoded(client: FlaskClient, stored: Parts) -> None:
    alarm(stored)
    path = f"/alerts/{listed(client)[0]['id']}/acknowledge"
    answer = client.post(path, headers=KEY | {"X-Operator": "A%C3%AFcha Ngo"})
    assert answer.get_json()["actions"][0]["author"] == "Aïcha Ngo"
    assert client.post(path, headers=KEY | {"X-Operator": "A%C3cha"}).status_code == 400


def test_a_key_that_only_reads_changes_nothing(client: FlaskClient, stored: Parts) -> None:
    alarm(stored)
    number = listed(client)[0]["id"]
    for action in ACTIONS:
        answer = client.post(f"/alerts/{number}/{action}", headers=READ_ONLY, json={})
        assert answer.status_code == 403
    assert listed(client)[0]["state"] == "new"


def test_alerts_are_narrowed_and_paged(client: FlaskClient, stored: Parts) -> None:
    for second, loco_id in ((0, "L1"), (10, "L2"), (20, "L3")):
        alarm(stored, second, loco_id)
    newest = [alert["id"] for alert in listed(client)]
    assert [alert["loco_id"] for alert in listed(client)] == ["L3", "L2", "L1"]
    first = get(client, limit="2").json
    assert (first["next_before"], len(first["alerts"])) == (newest[1], 2)
    second = get(client, limit="2", before=str(first["next_before"])).json
    assert [alert["id"] for alert in second["alerts"]] == newest[2:]
    assert second["next_before"] is None
    assert [a["loco_id"] for a in listed(client, since="2026-03-01T12:00:10.5Z")] == ["L3", "L2"]
    assert [a["loco_id"] for a in listed(client, loco_id="L2")] == ["L2"]
    post(client, newest[0], "acknowledge")
    post(client, newest[1], "close")
    post(client, newest[1], "verdict", {"true_alarm": False})
    for state, expected in {
        "new": ["L1"], "acknowledged": ["L3"], "closed": ["L2"], "open": ["L3", "L1"],
    }.items():  # fmt: skip
        assert [alert["loco_id"] for alert in listed(client, state=state)] == expected
    assert [a["loco_id"] for a in listed(client, judged="true")] == ["L2"]
    assert [a["loco_id"] for a in listed(client, judged="false")] == ["L3", "L1"]


def test_alerts_are_given_as_csv_with_the_verdicts(client: FlaskClient, stored: Parts) -> None:
    alarm(stored, 0, "L1")
    alarm(stored, 10, "L2")
    post(client, listed(client)[0]["id"], "verdict", {"true_alarm": True}, operator="A")
    answer = client.get("/alerts?limit=1", headers=READ_ONLY | {"Accept": "text/csv"})
    assert answer.mimetype == "text/csv"
    (row,) = csv.DictReader(StringIO(answer.text))
    assert (row["loco_id"], row["vibration"], row["risk_probability"]) == ("L2", "10.0", "0.9")
    assert (row["verdict"], row["verdict_by"]) == ("true", "A")
    assert answer.headers["X-Next-Before"] == row["id"]
    rest = client.get(f"/alerts?before={row['id']}", headers=READ_ONLY | {"Accept": "text/csv"})
    (last,) = csv.DictReader(StringIO(rest.text))
    assert (last["loco_id"], last["verdict"]) == ("L1", "")
    assert "X-Next-Before" not in rest.headers


def test_a_filter_that_cannot_be_used_is_named(client: FlaskClient) -> None:
    for field, value in (
        ("state", "gone"), ("since", "noon"), ("limit", "1001"), ("before", "x"), ("loco_id", "\0"),
    ):  # fmt: skip
        answer = get(client, **{field: value})
        assert [detail["field"] for detail in answer.json["details"]] == [field]
