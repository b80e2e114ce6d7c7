"""A tiny real bundle, and an application around it in a temporary folder."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from fake_api import FakeApi
from flask import Flask
from flask.testing import FlaskClient
from kafka_server import KafkaServer
from kafka_topics import topics_of
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from cidp.assembly import Parts, assemble
from cidp.auth import ApiKey
from cidp.http_api import ScoringApi, app_of
from cidp.kafka_client import make_topics
from cidp.registry import Registry
from cidp.settings import KafkaSettings, ModelSettings, Settings, StoreSettings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = "une-cle-pour-les-tests"
FEATURES = [
    ("flow_rate", "L/min", -1, 300.0, 700.0),
    ("pressure", "bar", 0, 2.0, 9.0),
    ("vibration", "mm/s", 1, 0.0, 20.0),
    ("temperature", "°C", 1, 20.0, 130.0),
]


def digest(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def write_bundle(folder: Path, seed: int = 0, threshold: float = 0.5) -> str:
    """Train four coefficients, write a conforming bundle under `folder`, return its version."""
    rng = np.random.default_rng(seed)
    low = [feature[3] for feature in FEATURES]
    high = [feature[4] for feature in FEATURES]
    rows = rng.uniform(low, high, size=(400, 4)).astype(np.float32)
    failing = (rows[:, 2] / 6.5 + rows[:, 3] / 80 > 1.8).astype(int)
    model = LogisticRegression(C=0.05, max_iter=2000).fit(rows, failing)
    onnx = to_onnx(model, rows[:1], options={"zipmap": False}).SerializeToString()
    version = f"20260301T1200{seed:02d}Z-{hashlib.sha256(onnx).hexdigest()[:8]}"
    bundle = folder / version
    bundle.mkdir(parents=True)
    (bundle / "model.onnx").write_bytes(onnx)
    joblib.dump(model, bundle / "model.pkl")
    manifest = {
        "schema_version": 1,
        "slot": "instant",
        "version": version,
        "created_at": "2026-03-01T12:00:00Z",
        "target": "failure",
        "horizon_hours": 24,
        "features": [
            {
                "name": name,
                "unit": unit,
                "monotone": sign,
                "minimum": lo,
                "maximum": hi,
                "reference": {"edges": [(lo + hi) / 2], "shares": [0.5, 0.5]},
            }
            for name, unit, sign, lo, hi in FEATURES
        ],
        "threshold": threshold,
        "cost_miss": 5,
        "cost_false_alarm": 1,
        "metrics": {
            "model": {"f1": 0.9, "average_precision": 0.95},
            "never_fails": {"f1": 0.0, "average_precision": None},
            "single_threshold": {"f1": 0.6, "average_precision": 0.5},
        },
        "out_of_fold": {"f1": 0.9, "average_precision": 0.95},
        "per_group": {},
        "per_failure_type": {},
        "importance": {},
        "held_out": {"rows": 100, "positives": 40, "groups": 4, "split": "locomotives"},
        "training_window": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
        "data": [{"name": "sensors.csv", "sha256": "0" * 64, "rows": 400}],
        "files": {name: digest(bundle / name) for name in ("model.onnx", "model.pkl")},
        "libraries": {"scikit-learn": "1.9"},
        "seed": seed,
        "seeds": [seed],
        "intervals": {},
        "trials": 1,
        "parameters": {"C": 0.05},
        "risk_reference": {"edges": [0.5], "shares": [0.5, 0.5]},
        "canaries": [
            {"values": row.tolist(), "probability": float(risk)}
            for row, risk in zip(rows[:5], onnx_risks(onnx, rows[:5]), strict=True)
        ],
        "background": rows[:3].tolist(),
    }
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return version


def onnx_risks(onnx: bytes, rows: np.ndarray[Any, Any]) -> list[float]:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx)
    risks: list[float] = session.run(["probabilities"], {"X": rows})[0][:, 1].tolist()
    return risks


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles of different versions; copy before changing anything."""
    folder = tmp_path_factory.mktemp("bundles")
    return [folder / write_bundle(folder, seed) for seed in (1, 2)]


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
def fake_api() -> Iterator[FakeApi]:
    with FakeApi() as api:
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
