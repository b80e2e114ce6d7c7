"""The HTTP contract: order of refusals, JSON everywhere, never a 5xx for what a client sends."""

import json
import re
import sqlite3
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conformity import SPEC, conforms
from flask import Flask, Response
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loguru import logger
from werkzeug.test import TestResponse

from cidp.assembly import Parts, assemble
from cidp.front import REFUSED
from cidp.http_api import RETRY_AFTER_S, ScoringApi, app_of, create_app
from cidp.registry import Registry
from cidp.settings import ApiSettings, Settings

KEY = {"X-API-KEY": "une-cle-pour-les-tests"}
READ_ONLY = {"X-API-KEY": "une-cle-sans-droits"}
JSON = {"Content-Type": "application/json"}
READING: dict[str, Any] = {
    "loco_id": "LOCO_001",
    "flow_rate": 500,
    "pressure": 5,
    "vibration": 2,
    "temperature": 45,
}
EVENT = READING | {"timestamp": "2026-03-01T11:00:00Z"}


def predict(client: FlaskClient, body: Any = None, **options: Any) -> TestResponse:
    options.setdefault("headers", KEY)
    sent = {"data": body, "content_type": "application/json"} if isinstance(body, bytes) else {}
    answer = client.post("/predict", **({"json": body or READING} if not sent else sent), **options)
    return conforms(answer, "/predict", "post")


def ingest(client: FlaskClient, body: Any, **options: Any) -> TestResponse:
    options.setdefault("headers", KEY)
    sent = {"data": body, "content_type": "application/json"} if isinstance(body, bytes) else {}
    answer = client.post("/telemetry", **({"json": body} if not sent else sent), **options)
    return conforms(answer, "/telemetry", "post")


def content(response: TestResponse) -> dict[str, Any]:
    assert isinstance(response.json, dict)
    return response.json


def fields(response: TestResponse) -> list[str]:
    assert response.status_code == 400
    return [detail["field"] for detail in content(response)["details"]]


def value(parts: Parts, name: str, **labels: str) -> float:
    return parts.metrics.registry.get_sample_value(name, labels) or 0


def test_health_needs_no_model_and_no_key(client: FlaskClient, models: Path) -> None:
    (models / "promoted.json").unlink()
    body = content(conforms(client.get("/health"), "/health", "get"))
    assert body["status"] == "ok"
    assert body["service"] == "camrail-ml-api"


def test_predict_answers_the_contract(client: FlaskClient, bundles: list[Path]) -> None:
    body = content(predict(client))
    assert body["critical_risk"] == 0
    assert body["loco_id"] == "LOCO_001"
    assert body["model_version"] == bundles[0].name
    assert body["warnings"] == []
    assert round(body["risk_probability"], 4) == body["risk_probability"]
    assert content(predict(client, READING | {"vibration": 15, "temperature": 120}))[
        "critical_risk"
    ]


def test_predict_warns_outside_the_trained_domain(client: FlaskClient) -> None:
    warnings = content(predict(client, READING | {"vibration": 99}))["warnings"]
    assert warnings == ["hors domaine : vibration 99 mm/s, appris de 0 à 20 mm/s"]


def test_predict_stores_nothing(client: FlaskClient, parts: Parts) -> None:
    predict(client)
    assert not parts.settings.store.address.path.exists()


@pytest.mark.parametrize("path", ["/predict", "/telemetry"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{" * 100, "application/json"),
        (b"x" * 5_000_000, "application/json"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b"", None),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"X-API-KEY": "autre"}, {"X-API-KEY": "cl\u00e9\u00ff"}])
def test_without_a_known_key_the_body_is_not_looked_at(
    client: FlaskClient, path: str, body: bytes, kind: str | None, headers: dict[str, str]
) -> None:
    response = client.post(path, data=body, content_type=kind, headers=headers)
    assert response.status_code == 401
    assert content(response)["error"] == "Unauthorized"
    assert conforms(response, path, "post").headers["WWW-Authenticate"].startswith("ApiKey")


def test_a_key_without_the_scope_is_forbidden_by_name(client: FlaskClient) -> None:
    for response in (
        predict(client, headers=READ_ONLY),
        ingest(client, EVENT, headers=READ_ONLY),
    ):
        assert response.status_code == 403
        assert "lecture" in content(response)["message"]


@pytest.mark.parametrize("path", ["/predict", "/telemetry"])
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", None])
def test_a_body_that_is_not_announced_as_json_is_refused(
    client: FlaskClient, path: str, kind: str | None
) -> None:
    response = client.post(path, data=json.dumps(READING), content_type=kind, headers=KEY)
    assert conforms(response, path, "post").status_code == 415


def test_a_charset_beside_the_type_is_accepted(client: FlaskClient) -> None:
    response = client.post(
        "/predict",
        data=json.dumps(READING),
        content_type="application/json; charset=utf-8",
        headers=KEY,
    )
    assert response.status_code == 200


@pytest.mark.parametrize("post", [predict, ingest])
def test_a_large_body_is_refused_with_or_without_its_length(client: FlaskClient, post: Any) -> None:
    large = b'{"loco_id": "' + b"x" * 5_000_000 + b'"}'
    assert post(client, large).status_code == 413
    streamed = {
        "input_stream": BytesIO(large),
        "environ_overrides": {"wsgi.input_terminated": True},
    }
    path = "/predict" if post is predict else "/telemetry"
    response = client.post(path, content_type="application/json", headers=KEY, **streamed)
    assert conforms(response, path, "post").status_code == 413


def test_a_body_of_exactly_the_limit_is_read(client: FlaskClient) -> None:
    raw = json.dumps(READING).encode()
    assert predict(client, raw + b" " * (16_384 - len(raw))).status_code == 200
    assert predict(client, raw + b" " * (16_385 - len(raw))).status_code == 413


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b'"vibration": NaN', "vibration"),
        (b'"vibration": -Infinity', "vibration"),
        (b'"vibration": 1e308', "vibration"),
        (b'"vibration": "abc"', "vibration"),
        (b'"vibration": true', "vibration"),
        (b'"vibration": null', "vibration"),
        (b'"vibration": 1, "vibration": 2', "vibration"),
        (b'"x": 1, "vibration": 2', "x"),
    ],
)
def test_a_refused_field_is_named(client: FlaskClient, text: bytes, field: str) -> None:
    raw = json.dumps(READING).encode().replace(b'"vibration": 2', text)
    assert fields(predict(client, raw)) == [field]


@pytest.mark.parametrize("loco_id", ["", "x" * 10_000, "L\x00", "L\n", "<script>"])
def test_a_refused_locomotive_is_not_echoed(client: FlaskClient, loco_id: str) -> None:
    response = predict(client, READING | {"loco_id": loco_id})
    assert fields(response) == ["loco_id"]
    assert len(response.data) < 800


@pytest.mark.parametrize("raw", [b"", b"{", b"[1,2]", b"null", b"\xff", b"[" * 10_000])
def test_a_refused_body_is_named_as_a_whole(client: FlaskClient, raw: bytes) -> None:
    assert fields(predict(client, raw)) == ["body"]


def test_telemetry_is_stored_once(client: FlaskClient, parts: Parts) -> None:
    first = content(ingest(client, EVENT))
    assert (first["stored"], first["duplicates"], first["conflicts"]) == (1, 0, 0)
    assert first["results"][0]["timestamp"] == "2026-03-01T11:00:00.000000Z"
    again = content(ingest(client, [EVENT, EVENT | {"vibration": 3}]))
    assert (again["stored"], again["duplicates"], again["conflicts"]) == (0, 1, 1)
    assert [result["outcome"] for result in again["results"]] == ["duplicate", "conflict"]
    assert value(parts, "api_drift_readings", source="telemetry") == 1


def test_one_bad_event_refuses_the_request_by_position(client: FlaskClient, parts: Parts) -> None:
    late = EVENT | {"timestamp": "2020-01-01T00:00:00Z"}
    assert fields(ingest(client, [EVENT, late])) == ["1.timestamp"]
    assert parts.store.last_event() is None


def test_a_locked_store_answers_503_and_the_retry_succeeds(
    client: FlaskClient, parts: Parts
) -> None:
    assert parts.store.last_event() is None
    other = sqlite3.connect(parts.settings.store.address.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    response = ingest(client, EVENT)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "rien n'a été enregistré" in content(response)["message"]
    other.execute("ROLLBACK")
    other.close()
    assert content(ingest(client, EVENT))["stored"] == 1


def test_without_a_model_predict_says_what_to_do(client: FlaskClient, models: Path) -> None:
    (models / "promoted.json").unlink()
    response = predict(client)
    assert response.status_code == 503
    assert "bootstrap_local.py" in content(response)["message"]
    assert predict(client, READING | {"vibration": "x"}).status_code == 400
    ready = conforms(client.get("/ready"), "/ready", "get")
    assert ready.status_code == 503
    assert content(ready)["model"]["status"] == "missing"


def test_ready_is_200_once_the_model_serves(client: FlaskClient) -> None:
    predict(client)
    assert conforms(client.get("/ready"), "/ready", "get").status_code == 200


def test_a_promotion_while_requests_run_never_shows(
    app: Flask, models: Path, bundles: list[Path]
) -> None:
    client = app.test_client()
    seen = {content(predict(client))["model_version"]}
    for turn in range(40):
        Registry(models).promote(bundles[turn % 2].name)
        for _ in range(3):
            response = predict(client)
            assert response.status_code == 200
            seen.add(content(response)["model_version"])
    assert seen <= {bundle.name for bundle in bundles}


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/predict", 405, {"POST", "OPTIONS"}),
        ("PUT", "/telemetry", 405, {"POST", "OPTIONS"}),
        ("POST", "/health", 405, {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/health", 405, {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/nothing", 404, set()),
        ("GET", "/health/", 404, set()),
        ("POST", "/predict/..%2f", 404, set()),
    ],
)
def test_wrong_addresses_and_methods_are_answered_in_json(
    client: FlaskClient, method: str, path: str, status: int, allowed: set[str]
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    checked = jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/Error", "components": SPEC["components"]}
    )
    checked.validate(response.json)
    assert set(response.headers.get("Allow", "").replace(" ", "").split(",")) - {""} == allowed


def test_head_and_options_have_no_body(client: FlaskClient) -> None:
    assert client.head("/health").status_code == 200
    assert client.head("/health").data == b""
    options = client.options("/predict")
    assert options.status_code == 200
    assert "POST" in options.headers["Allow"]


def test_every_answer_carries_the_safety_headers(client: FlaskClient) -> None:
    for response in (client.get("/health"), client.get("/nowhere"), client.post("/predict")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Server"] == "camrail"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_a_page_keeps_a_policy_of_its_own(app: Flask) -> None:
    app.add_url_rule("/page", view_func=lambda: ("x", {"Content-Security-Policy": "img-src x"}))
    response = app.test_client().get("/page")
    assert response.headers.getlist("Content-Security-Policy") == ["img-src x"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_hooks_that_somebody_registers_are_called(app: Flask) -> None:
    called: list[str] = []

    @app.before_request
    def before() -> None:
        called.append("before")

    @app.after_request
    def after(response: Response) -> Response:
        called.append("after")
        response.headers["X-Added"] = "1"
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        called.append("end")

    @app.teardown_appcontext
    def context_end(_: BaseException | None) -> None:
        called.append("context end")

    answer = predict(app.test_client())
    assert answer.status_code == 200
    assert answer.headers["X-Added"] == "1"
    assert called == ["before", "after", "end", "context end"]


HOSTS = ["autre.example", "127.0.0.1.autre.example", "", "a b", "x" * 300]


@pytest.mark.parametrize("host", HOSTS)
def test_a_server_of_this_machine_alone_answers_only_under_its_names(
    client: FlaskClient, host: str
) -> None:
    answer = predict(client, headers=KEY | {"Host": host})
    assert answer.status_code == 421
    assert "API_TRUSTED_HOSTS" in content(answer)["message"]
    for name in ("localhost", "127.0.0.1:5000", "[::1]:5000", "LOCALHOST:1"):
        assert predict(client, headers=KEY | {"Host": name}).status_code == 200


@pytest.mark.parametrize("host", HOSTS)
def test_a_server_of_the_network_answers_under_any_name_unless_told(
    parts: Parts, host: str
) -> None:
    def answered(**api: Any) -> int:
        settings = parts.settings.model_copy(update={"api": ApiSettings(host="0.0.0.0", **api)})  # noqa: S104
        asked = app_of(assemble(settings)).test_client()
        return asked.get("/health", headers={"Host": host}).status_code

    assert answered() == 200
    assert answered(trusted_hosts=("api.example",)) == 421


def test_an_id_that_is_sane_is_kept_and_any_other_replaced(client: FlaskClient) -> None:
    sent = KEY | {"X-Request-ID": "essai-42.b"}
    assert predict(client, headers=sent).headers["X-Request-ID"] == "essai-42.b"
    assert content(predict(client, b"", headers=sent))["instance"] == "/requests/essai-42.b"
    made = {
        predict(client, headers=KEY | {"X-Request-ID": bad}).headers["X-Request-ID"]
        for bad in ("", "é", "a b", "x" * 65, "../x", "a,b")
    }
    assert len(made) == 6
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in made)


@pytest.mark.parametrize(("status", "path"), [(408, "/predict"), (503, "/nowhere")])
def test_what_the_front_could_not_read_is_refused_and_counted(
    client: FlaskClient, parts: Parts, status: int, path: str
) -> None:
    answer = client.post(path, json=READING, headers=KEY, environ_overrides={REFUSED: status})
    assert conforms(answer, "/predict", "post").status_code == status
    assert answer.headers.get("Retry-After") == (RETRY_AFTER_S if status == 503 else None)
    count = {"route": path if status == 408 else "unmatched", "status": str(status)}
    assert value(parts, "api_requests_total", method="POST", **count) == 1


def test_only_a_prediction_with_a_model_and_without_options_is_quick(
    app: ScoringApi, parts: Parts
) -> None:
    def quick(path: str, query: str = "") -> bool:
        return app.is_quick({"PATH_INFO": path, "QUERY_STRING": query})

    assert not quick("/predict")
    parts.model.refresh()
    assert quick("/predict")
    assert quick("/health")
    assert not quick("/predict", "explain=1")
    assert not quick("/telemetry")


def test_the_answer_to_an_encrypted_request_asks_for_encryption_from_now_on(
    client: FlaskClient,
) -> None:
    name = "Strict-Transport-Security"
    assert name in client.get("/health", base_url="https://localhost").headers
    assert name not in client.get("/health").headers


def test_a_doubled_slash_is_another_address_and_no_redirect(app: Flask) -> None:
    app.add_url_rule("/fleet/all", view_func=lambda: "ok")
    answer = app.test_client().get("/fleet//all")
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize("length", ["-1", "abc", "9" * 5000, "1e3", "²"])
def test_a_length_that_is_no_number_is_refused_never_crashing(
    client: FlaskClient, length: str
) -> None:
    answer = predict(client, environ_overrides={"CONTENT_LENGTH": length})
    assert answer.status_code in {400, 413}


def test_a_body_shorter_than_announced_is_refused(client: FlaskClient) -> None:
    raw = json.dumps(READING).encode()
    answer = client.post(
        "/predict",
        input_stream=BytesIO(raw[:-5]),
        headers=KEY,
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(len(raw))},
    )
    assert fields(conforms(answer, "/predict", "post")) == ["body"]


def test_an_unexpected_error_is_logged_and_answered_without_its_trace(
    client: FlaskClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(type(parts.model), "bundle", broken)
    response = predict(client)
    assert response.status_code == 500
    assert "journal" in content(response)["message"]
    assert b"secret cause" not in response.data


def test_metrics_count_what_was_answered(client: FlaskClient, parts: Parts) -> None:
    predict(client)
    predict(client, READING | {"vibration": 15, "temperature": 120})
    predict(client, b"")
    ingest(client, EVENT)
    client.get("/nowhere/LOCO_001")
    assert value(parts, "api_predictions_total") == 2
    assert value(parts, "api_risk_alerts_total") == 1
    count = "api_requests_total"
    assert value(parts, count, route="/predict", method="POST", status="400") == 1
    duration = "api_request_duration_seconds_count"
    assert value(parts, duration, route="/predict", method="POST", status="200") == 2
    assert value(parts, "api_drift_readings", source="predict") == 2
    assert value(parts, "api_drift_readings", source="telemetry") == 1
    assert value(parts, count, route="unmatched", method="GET", status="404") == 1
    text = client.get("/metrics")
    assert text.mimetype == "text/plain"
    assert "api_prediction_latency_seconds_bucket" in text.text
    assert 'telemetry_source_info{mode="http"} 1.0' in text.text
    assert "LOCO_001" not in text.text


def test_concurrent_requests_are_counted_exactly(app: Flask, parts: Parts) -> None:
    statuses: list[int] = []

    def work() -> None:
        client = app.test_client()
        statuses.extend(
            client.post("/predict", json=READING, headers=KEY).status_code for _ in range(50)
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 400
    assert value(parts, "api_predictions_total") == 400
    assert value(parts, "api_prediction_latency_seconds_count") == 400


def test_the_environment_makes_an_application_that_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMRAIL_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("CAMRAIL_EVENT_STORE", str(tmp_path / "events.sqlite"))
    monkeypatch.setenv("API_KEY", "une-autre-cle")
    before = set(threading.enumerate())
    app = create_app()
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) <= before
    assert app.test_client().get("/health").status_code == 200


def test_the_demonstration_key_is_unknown_from_another_machine(
    parts: Parts, tmp_path: Path
) -> None:
    local = Settings.from_environ({"CAMRAIL_EVENT_STORE": str(tmp_path / "e.sqlite")})
    client = create_app(local.model_copy(update={"model": parts.settings.model})).test_client()
    headers = {"X-API-KEY": "entreprise_secret_key_2026"}
    assert client.post("/predict", json=READING, headers=headers).status_code == 200
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    response = client.post("/predict", json=READING, headers=headers, environ_base=elsewhere)
    assert response.status_code == 401


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={name: JUNK | st.just(good) for name, good in (EVENT | {"surplus": 1}).items()},
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    folder = tmp_path_factory.mktemp("fuzz")
    made = Settings.from_environ(
        {
            "CAMRAIL_MODELS_DIR": str(folder / "models"),
            "CAMRAIL_EVENT_STORE": str(folder / "events.sqlite"),
            "API_KEY": KEY["X-API-KEY"],
        }
    )
    return create_app(made).test_client()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(["/predict", "/telemetry"]), raw=st.binary(max_size=300))
@example(path="/predict", raw=b'{"a":' * 1000)
def test_random_bytes_are_refused_never_crashing(
    fuzzed: FlaskClient, path: str, raw: bytes
) -> None:
    response = fuzzed.post(path, data=raw, content_type="application/json", headers=KEY)
    assert conforms(response, path, "post").status_code == 400


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(["/predict", "/telemetry"]),
    body=NEARLY | st.lists(NEARLY, max_size=3) | JUNK,
)
def test_random_json_is_judged_never_crashing(fuzzed: FlaskClient, path: str, body: Any) -> None:
    """Without a model a valid body ends in 503, which tells it from a refused one."""
    raw = json.dumps(body).encode()
    response = fuzzed.post(path, data=raw, content_type="application/json", headers=KEY)
    assert conforms(response, path, "post").status_code in {400, 503}


def test_neither_a_key_nor_a_body_reaches_the_log(client: FlaskClient, models: Path) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level=0, format="{message}")
    secret = READING | {"loco_id": "LOCO-DISCRETE"}
    try:
        predict(client, secret)
        predict(client, secret | {"vibration": "LOCO-DISCRETE"})
        predict(client, secret, headers=READ_ONLY)
        predict(client, secret, headers={"X-API-KEY": "une-fausse-cle"})
        ingest(client, EVENT | {"loco_id": "LOCO-DISCRETE"})
    finally:
        logger.remove(sink)
    said = "".join(lines)
    assert "droit predict manquant" in said
    for hidden in ("LOCO-DISCRETE", "une-fausse-cle", *KEY.values(), *READ_ONLY.values()):
        assert hidden not in said
