"""The strip follows the source: the simulator, then Kafka while it answers."""

from pathlib import Path

import pytest
from kafka_server import KafkaServer, why_absent
from launched import PATIENCE_S, Server, running
from loopback import free_port
from playwright.sync_api import Browser, expect

pytestmark = [pytest.mark.chromium, pytest.mark.kafka]

STAND_IN = "Simulateur local — Kafka ne répond pas, depuis"
REAL = "Données réelles — Kafka"


@pytest.mark.usefixtures("api")  # has a model made
def test_kafka_comes_and_goes_and_the_strip_says_so_by_itself(
    browser: Browser, environ: dict[str, str], tmp_path: Path
) -> None:
    if (absent := why_absent()) is not None:
        pytest.skip(absent)
    kafka = KafkaServer(tmp_path)
    port = free_port()
    places = {
        "API_PORT": str(free_port()),
        "DASHBOARD_PORT": str(port),
        "CAMRAIL_KAFKA": kafka.servers,
        "CAMRAIL_EVENT_STORE": str(tmp_path / "events.sqlite"),
        "CAMRAIL_LOGS_DIR": str(tmp_path / "logs"),
        "CAMRAIL_JOBS_DIR": str(tmp_path / "jobs"),
        "DPA_DWH": str(tmp_path),  # a folder is no warehouse: no time for the ETL here
    }
    dashboard = f"http://127.0.0.1:{port}"
    platform = Server(["run_platform.py"], environ | places, f"{dashboard}/_stcore/health")
    with running(platform):
        page = browser.new_page(locale="fr-FR")
        page.set_default_timeout(1000 * PATIENCE_S)
        page.goto(dashboard)
        expect(page.get_by_text(STAND_IN)).to_be_visible()
        with kafka:
            expect(page.get_by_text(REAL)).to_be_visible()
            expect(page.get_by_text(STAND_IN)).to_have_count(0)
        expect(page.get_by_text(STAND_IN)).to_be_visible()
        expect(page.get_by_text(REAL)).to_have_count(0)
        page.close()
