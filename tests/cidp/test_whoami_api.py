from flask.testing import FlaskClient

from cidp.auth import ALL_SCOPES


def test_a_key_is_told_its_name_and_rights(client: FlaskClient) -> None:
    everything = client.get("/whoami", headers={"X-API-KEY": "une-cle-pour-les-tests"})
    assert everything.get_json() == {"id": "tests", "scopes": list(ALL_SCOPES)}

    reading = client.get("/whoami", headers={"X-API-KEY": "une-cle-sans-droits"})
    assert reading.get_json() == {"id": "lecture", "scopes": ["read"]}


def test_an_unknown_key_is_told_nothing(client: FlaskClient) -> None:
    answer = client.get("/whoami", headers={"X-API-KEY": "autre"})
    assert answer.status_code == 401
    assert "scopes" not in answer.get_json()
