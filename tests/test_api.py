"""The API as a client that follows the operating file sees it: health, key, schema."""

import os
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.api import app

HEADERS = {"X-API-KEY": os.environ.get("API_KEY") or "entreprise_secret_key_2026"}
NOMINAL: dict[str, Any] = {
    "loco_id": "LOCO_001",
    "flow_rate": 500,
    "pressure": 5.0,
    "vibration": 2.0,
    "temperature": 45.0,
}


@pytest.fixture
def client() -> FlaskClient:
    return app.test_client()


def test_health(client: FlaskClient) -> None:
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json is not None
    assert response.json["status"] == "ok"
    assert response.json["service"] == "camrail-ml-api"


def test_predict_unauthorized(client: FlaskClient) -> None:
    response = client.post("/predict", json=NOMINAL)
    assert response.status_code == 401
    assert response.json is not None
    assert response.json["error"] == "Unauthorized"


def test_predict_with_a_wrong_key_is_unauthorized(client: FlaskClient) -> None:
    response = client.post("/predict", json=NOMINAL, headers={"X-API-KEY": "mauvaise"})
    assert response.status_code == 401
    assert response.json is not None
    assert response.json["error"] == "Unauthorized"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"flow_rate": "abc"}, "flow_rate"),
        ({"vibration": True}, "vibration"),
        ({"temperature": None}, "temperature"),
        ({"pressure": -1}, "pressure"),
        ({"loco_id": ""}, "loco_id"),
        ({"inconnu": 1}, "inconnu"),
    ],
)
def test_predict_schema_validation(client: FlaskClient, change: dict[str, Any], field: str) -> None:
    response = client.post("/predict", json=NOMINAL | change, headers=HEADERS)
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["error"] == "Data Validation Failed"
    assert [detail["field"] for detail in response.json["details"]] == [field]


def test_predict_missing_field(client: FlaskClient) -> None:
    body = {name: value for name, value in NOMINAL.items() if name != "vibration"}
    response = client.post("/predict", json=body, headers=HEADERS)
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["details"][0]["field"] == "vibration"


def test_predict_answers_a_risk_or_says_that_no_model_is_there_yet(client: FlaskClient) -> None:
    response = client.post("/predict", json=NOMINAL, headers=HEADERS)
    assert response.json is not None
    if response.status_code == 200:
        assert response.json["critical_risk"] in {0, 1}
        assert 0 <= response.json["risk_probability"] <= 1
        assert response.json["loco_id"] == "LOCO_001"
    else:
        assert response.status_code == 503
        assert "bootstrap_local.py" in response.json["message"]
