"""`POST /predict/batch` answers in kind, within its bounds, and is counted."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from test_http_api import KEY, READ_ONLY, READING, conforms, content, fields, predict, value
from werkzeug.test import TestResponse

from cidp.assembly import Parts
from cidp.http_api import app_of
from cidp.settings import Settings

ALARM = READING | {"vibration": 15, "temperature": 120}
HEADER = "loco_id,flow_rate,pressure,vibration,temperature\n"


def send(client: FlaskClient, body: Any, kind: str = "application/json") -> TestResponse:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    answer = client.post("/predict/batch", data=raw, content_type=kind, headers=KEY)
    if answer.mimetype == "application/json":
        return conforms(answer, "/predict/batch", "post")
    return answer


def test_each_row_has_what_predict_says_of_it(client: FlaskClient) -> None:
    body = content(send(client, [READING, ALARM, READING | {"vibration": 99}]))
    for row, one in zip(
        body["results"], (READING, ALARM, READING | {"vibration": 99}), strict=True
    ):
        alone = content(predict(client, one))
        assert row == {name: alone[name] for name in row}
        assert (body["model_version"], body["threshold"]) == (
            alone["model_version"],
            alone["threshold"],
        )
    assert (body["scored"], body["refused"]) == (3, 0)


def test_a_refused_row_leaves_the_others(client: FlaskClient, parts: Parts) -> None:
    body = content(send(client, [READING, {}, ALARM]))
    assert [("error" in row) for row in body["results"]] == [False, True, False]
    assert value(parts, "api_predictions_total") == 2
    assert value(parts, "api_risk_alerts_total") == 1
    assert value(parts, "api_batch_rows_refused_total") == 1


def test_readings_spread_over_a_batch_count_for_drift(client: FlaskClient, parts: Parts) -> None:
    body = content(send(client, [READING | {"pressure": n / 100} for n in range(1_001)]))
    noted = parts.recent.rows()
    noted = noted[noted[:, 0] > 0]
    assert noted[:, 2].tolist() == [n / 100 for n in range(0, 1_001, 3)]
    assert noted[1, 5].round(4) == body["results"][3]["risk_probability"]
    send(client, [READING, "refused", ALARM])
    noted = parts.recent.rows()
    assert noted[noted[:, 0] > 0][-2:, 3].tolist() == [READING["vibration"], ALARM["vibration"]]


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl; charset=utf-8"])
def test_lines_are_answered_by_lines(client: FlaskClient, kind: str) -> None:
    answer = send(client, f"{json.dumps(READING)}\nno\n", kind)
    assert answer.mimetype == kind.partition(";")[0]
    good, bad = map(json.loads, answer.text.splitlines())
    assert good["critical_risk"] == 0
    assert bad["details"][0]["message"] == "JSON invalide"
    assert answer.headers["X-Model-Version"]


def test_a_table_is_answered_by_a_table(client: FlaskClient) -> None:
    answer = send(client, HEADER + "L1,500,5,15,120\n", "text/csv")
    assert answer.mimetype == "text/csv"
    assert answer.text.splitlines()[1].startswith("L1,1,")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "a/b"])
def test_another_kind_is_refused_by_name(client: FlaskClient, kind: str) -> None:
    answer = send(client, "[]", kind)
    assert answer.status_code == 415
    assert "text/csv" in content(answer)["message"]


def test_rows_and_bytes_are_bounded(settings: Settings, parts: Parts) -> None:
    api = settings.api.model_copy(update={"batch_max_rows": 3, "batch_max_bytes": 2048})
    bounded = parts._replace(settings=settings.model_copy(update={"api": api}))
    client = app_of(bounded).test_client()
    answer = send(client, [READING] * 4)
    assert answer.status_code == 413
    assert "Au plus 3 lectures" in content(answer)["message"]
    assert send(client, b"[" + b" " * 2048).status_code == 413


@pytest.mark.parametrize("raw", ["", "{", "{}", "[]", "null"])
def test_a_body_without_readings_is_refused(client: FlaskClient, raw: str) -> None:
    assert fields(send(client, raw)) == ["body"]


def test_the_key_must_be_allowed_to_predict(client: FlaskClient) -> None:
    for headers, status in (({}, 401), (READ_ONLY, 403)):
        answer = client.post("/predict/batch", json=[READING], headers=headers)
        assert conforms(answer, "/predict/batch", "post").status_code == status


def explained(client: FlaskClient, query: str, body: Any = ALARM) -> TestResponse:
    answer = client.post(f"/predict?{query}", json=body, headers=KEY)
    return conforms(answer, "/predict", "post")


def test_an_explanation_is_given_when_asked_for(client: FlaskClient) -> None:
    assert "explanation" not in content(explained(client, "explain=0"))
    body = content(explained(client, "explain=1"))
    why = body["explanation"]
    total = why["base_probability"] + sum(why["contributions"].values())
    assert total == pytest.approx(why["probability"], abs=1e-6)
    assert round(why["probability"], 4) == body["risk_probability"]
    repaired = content(predict(client, ALARM | why["counterfactual"]["changes"]))
    assert (body["critical_risk"], repaired["critical_risk"]) == (1, 0)
    assert content(explained(client, "explain=1", READING))["explanation"]["counterfactual"] is None


@pytest.mark.parametrize("query", ["explain=2", "explain=", "explain=true", "explain=1&explain=1"])
def test_another_wish_to_explain_is_refused(app: Flask, query: str) -> None:
    assert fields(explained(app.test_client(), query)) == ["explain"]


@pytest.mark.parametrize("path", ["/predict/batch", "/predict"])
def test_a_what_if_counts_nowhere(app: Flask, parts: Parts, path: str) -> None:
    client = app.test_client()
    body = READING if path == "/predict" else [READING, ALARM]
    for query, counted in (("hypothetical=1", 0), ("hypothetical=0", 1)):
        answer = client.post(f"{path}?{query}", json=body, headers=KEY)
        assert conforms(answer, path, "post").status_code == 200
        assert (value(parts, "api_predictions_total") > 0) == bool(counted)
        assert parts.recent.rows().any() == bool(counted)
    refused = client.post(f"{path}?hypothetical=oui", json=body, headers=KEY)
    assert fields(conforms(refused, path, "post")) == ["hypothetical"]


@pytest.mark.parametrize("query", ["explian=1", "explain=1&x=2", "%ff=1", "=&"])
def test_an_unknown_parameter_is_refused(app: Flask, query: str) -> None:
    assert fields(explained(app.test_client(), query)) == ["query"]
