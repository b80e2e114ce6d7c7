"""A tiny real bundle, and an application around it in a temporary folder."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fake_api import FakeApi
from flask import Flask
from flask.testing import FlaskClient
from kafka_server import KafkaServer
from kafka_topics import topics_of
from loguru import logger
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from tiny_bundle import write_bundle

from cidp import in_time, telemetry_sample
from cidp.assembly import Parts, assemble
from cidp.auth import ApiKey
from cidp.http_api import ScoringApi, app_of
from cidp.kafka_client import make_topics
from cidp.registry import Registry
from cidp.settings import KafkaSettings, ModelSettings, Settings, StoreSettings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = "une-cle-pour-les-tests"
PATIENCE_S = 240.0


@pytest.fixture(autouse=True)
def patient_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time to read the store."""
    for module in (in_time, telemetry_sample):
        monkeypatch.setattr(module, "WAIT_S", PATIENCE_S)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles of different versions; copy before changing anything."""
    folder = tmp_path_factory.mktemp("bundles")
    return [folder / write_bundle(folder, seed) for seed in (1, 2)]


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The messages that are logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(sink)


@pytest.fixture
def models(tmp_path: Path, bundles: list[Path]) -> Path:
    """A registry of two versions, the first promoted."""
    folder = tmp_path / "models"
    for bundle in bundles:
        shutil.copytree(bundle, folder / "instant" / bundle.name)
    Registry(folder).promote(bundles[0].name)
    return folder


@pytest.fixture
def trend(models: Path, bundles: list[Path]) -> Path:
    """A bundle of the trend slot, whose first feature is computed from past readings."""
    folder = models / "trend" / f"20260302T120000Z-{bundles[1].name[-8:]}"
    shutil.copytree(bundles[1], folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"slot": "trend", "version": folder.name}
    manifest["features"][0] |= {
        "name": "vibration_deviation_24h",
        "recipe": {
            "reading": "vibration",
            "statistic": "deviation",
            "window_hours": 24,
            "baseline_from_hours": 336,
            "baseline_to_hours": 48,
            "decimals": 4,
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture
def edit_manifest(models: Path) -> Callable[[str, Callable[[dict[str, Any]], object]], None]:
    """Change the manifest of one version in place."""

    def edit(version: str, change: Callable[[dict[str, Any]], object]) -> None:
        path = models / "instant" / version / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        change(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")

    return edit


@pytest.fixture
def settings(tmp_path: Path, models: Path) -> Settings:
    return Settings(
        model=ModelSettings(folder=models, poll_s=0.05),
        store=StoreSettings(url=str(tmp_path / "events.sqlite"), timeout_s=0.2),
        keys=(
            ApiKey.of("tests", KEY),
            ApiKey.of("lecture", "une-cle-sans-droits").model_copy(update={"scopes": ("read",)}),
        ),
    )


@pytest.fixture
def parts(settings: Settings) -> Iterator[Parts]:
    assembled = assemble(settings, now=lambda: NOW)
    yield assembled
    assembled.model.stop()
    assembled.store.close()


@pytest.fixture
def app(parts: Parts) -> ScoringApi:
    return app_of(parts)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def fake_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """An API that its clients wait for in minutes, except where a test has it slow or late."""
    send = HTTPAdapter.send

    def sent(
        adapter: HTTPAdapter, request: PreparedRequest, timeout: Any, **options: Any
    ) -> Response:
        is_slow = api.late_s or urlsplit(request.url).path in api.slow
        return send(adapter, request, timeout=timeout if is_slow else PATIENCE_S, **options)

    with FakeApi() as api:
        monkeypatch.setattr(HTTPAdapter, "send", sent)
        yield api


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> KafkaSettings:
    """Topics of this test's own on the session's Kafka."""
    server: KafkaServer = request.getfixturevalue("kafka_server")
    return topics_of(server, request.node.name[:80].replace("[", "-").replace("]", ""))


@pytest.fixture
def on_kafka(settings: Settings, kafka: KafkaSettings) -> Settings:
    """The settings, with those topics, which exist."""
    ours = settings.model_copy(update={"kafka": kafka})
    make_topics(ours)
    return ours


@pytest.fixture
def fed(on_kafka: Settings) -> Iterator[Parts]:
    """The parts of a process that reads from there."""
    assembled = assemble(on_kafka, now=lambda: NOW)
    yield assembled
    assembled.model.stop()
    assembled.store.close()
