"""Alerts, dashboard and runbook name only what exists, and Prometheus understands them."""

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import requests
import yaml
from flask import Flask
from flask.testing import FlaskClient
from loopback import free_port
from test_http_api import EVENT, KEY, READING
from werkzeug.serving import make_server

from cidp.assembly import Parts
from cidp.drift import ENOUGH_ROWS
from cidp.feeds import Feeder
from cidp.settings import SERVICE_FOLDER

ROOT = SERVICE_FOLDER.parent
RUNBOOK = ROOT / "docs" / "runbook.md"
ALERT_TESTS = Path(__file__).parent / "alerts_test.yml"
RULES = [
    rule
    for group in yaml.safe_load((SERVICE_FOLDER / "alerts.yml").read_text(encoding="utf-8"))[
        "groups"
    ]
    for rule in group["rules"]
]
DASHBOARD = json.loads(
    (SERVICE_FOLDER / "grafana/dashboards/camrail.json").read_text(encoding="utf-8")
)
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
OURS = re.compile(r"\b(?:api|event_store|ingest|process|telemetry)_\w+")
prometheus = pytest.mark.prometheus


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if not found:
        pytest.skip("promtool, which comes with Prometheus, is not on the PATH")
    return found


@pytest.fixture
def busy(app: Flask, parts: Parts) -> FlaskClient:
    """A client of an application that is fed, has answered, and seen enough to measure drift."""
    client = app.test_client()
    parts.model.refresh()
    client.post("/predict", json=READING, headers=KEY)
    client.post("/telemetry", json=EVENT, headers=KEY)
    client.get("/nowhere")
    Feeder(parts.store, "kafka", "essai", parts.now).tell(lambda: 7)
    rng = np.random.default_rng(0)
    for _ in range(ENOUGH_ROWS):
        parts.recent.note(rng.uniform(1, 9, 4).tolist(), 0.5)
    return client


def exposed(client: FlaskClient) -> set[str]:
    """Return the names of the series that a scrape gives."""
    lines = client.get("/metrics").text.splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def without_strings(query: str) -> str:
    return re.sub(r'"[^"]*"', "", query)


@pytest.mark.parametrize("query", [*QUERIES, *(rule["expr"] for rule in RULES)])
def test_a_query_names_only_metrics_that_exist(busy: FlaskClient, query: str) -> None:
    named = set(OURS.findall(without_strings(query)))
    assert named or "up{" in query
    assert named <= exposed(busy)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_has_a_severity_a_summary_and_its_section_of_the_runbook(
    rule: dict[str, Any],
) -> None:
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert f"\n## {rule['alert']}\n" in RUNBOOK.read_text(encoding="utf-8")


def test_each_alert_is_shown_to_fire_and_to_keep_silent() -> None:
    cases = yaml.safe_load(ALERT_TESTS.read_text(encoding="utf-8"))["tests"]
    shown = {
        (check["alertname"], bool(check["exp_alerts"]))
        for case in cases
        for check in case["alert_rule_test"]
    }
    assert shown == {(rule["alert"], fires) for rule in RULES for fires in (True, False)}


def test_panels_have_places_of_their_own_and_the_provisioned_source() -> None:
    provisioned = SERVICE_FOLDER / "grafana/provisioning/datasources/prometheus.yml"
    uid = yaml.safe_load(provisioned.read_text(encoding="utf-8"))["datasources"][0]["uid"]
    cells: list[tuple[int, int]] = []
    for panel in DASHBOARD["panels"]:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {uid}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells += [
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@prometheus
def test_promtool_accepts_the_configuration_and_its_rules(promtool: str) -> None:
    done = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"],
        cwd=SERVICE_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@prometheus
def test_alerts_fire_when_they_should_and_only_then(promtool: str) -> None:
    command = [promtool, "test", "rules", str(ALERT_TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@prometheus
def test_promtool_finds_the_exposition_well_formed(promtool: str, busy: FlaskClient) -> None:
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=busy.get("/metrics").text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Prometheus(NamedTuple):
    """A real Prometheus, asked about one scrape: on a busy machine, those after it may fail."""

    address: str
    scraped_s: float

    def asked(self, query: str) -> list[Any]:
        return asked(self.address, query, self.scraped_s)


@pytest.fixture
def scraped(busy: FlaskClient, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a busy application more than once."""
    program = shutil.which("prometheus")
    if not program:
        pytest.skip("prometheus is not on the PATH")
    served = make_server("127.0.0.1", 0, busy.application)  # one scrape at a time, as the front
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    config = yaml.safe_load((SERVICE_FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config["rule_files"] = [str(SERVICE_FOLDER / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{served.port}"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        [
            program,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Prometheus(f"http://{address}", second_scrape_s(server, f"http://{address}"))
    finally:
        server.kill()
        server.communicate()
        served.shutdown()
        thread.join()
        served.server_close()


def asked(address: str, query: str, at_s: float) -> list[Any]:
    words = {"query": query, "time": str(at_s)}
    answer = requests.get(f"{address}/api/v1/query", words, timeout=120).json()
    assert answer["status"] == "success", (query, answer.get("error"))
    result: list[Any] = answer["data"]["result"]
    return result


def second_scrape_s(server: subprocess.Popen[bytes], address: str) -> float:
    """Wait for a scrape at which there is a rate, which takes two; give its second."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert server.poll() is None, "prometheus ended"
        with suppress(requests.ConnectionError):
            if requests.get(f"{address}/-/ready", timeout=120).ok:
                for found in asked(address, "timestamp(up) and up == 1", time.time()):
                    at_s = float(found["value"][1])
                    if asked(address, "rate(api_requests_total[1m])", at_s):
                        return at_s
        time.sleep(0.1)
    pytest.fail("prometheus has scraped nothing")


@prometheus
def test_every_query_of_the_dashboard_and_of_the_alerts_runs_in_prometheus(
    scraped: Prometheus,
) -> None:
    empty = [
        query
        for query in QUERIES
        if not scraped.asked(query.replace("$__rate_interval", "1m").replace("[1h]", "[1m]"))
    ]
    assert empty == []
    for rule in RULES:
        scraped.asked(rule["expr"])
    loaded = requests.get(f"{scraped.address}/api/v1/rules", timeout=120).json()["data"]["groups"]
    assert sum(len(group["rules"]) for group in loaded) == len(RULES)
