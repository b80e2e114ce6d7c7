import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka_server import KafkaServer, why_absent
from kafka_topics import committed, produce, reading
from loguru import logger
from loopback import free_port
from waiting import until

from cidp import local_platform
from cidp.auth import DEMO_KEY
from cidp.child_process import ChildProcess
from cidp.errors import ChildFailed
from cidp.registry import TREND, Registry
from cidp.settings import SERVICE_FOLDER, KafkaSettings
from cidp.supervisor import Supervisor

PATIENCE_S = 240.0
RUN_PLATFORM = SERVICE_FOLDER / "run_platform.py"
SUMMARY: dict[str, Any] = {
    "status": "ok",
    "error": None,
    "run_id": "r1",
    "dwh": "dwh.sqlite",
    "report": "rapport.xlsx",
    "rejects_workbook": None,
    "engine": "pandas",
    "read": 3019,
    "loaded": 2911,
    "rejected": 93,
    "duplicates": 15,
    "skipped": 0,
    "inserted": 2911,
    "corrected": 0,
    "open_rejects": 93,
    "rejects_by_rule": {},
    "warnings": [],
    "sources": [],
    "total_volume": 12.5,
    "duration_s": 0.5,
}


@pytest.fixture(autouse=True)
def silent_after_the_test() -> Iterator[None]:
    """Close the log files that a launcher called in this process has opened."""
    yield
    logger.remove()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Ports and folders of a platform that leaves nothing outside `tmp_path`."""
    return os.environ | {
        "API_PORT": str(free_port()),
        "DASHBOARD_PORT": str(free_port()),
        "CAMRAIL_MODELS_DIR": str(tmp_path / "models"),
        "CAMRAIL_EVENT_STORE": str(tmp_path / "events.sqlite"),
        "CAMRAIL_LOGS_DIR": str(tmp_path / "logs"),
        "DPA_DWH": str(tmp_path / "dwh.sqlite"),
        "DPA_REPORT": str(tmp_path / "rapport.xlsx"),
        "DPA_LOG_DIR": str(tmp_path / "logs"),
        "PYTHONUTF8": "1",
    }


@pytest.fixture
def promoted(models: Path, trend: Path) -> Path:
    """A registry whose both slots serve, so that the platform trains nothing."""
    Registry(models).promote(trend.name, TREND)
    return models


@contextlib.contextmanager
def running(environ: dict[str, str], *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a platform that has just said where to look; it is over when the block is."""
    flag = subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0
    with subprocess.Popen(
        [sys.executable, str(RUN_PLATFORM), *flags],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        creationflags=flag,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_table(process: subprocess.Popen[str]) -> str:
    """Return what the platform prints once it is up."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Journaux" in line:
            break
    return "".join(lines)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 - loopback
        content: bytes = answer.read()
    return content


def predict(api: str, vibration: float, temperature: float) -> int:
    reading = {"loco_id": "L1", "flow_rate": 500, "pressure": 5}
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{api}/predict",
        json.dumps(reading | {"vibration": vibration, "temperature": temperature}).encode(),
        {"X-API-KEY": DEMO_KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        return int(json.load(answer)["critical_risk"])


def is_free(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) != 0


def test_one_command_brings_up_everything_and_ends_cleanly(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with running(environ) as process:
        table = read_table(process)
        api = f"http://127.0.0.1:{environ['API_PORT']}"
        dashboard = f"http://127.0.0.1:{environ['DASHBOARD_PORT']}"
        assert api in table
        assert dashboard in table
        assert str(tmp_path / "rapport.xlsx") in table
        assert (tmp_path / "rapport.xlsx").stat().st_size > 0
        assert json.loads(get(f"{api}/health"))["service"] == "camrail-ml-api"
        assert json.loads(get(f"{api}/ready"))["source"]["mode"] == "simulator"
        assert get(f"{dashboard}/_stcore/health") == b"ok"
        assert (predict(api, 2, 45), predict(api, 7, 85)) == (0, 1)
        stop(process)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert is_free(environ["API_PORT"])
    assert is_free(environ["DASHBOARD_PORT"])


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGINT)


def kill_the_api_then_stop(process: subprocess.Popen[str], logs: Path) -> None:
    pids = answering(logs)
    os.kill(pids[0], signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    until(lambda: len(answering(logs)) == 2)
    stop(process)


def answering(logs: Path) -> list[int]:
    """Return the processes that said where the API is."""
    lines = map(json.loads, (logs / "api.log").read_text(encoding="utf-8").splitlines())
    return [line["process"] for line in lines if "API sur" in line["message"]]


def test_an_etl_that_fails_is_said_and_the_rest_runs_though_the_api_is_killed(
    environ: dict[str, str], promoted: Path, tmp_path: Path
) -> None:
    environ["DPA_DWH"] = str(tmp_path)  # a folder is no warehouse
    environ["CAMRAIL_MODELS_DIR"] = str(promoted)
    with running(environ, "--no-simulator") as process:
        assert "ÉCHEC" in read_table(process)
        kill_the_api_then_stop(process, tmp_path / "logs")
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert "ETL a échoué" in errors
    assert "« API » s'est arrêtée de façon inattendue" in errors
    assert process.returncode == 0
    assert is_free(environ["API_PORT"])
    assert is_free(environ["DASHBOARD_PORT"])


@contextlib.contextmanager
def taken(port: int = 0) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", port)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("frozen", [False, True])  # frozen: it accepts and never answers
def test_a_database_that_is_away_at_the_start_is_said_and_the_rest_runs_until_its_end(
    environ: dict[str, str], promoted: Path, tmp_path: Path, frozen: bool
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("store:\n  timeout_s: 2\n", encoding="utf-8")
    environ["CAMRAIL_CONFIG"] = str(config)
    environ["CAMRAIL_MODELS_DIR"] = str(promoted)
    with taken() if frozen else contextlib.nullcontext(free_port()) as port:
        environ["CAMRAIL_EVENT_STORE"] = f"postgresql://nobody@127.0.0.1:{port}/events"
        with running(environ, "--duration", "1") as process:
            assert "lignes lues" in read_table(process)
            _, errors = process.communicate(timeout=PATIENCE_S)
    assert "PostgreSQL : La base postgresql://nobody@127.0.0.1" in errors
    assert "Plateforme arrêtée" in errors
    assert process.returncode == 0


def test_a_trend_model_that_cannot_serve_is_replaced(
    environ: dict[str, str], promoted: Path, trend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = local_platform._plan(
        local_platform._parser().parse_args([]), environ | {"CAMRAIL_MODELS_DIR": str(promoted)}
    )
    supervisor = Supervisor(environ, threading.Event())
    trained: list[str] = []
    monkeypatch.setattr(local_platform, "_bootstrap", lambda *args: trained.append(args[-1]))
    local_platform._ensure_trend(plan, supervisor)
    assert trained == []
    (trend / "model.onnx").write_bytes(b"damaged")
    local_platform._ensure_trend(plan, supervisor)
    assert trained == ["trend"]


@pytest.mark.kafka
def test_the_platform_moves_to_kafka_when_it_comes_and_back_when_it_goes(
    environ: dict[str, str], promoted: Path, tmp_path: Path
) -> None:
    if (absent := why_absent()) is not None:
        pytest.skip(absent)
    kafka = KafkaServer(tmp_path)
    environ["CAMRAIL_MODELS_DIR"] = str(promoted)
    environ["CAMRAIL_KAFKA"] = kafka.servers
    environ["DPA_DWH"] = str(tmp_path)  # a folder is no warehouse: no time for the ETL here

    def source() -> tuple[str, list[str]]:
        told = json.loads(get(f"http://127.0.0.1:{environ['API_PORT']}/ready"))["source"]
        return told["mode"], [feed["reason"] for feed in told["feeds"]]

    with running(environ) as process:
        assert f"simulateur local (Kafka ne répond pas)\n  Kafka            {kafka.servers}" in (
            read_table(process)
        )
        assert source()[0] == "simulator"
        with kafka:
            until(lambda: source() == ("kafka", ["Kafka répond"]))
            settings = KafkaSettings(servers=kafka.servers)
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            produce(settings, reading(timestamp=now))
            until(lambda: committed(settings) == 1)
        until(lambda: source() == ("simulator", ["Kafka ne répond pas"]))
        stop(process)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    lines = [line for line in errors.splitlines() if "Source des données" in line]
    moves = [line.partition(" : ")[2] for line in lines]  # a busy machine may make more of them
    assert moves[:2] == ["simulateur local (Kafka ne répond pas)", "Kafka (Kafka répond)"]
    assert moves[-1] == "simulateur local (Kafka ne répond pas)"


def test_without_trainer_the_platform_stops_and_says_so(
    environ: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"pmd:\n  folder: {json.dumps(str(tmp_path))}\n", encoding="utf-8")
    environ["CAMRAIL_CONFIG"] = str(config)
    with running(environ) as process:
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "Amorçage du modèle a échoué" in errors
    assert "model_training.py est introuvable" in errors


@pytest.mark.parametrize("variable", ["API_PORT", "DASHBOARD_PORT"])
def test_a_port_that_is_taken_is_named_before_anything_starts(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
) -> None:
    with taken() as port:
        for name, value in (environ | {variable: str(port)}).items():
            monkeypatch.setenv(name, value)
        assert local_platform.main([]) == 1
    said = capsys.readouterr().err
    assert f"Le port {port} est déjà pris" in said
    assert variable in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((text, "un entier de 1 à 65535 est attendu") for text in ("abc", "0", "70000", "٣")),
        ("5000", "API_PORT et DASHBOARD_PORT valent tous deux 5000"),
    ],
)
def test_an_impossible_dashboard_port_is_refused(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    said: str,
) -> None:
    for name, value in (environ | {"API_PORT": "5000", "DASHBOARD_PORT": text}).items():
        monkeypatch.setenv(name, value)
    assert local_platform.main([]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("closed", [True, False])
def test_without_standard_output_the_platform_goes_on(
    monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as nobody_listens:
        monkeypatch.setattr(sys, "stdout", None if closed else nobody_listens)
        local_platform._say("où regarder\n")
        assert nobody_listens.closed is not closed


@pytest.mark.parametrize("flags", [["--rate", "0"], ["--duration", "inf"], ["--rate", "x"], ["?"]])
def test_misuse_ends_with_two(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        local_platform.main(flags)
    assert "usage :" in capsys.readouterr().err


@pytest.fixture
def etl_job(tmp_path: Path) -> ChildProcess:
    log = tmp_path / "etl.log"
    log.write_text("dernière ligne du journal", encoding="utf-8")
    return ChildProcess("ETL", [], log)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (b"", "dernière ligne du journal"),
        (b"[1]", "document attendu"),
        (json.dumps(SUMMARY | {"read": -1}).encode(), "document attendu"),
        (json.dumps(SUMMARY | {"status": "error", "error": "erp.csv absent"}).encode(), "absent"),
    ],
)
def test_an_etl_without_a_usable_summary_has_failed(
    etl_job: ChildProcess, printed: bytes, said: str
) -> None:
    with pytest.raises(ChildFailed, match=said):
        local_platform._etl_summary(etl_job, 1, printed)


def test_a_summary_is_told_in_french_numbers(etl_job: ChildProcess) -> None:
    summary = local_platform._etl_summary(etl_job, 0, json.dumps(SUMMARY).encode())
    assert local_platform._etl_line(summary).replace("\N{NO-BREAK SPACE}", " ") == (
        "3 019 lignes lues = 2 911 chargées + 93 rejetées + 15 doublons"
    )


@pytest.mark.parametrize(
    ("bound", "reached"),
    [
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104
        ("::", "127.0.0.1"),
        ("::1", "[::1]"),
        ("10.0.0.4", "10.0.0.4"),
    ],
)
def test_this_machine_reaches_a_server_bound_anywhere(bound: str, reached: str) -> None:
    assert local_platform._local_host(bound) == reached
