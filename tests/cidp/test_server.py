"""The real server: starts by its launcher, answers, stops when asked, refuses what is unsafe."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import trustme
from loopback import free_port
from waiting import stopwatch

from cidp import server
from cidp.settings import SERVICE_FOLDER, Settings

KEY = "une-cle-reelle-pour-essais"
READING = {"loco_id": "L1", "flow_rate": 500, "pressure": 5, "vibration": 2, "temperature": 45}
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
ROWS = (10_000, 20_000, 20_000)
"""Of one batch: work for half a second; then as many as are taken, for a machine that ends it
before one looks."""
PATIENT = "from cidp import server; server.STOP_TIMEOUT_S = 240; raise SystemExit(server.main())"
"""A launcher whose server stops as slowly as a busy machine lets it."""
PATIENCE_S = 240.0


def fetch(port: int, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    url = f"http://127.0.0.1:{port}{path}"
    answer = requests.request(method, url, json=body, headers=headers, timeout=PATIENCE_S)
    kind = answer.headers["Content-Type"]
    return answer.status_code, answer.json() if kind == "application/json" else answer.text


def refusal_of_a_large_body(port: int) -> int:
    """Send 5 MB with urllib, which reads nothing before all is sent."""
    body = b"x" * 5_000_000
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/predict", body, timeout=PATIENCE_S)
    caught.value.close()
    return caught.value.code


def answer_to_pieces(port: int) -> bytes:
    """Send a prediction whose body arrives in three pieces."""
    body = json.dumps(READING).encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: {KEY}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (head.encode(), body[:20], body[20:]):
            sender.sendall(piece)
            time.sleep(0.05)
        with sender.makefile("rb") as received:
            return received.read()


def ask_slowly(
    child: subprocess.Popen[str], port: int, rows: int, answers: list[tuple[int, Any]]
) -> threading.Thread:
    """Send rows that take the server a moment; return once it works on them, or has."""
    body = json.dumps([READING | {"vibration": "?"}] * rows).encode()
    before_s = cpu_s(child)

    def ask() -> None:
        headers = {"X-API-KEY": KEY, "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{port}/predict/batch"
        answer = requests.post(url, body, headers=headers, timeout=PATIENCE_S)
        answers.append((answer.status_code, answer.json()["refused"]))

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: not asking.is_alive() or cpu_s(child) > before_s + 0.1, child)
    return asking


def cpu_s(child: subprocess.Popen[str]) -> float:
    """Return the processor time of a server and its workers."""
    leader = psutil.Process(child.pid)
    family = [leader, *leader.children(recursive=True)]
    return float(sum(sum(process.cpu_times()[:2]) for process in family))


def until(answers: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    """Try `answers` until it is true; fail when the child ends or `PATIENCE_S` have passed."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if answers():
                return
        except requests.ConnectionError:
            assert child.poll() is None, "the server ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def environment(tmp_path: Path, models: Path) -> dict[str, str]:
    """Variables of a server that waits for requests as long as a busy machine may need."""
    patient = tmp_path / "patient.yaml"
    patient.write_text("api: {header_timeout_s: 240, body_timeout_s: 240}", encoding="utf-8")
    kept = {"PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}
    return {name: value for name, value in os.environ.items() if name in kept} | {
        "API_PORT": str(free_port()),
        "API_KEY": KEY,
        "CAMRAIL_MODELS_DIR": str(models),
        "CAMRAIL_EVENT_STORE": str(tmp_path / "served.sqlite"),
        "CAMRAIL_LOGS_DIR": str(tmp_path / "logs"),
        "CAMRAIL_CONFIG": str(patient),
    }


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def launch(
        environ: dict[str, str],
        *flags: str,
        cwd: Path = SERVICE_FOLDER,
        launcher: Sequence[str] = (str(SERVICE_FOLDER / "api" / "api.py"),),
    ) -> Any:
        child = subprocess.Popen(
            [sys.executable, *launcher, *flags],
            cwd=cwd,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
        started.append(child)
        return child

    yield launch
    for child in started:
        child.kill()
        child.communicate()


@posix
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_the_launcher_serves_from_anywhere_and_stops_with_zero(
    environment: dict[str, str],
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    bundles: list[Path],
    asked: signal.Signals,
) -> None:
    port = int(environment["API_PORT"])
    child = start(environment, cwd=tmp_path)
    until(lambda: fetch(port, "/health")[0] == 200, child)
    status, body = fetch(port, "/predict", READING, **{"X-API-KEY": KEY})
    assert (status, body["critical_risk"], body["model_version"]) == (200, 0, bundles[0].name)
    assert fetch(port, "/predict", READING)[1]["error"] == "Unauthorized"
    assert fetch(port, "/predict", {"x": "y" * 5_000_000})[0] == 401
    assert fetch(port, "/predict", {"x": "y" * 5_000_000}, **{"X-API-KEY": KEY})[0] == 413
    assert refusal_of_a_large_body(port) == 401
    assert answer_to_pieces(port).startswith(b"HTTP/1.1 200")
    assert fetch(port, "/ready")[1]["status"] == "ready"
    assert "api_predictions_total 2.0" in fetch(port, "/metrics")[1]
    os.killpg(child.pid, asked)  # as a terminal does
    with stopwatch() as watch:
        said, _ = child.communicate(timeout=PATIENCE_S)
    assert watch.seconds < server.STOP_TIMEOUT_S - 1
    assert child.returncode == 0, said
    assert f"API sur http://127.0.0.1:{port}" in said
    assert "API sur" in (tmp_path / "logs" / "api.log").read_text(encoding="utf-8")
    assert KEY not in said


@posix
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_hand_is_answered_before_the_server_stops(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]], asked: signal.Signals
) -> None:
    port = int(environment["API_PORT"])
    child = start(environment, launcher=["-c", PATIENT])
    until(lambda: fetch(port, "/ready")[0] == 200, child)
    for rows in ROWS:
        answers: list[tuple[int, Any]] = []
        asking = ask_slowly(child, port, rows, answers)
        if not answers:
            break
    assert not answers, "every batch was answered before the server could be asked to stop"
    os.killpg(child.pid, asked)
    asking.join()
    assert answers == [(200, rows)]
    said, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, said


@posix
def test_an_existing_client_of_the_operating_file_works_unchanged(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = int(environment["API_PORT"])
    del environment["API_KEY"]
    child = start(environment)
    until(lambda: fetch(port, "/ready")[0] == 200, child)
    response = requests.post(
        f"http://127.0.0.1:{port}/predict",
        headers={"X-API-KEY": "entreprise_secret_key_2026"},
        json={
            "loco_id": "LOCO_001",
            "flow_rate": 500,
            "pressure": 5.0,
            "vibration": 2.0,
            "temperature": 45.0,
        },
        timeout=PATIENCE_S,
    )
    assert response.status_code == 200
    assert response.json()["critical_risk"] == 0
    assert 0 <= response.json()["risk_probability"] <= 1


def concurrently(port: int, connections: int, each: int) -> list[int]:
    """Send valid requests over as many connections that stay open; return every status."""
    statuses: list[int] = []

    def send() -> None:
        with requests.Session() as session:
            session.headers["X-API-KEY"] = KEY
            url = f"http://127.0.0.1:{port}/predict"
            statuses.extend(
                session.post(url, json=READING, timeout=PATIENCE_S).status_code for _ in range(each)
            )

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def count(port: int, metric: str) -> float:
    lines = fetch(port, "/metrics")[1].splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{metric} ")))


@posix
@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_request_is_answered_and_counted_once(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]], workers: str
) -> None:
    port = int(environment["API_PORT"])
    child = start(environment, "--workers", workers)
    until(lambda: count(port, "api_workers") == int(workers), child)
    until(lambda: fetch(port, "/predict", READING, **{"X-API-KEY": KEY})[0] == 200, child)
    before = count(port, "api_predictions_total")
    assert concurrently(port, 20, 10) == [200] * 200
    assert count(port, "api_predictions_total") - before == 200


@posix
def test_workers_share_their_throttle_and_a_dead_one_is_replaced(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    port = int(environment["API_PORT"])
    child = start(environment, "--workers", "2")
    until(lambda: count(port, "api_workers") == 2, child)
    began_s = time.monotonic()
    wrong = [fetch(port, "/predict", READING, **{"X-API-KEY": "fausse"})[0] for _ in range(30)]
    assert wrong[:10] == [401] * 10
    assert set(wrong) == {401, 429}
    assert wrong.count(401) <= 10 + (time.monotonic() - began_s) // 6  # one more each six seconds
    assert concurrently(port, 10, 2) == [200] * 20
    answered = count(port, "api_predictions_total")
    workers = [p for p in psutil.Process(child.pid).children() if "spawn_main" in p.cmdline()[-2]]
    assert len(workers) == 2
    workers[0].kill()
    psutil.wait_procs(workers[:1], timeout=PATIENCE_S)

    def renewed() -> bool:
        others = psutil.Process(child.pid).children()
        return workers[0] not in others and count(port, "api_workers") == 2

    until(renewed, child)
    assert concurrently(port, 10, 2) == [200] * 20
    assert count(port, "api_predictions_total") == answered + 20
    names = {path.name for path in (tmp_path / "logs").iterdir()}
    assert names == {"api-1.log", "api-2.log", "audit-1.log", "audit-2.log"}


def held_open(port: int, sent: bytes) -> socket.socket:
    held = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    held.sendall(sent)
    return held


@posix
def test_slow_clients_are_closed_and_slow_nobody_else(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    port = int(environment["API_PORT"])
    config = tmp_path / "config.yaml"
    config.write_text(
        "api: {threads: 2, header_timeout_s: 3.0, body_timeout_s: 3.0}", encoding="utf-8"
    )
    child = start(environment | {"CAMRAIL_CONFIG": str(config)})
    until(lambda: fetch(port, "/ready")[0] == 200, child)
    head = f"POST /{{}} HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: {KEY}\r\n"
    body = head + "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{{"
    bodies = [body.format("predict", 100), body.format("telemetry", 100_000)]
    sent = ["", head.format("predict"), *bodies]
    with contextlib.ExitStack() as opened:
        slow = [
            opened.enter_context(held_open(port, text.encode())) for text in sent for _ in range(5)
        ]
        assert fetch(port, "/predict", READING, **{"X-API-KEY": KEY})[0] == 200
        assert fetch(port, "/health")[0] == 200
        answers = [b"".join(iter(lambda held=held: held.recv(4096), b"")) for held in slow]
    assert answers[:10] == [b""] * 10
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers[10:])


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """A certificate for this machine, its key, and the authority that vouches for it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(tmp_path / "chain.pem", append=True)
    return {
        "API_TLS_CERTIFICATE": str(tmp_path / "chain.pem"),
        "API_TLS_KEY": str(tmp_path / "key.pem"),
    }


@posix
def test_with_a_certificate_the_api_speaks_https_alone(
    environment: dict[str, str],
    start: Callable[..., subprocess.Popen[str]],
    certificate: dict[str, str],
    tmp_path: Path,
) -> None:
    port = environment["API_PORT"]
    child = start(environment | certificate)
    authority = str(tmp_path / "ca.pem")

    def health() -> requests.Response:
        url = f"https://127.0.0.1:{port}/health"
        return requests.get(url, verify=authority, timeout=PATIENCE_S)

    until(lambda: health().status_code == 200, child)
    assert "Strict-Transport-Security" in health().headers
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://127.0.0.1:{port}/health", timeout=PATIENCE_S)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"API_TLS_KEY": ""}, "vont ensemble"),
        ({"API_TLS_CERTIFICATE": ""}, "vont ensemble"),
        ({"API_TLS_KEY": "absente.pem"}, "absente.pem inutilisable"),
        ({"API_TLS_CERTIFICATE": "config/config.yaml"}, "config.yaml ou clé"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said_before_serving(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    certificate: dict[str, str],
    change: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(server, "launch_environment", lambda _: certificate | change)
    assert server.main([]) == 1
    assert said in capsys.readouterr().err


@posix
def test_the_answering_process_ends_with_a_killed_parent(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = int(environment["API_PORT"])
    child = start(environment)
    until(lambda: fetch(port, "/health")[0] == 200, child)
    child.kill()
    child.communicate(timeout=PATIENCE_S)  # both hold the pipe: it ends when both have ended
    with pytest.raises(requests.ConnectionError):
        fetch(port, "/health")


def test_a_port_that_is_taken_is_said(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        child = start(environment, "--port", str(port))
        said, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 1
    assert f"Le port {port} est déjà pris" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"API_HOST": "0.0.0.0", "API_KEY": ""}, "Aucune clé réelle"),  # noqa: S104 - refused
        ({"API_PORT": "abc"}, "API_PORT"),
        ({"CAMRAIL_CONFIG": "absent.yaml"}, "absent.yaml"),
    ],
)
def test_settings_that_cannot_be_used_end_with_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(server, "launch_environment", lambda _: change)
    assert server.main([]) == 1
    assert said in capsys.readouterr().err


def test_a_flag_that_is_unknown_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        server.main(["--prot", "1"])
    assert caught.value.code == 2
    assert "arguments inconnus" in capsys.readouterr().err


class FakeServer:
    """Ends at once, as a worker's crash or a Ctrl-C would make it end."""

    interrupt_signal = False
    code: int | None = None

    def __init__(self, *args: object, **options: object) -> None: ...

    def serve(self, **options: object) -> None:
        if self.code is not None:
            sys.exit(self.code)


@pytest.mark.parametrize(
    ("code", "asked", "expected"), [(None, True, 0), (1, True, 0), (1, False, 1)]
)
def test_only_an_end_that_was_not_asked_for_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, code: int | None, asked: bool, expected: int
) -> None:
    monkeypatch.setattr(FakeServer, "code", code)
    monkeypatch.setattr(FakeServer, "interrupt_signal", asked)
    monkeypatch.setattr(server, "Server", FakeServer)
    monkeypatch.setattr("multiprocessing.set_start_method", lambda *_, **__: None)
    assert server.serve(Settings(), "127.0.0.1") == expected
