import socket
import threading

import pytest
from fake_api import FakeApi, readiness, score

from cidp.api_client import (
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    READY_TIMEOUT_S,
    REPORT,
    ApiClient,
    ClientSettings,
    UncheckedReading,
)
from cidp.api_errors import (
    ApiError,
    ApiTooSlow,
    ApiUnreachable,
    KeyRefused,
    ModelMissing,
    ReadingRefused,
    TooManyCalls,
    UnexpectedAnswer,
)
from cidp.auth import DEMO_KEY

READING = UncheckedReading("LOCO_001", 500.0, 5.0, 2.0, 45.0)


@pytest.fixture
def api_client(fake_api: FakeApi) -> ApiClient:
    return ApiClient(ClientSettings(fake_api.url, "clé d’essai"))


def test_a_reading_becomes_a_prediction(fake_api: FakeApi, api_client: ApiClient) -> None:
    prediction = api_client.predict(READING)

    assert (prediction.critical_risk, prediction.risk_probability) == (0, 0.0272)
    (request,) = fake_api.received
    assert request.body == {
        "loco_id": "LOCO_001",
        "flow_rate": 500.0,
        "pressure": 5.0,
        "vibration": 2.0,
        "temperature": 45.0,
    }
    assert request.key
    assert request.key.encode("latin-1").decode() == "clé d’essai"


def test_the_key_is_shown_only_where_it_is_needed(fake_api: FakeApi, api_client: ApiClient) -> None:
    api_client.ready()
    assert [request.key for request in fake_api.received] == [None]


def test_ready_reads_both_what_is_well_and_what_is_not(
    fake_api: FakeApi, api_client: ApiClient
) -> None:
    assert api_client.ready().source.mode == "simulator"

    missing = {"status": "missing", "version": None, "error": "rien à servir"}
    fake_api.ready = (503, readiness(status="not_ready", model=missing))
    assert api_client.ready().model.error == "rien à servir"


@pytest.mark.parametrize(
    ("status", "body", "expected", "said"),
    [
        (401, {"error": "Unauthorized"}, KeyRefused, "variable API_KEY.*API_KEYS_FILE"),
        (403, {"error": "Forbidden", "message": "droit absent"}, KeyRefused, "API_KEY"),
        (429, {"error": "Too Many Requests", "message": "dans 6 s"}, TooManyCalls, "dans 6 s"),
        (503, {"error": "No Model", "message": "chargement"}, ModelMissing, "chargement"),
        (503, b"<html>mandataire</html>", UnexpectedAnswer, "HTTP 503"),
        (404, {"error": "Not Found"}, UnexpectedAnswer, "HTTP 404 : Not Found"),
        (302, b"", UnexpectedAnswer, "HTTP 302"),
        (200, b"<html>autre service</html>", UnexpectedAnswer, "JSON"),
        (200, {"critical_risk": 2}, UnexpectedAnswer, "critical_risk"),
        (200, b"[]", UnexpectedAnswer, "JSON"),
    ],
)
def test_each_refusal_has_its_error(
    fake_api: FakeApi,
    api_client: ApiClient,
    status: int,
    body: object,
    expected: type[ApiError],
    said: str,
) -> None:
    fake_api.predict = (status, body)
    with pytest.raises(expected, match=said):
        api_client.predict(READING)


def test_a_refused_reading_names_its_fields(fake_api: FakeApi, api_client: ApiClient) -> None:
    details = [{"field": "loco_id", "message": "caractère refusé"}]
    fake_api.predict = (400, {"error": "Data Validation Failed", "details": details})
    with pytest.raises(ReadingRefused) as caught:
        api_client.predict(READING)
    assert caught.value.details == [("loco_id", "caractère refusé")]


@pytest.mark.parametrize("risk", ["NaN", "1.5", "-0.1"])
def test_an_impossible_probability_is_not_shown(
    fake_api: FakeApi, api_client: ApiClient, risk: str
) -> None:
    answer = score({"loco_id": "L", "vibration": 0, "temperature": 0})
    fake_api.predict = (200, str(answer).replace("'", '"').replace("0.0272", risk).encode())
    with pytest.raises(UnexpectedAnswer, match="risk_probability"):
        api_client.predict(READING)


def test_an_unexpected_answer_of_ready_is_said(fake_api: FakeApi, api_client: ApiClient) -> None:
    fake_api.ready = (404, b"rien ici")
    with pytest.raises(UnexpectedAnswer, match="HTTP 404"):
        api_client.ready()


def test_a_slow_api_is_given_up_within_three_seconds(
    fake_api: FakeApi, api_client: ApiClient
) -> None:
    assert CONNECT_TIMEOUT_S + max(ANSWER_TIMEOUT_S, READY_TIMEOUT_S) < 3
    fake_api.slow = {"/predict"}
    with pytest.raises(ApiTooSlow, match="1,6 s"):
        api_client.predict(READING)


@pytest.mark.parametrize("call", ["ready", "fleet", "jobs", "workbook", "check_workbook"])
def test_an_api_that_is_killed_while_it_answers_is_unreachable(call: str) -> None:
    def answer_half(server: socket.socket) -> None:
        for _ in range(2 if call == "check_workbook" else 1):
            with server.accept()[0] as connection:
                is_head = connection.recv(65_536).startswith(b"HEAD")
                head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n"
                connection.sendall(head if is_head else head + b'{"error"')

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(240)  # a client that asks less often fails the test
        answering = threading.Thread(target=answer_half, args=(server,))
        answering.start()
        client = ApiClient(ClientSettings(f"http://127.0.0.1:{server.getsockname()[1]}", None))
        arguments = [REPORT] if call.endswith("workbook") else []
        with pytest.raises(ApiUnreachable, match="Démarrez l’API"):
            getattr(client, call)(*arguments)
        answering.join()


def test_an_answer_that_stops_halfway_is_slow_too() -> None:
    over = threading.Event()

    def send_half(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            over.wait(240)  # a client that never gives up is cut off, and fails the test

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=send_half, args=(server,))
        thread.start()
        client = ApiClient(ClientSettings(f"http://127.0.0.1:{server.getsockname()[1]}", None))
        try:
            with pytest.raises(ApiTooSlow):
                client.ready()
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9",
        "http://127.0.0.1:abc",
        "http://[::1",
        "pas une adresse",
        "ftp://127.0.0.1",
    ],
)
def test_an_address_without_api_is_unreachable(url: str) -> None:
    with pytest.raises(ApiUnreachable, match="API_URL"):
        ApiClient(ClientSettings.from_environ({"API_URL": url})).predict(READING)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://nom:secret@127.0.0.1:9", "http://127.0.0.1:9"),
        ("http://nom:secret@[::1", "http://[::1"),
        ("http://127.0.0.1:9/a@b", "http://127.0.0.1:9/a@b"),
    ],
)
def test_the_account_in_an_address_is_told_to_nobody(url: str, shown: str) -> None:
    settings = ClientSettings.from_environ({"API_URL": url})
    assert settings.shown_url == shown
    with pytest.raises(ApiUnreachable) as caught:
        ApiClient(settings).predict(READING)
    assert f" {shown}." in str(caught.value)
    assert "secret" not in f"{caught.value}{settings!r}"


@pytest.mark.parametrize(
    ("environ", "url", "key"),
    [
        ({}, "http://127.0.0.1:5000", DEMO_KEY),
        ({"API_PORT": "5001", "API_KEY": " k "}, "http://127.0.0.1:5001", "k"),
        ({"API_URL": "http://localhost:81/", "API_PORT": "5001"}, "http://localhost:81", DEMO_KEY),
        ({"API_URL": "http://[::1]:5000"}, "http://[::1]:5000", DEMO_KEY),
        ({"API_URL": "https://api.example.org"}, "https://api.example.org", None),
        ({"API_URL": "https://api.example.org", "API_KEY": "k"}, "https://api.example.org", "k"),
    ],
)
def test_the_demo_key_serves_only_an_api_on_this_machine(
    environ: dict[str, str], url: str, key: str | None
) -> None:
    settings = ClientSettings.from_environ(environ)
    assert (settings.url, settings.key) == (url, key)
    assert not key or key not in repr(settings)
