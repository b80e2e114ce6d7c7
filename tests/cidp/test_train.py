"""cidp.train learns from the recorded readings, and promotes what beats the served model."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from stores import new_url

from cidp import train
from cidp.assembly import assemble
from cidp.errors import NothingToLearn
from cidp.event_batch import Door, Message
from cidp.french import number
from cidp.model_bundle import Manifest
from cidp.orchestration import progress_of
from cidp.registry import Registry
from cidp.settings import SERVICE_FOLDER, Settings

GENERATOR = SERVICE_FOLDER.parent / "Predictive-Maintenance-Dashboard/src/data_generator.py"
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
RETENTION_DAYS = 95
BATCH = 10_000

AT_NOW = f"""
import sys
from datetime import datetime
from cidp import train
sys.exit(train.main(now=lambda: datetime.fromisoformat("{NOW.isoformat()}")))
"""
"""The command, at the time of the tests."""


class Place:
    """A store, a registry whose instant model is a tiny one, and the command run on them."""

    def __init__(self, folder: Path, models: Path, address: str) -> None:
        self.folder, self.models = folder, models
        config = folder / "config.yaml"
        config.write_text(f"telemetry: {{retention_days: {RETENTION_DAYS}}}\n", encoding="utf-8")
        self.environ = {
            "CAMRAIL_CONFIG": str(config),
            "CAMRAIL_EVENT_STORE": address,
            "CAMRAIL_MODELS_DIR": str(models),
            "CAMRAIL_LOGS_DIR": str(folder / "logs"),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", AT_NOW, *words],
            cwd=SERVICE_FOLDER,
            env=os.environ | {"CAMRAIL_WORK_ORDERS": ""} | self.environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def served(self) -> str:
        return Registry(self.models).promoted_version()

    def simulate(self, locos: int, days: int, step_minutes: int) -> tuple[Path, Path]:
        """Write a history that ends half an hour ago; return its readings and its work orders."""
        raw, orders = self.folder / "raw.csv", self.folder / "orders.csv"
        words = {
            "--locos": locos, "--days": days, "--step-minutes": step_minutes,
            "--end": f"{NOW:%Y-%m-%dT%H:00:00Z}", "--output": raw, "--maintenance": orders,
        }  # fmt: skip
        subprocess.run(
            [sys.executable, GENERATOR, *(str(part) for pair in words.items() for part in pair)],
            check=True,
            env=os.environ | {"PMD_LOGS_DIR": str(self.folder / "logs")},
        )
        return raw, orders

    def ingest(self, raw: Path, door: Door = "kafka") -> int:
        """Hand in the readings of a file by the one ingest handler."""
        parts = assemble(Settings.from_environ(self.environ), lambda: NOW)
        parts.model.refresh()
        with raw.open(encoding="utf-8", newline="") as file:
            messages = [
                Message(position, json.dumps(event_of(row)).encode(), "train_telemetry", 0)
                for position, row in enumerate(csv.DictReader(file))
            ]
        stored = 0
        try:
            for start in range(0, len(messages), BATCH):
                tally = parts.ingest.ingest_messages(messages[start : start + BATCH], door)
                stored += tally.stored
        finally:
            parts.store.close()
        return stored


def event_of(row: dict[str, str]) -> dict[str, Any]:
    numbers = ("flow_rate", "pressure", "vibration", "temperature")
    return {
        "loco_id": row["loco_id"],
        "timestamp": row["timestamp"],
        **{name: float(row[name]) for name in numbers},
    }


@pytest.fixture
def lone(tmp_path: Path, models: Path) -> Place:
    return Place(tmp_path, models, str(tmp_path / "events.sqlite"))


def orders_file(folder: Path, *lines: str) -> str:
    path = folder / "ordres.csv"
    head = "loco_id,opened_at,closed_at,failure_type,status"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.postgresql
def test_forty_locomotives_over_ninety_days_in_postgresql(
    request: pytest.FixtureRequest, tmp_path: Path, models: Path
) -> None:
    place = Place(tmp_path, models, new_url(request, "postgresql", tmp_path).target)
    before = place.served()
    raw, orders = place.simulate(40, 90, 240)
    count = raw.read_text(encoding="utf-8").count("\n") - 1
    assert count > 20_000
    assert place.ingest(raw) == count
    words = ("--from", "postgresql", "--maintenance", str(orders), "--slot", "instant", "--json")
    ended = place.run(*words)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    (found,) = document["models"]
    assert (document["source"], document["fell_back"]) == ("postgresql", False)
    assert found["promoted"], found
    assert before in found["why"]
    assert place.served() == found["version"]
    manifest = Registry(models).manifest(found["version"], "instant")
    assert manifest.held_out.groups == 13
    assert manifest.metrics["model"]["cost"] < manifest.metrics["never_fails"]["cost"]
    assert f"{number(count)} lectures de 40 locomotives" in ended.stderr

    again = json.loads(place.run(*words).stdout)["models"][0]
    assert not again["promoted"]
    assert again["why"].startswith("égal : ")
    assert place.served() == found["version"] != again["version"]


@pytest.mark.postgresql
def test_both_databases_teach_alike(
    request: pytest.FixtureRequest, tmp_path: Path, models: Path
) -> None:
    raw, orders = Place(tmp_path, models, "unused").simulate(12, 40, 240)
    words = ("--maintenance", str(orders), "--step-minutes", "480", "--json", "--progress", "json")
    taught: dict[str, list[Manifest]] = {}
    for kind, other in (("sqlite", "postgresql"), ("postgresql", "sqlite")):
        folder = tmp_path / kind
        shutil.copytree(models, folder / "models")
        place = Place(folder, folder / "models", new_url(request, kind, folder).target)
        place.ingest(raw)
        ended = place.run("--from", "store", *words)
        assert ended.returncode == 0, ended.stderr
        document = json.loads(ended.stdout)
        assert document["source"] == kind
        instant, trend = document["models"]
        assert (instant["slot"], trend["slot"]) == ("instant", "trend")
        assert (instant["promoted"], trend["promoted"]) == (True, True)
        assert trend["why"] == "aucun modèle ne servait"
        assert ended.stderr.count('"step":"export"') == 2  # once for each model
        told = [
            found.percent or 0 for found in map(progress_of, ended.stderr.splitlines()) if found
        ]
        assert told == sorted(told)
        assert told[0] == 0
        assert told[-1] > 80
        registry = Registry(place.models)
        taught[kind] = [
            registry.manifest(instant["version"], "instant"),
            registry.manifest(trend["version"], "trend"),
        ]
        refused = place.run("--from", other, *words)
        assert refused.returncode == 1
        assert f"une base {kind}" in json.loads(refused.stdout)["error"]
    for ours, theirs in zip(*taught.values(), strict=True):
        assert ours.metrics == theirs.metrics
        assert ours.held_out == theirs.held_out
        assert ours.threshold == theirs.threshold


def test_a_second_model_that_fails_leaves_the_first_unpromoted(lone: Place) -> None:
    raw, orders = lone.simulate(12, 40, 240)
    lone.ingest(raw)
    before = lone.served()
    words = ("--maintenance", str(orders), "--json")
    (lone.models / "trend").write_text("no folder for bundles", encoding="utf-8")
    ended = lone.run(*words)
    assert ended.returncode == 1
    document = json.loads(ended.stdout)
    assert (document["status"], document["models"]) == ("error", [])
    assert len(Registry(lone.models).versions("instant")) == 3  # two of before, and the new one
    assert lone.served() == before


def test_a_database_that_is_gone_leaves_the_bootstrap_and_the_served_model(
    lone: Place, tmp_path: Path
) -> None:
    raw, orders = lone.simulate(12, 40, 240)
    bootstrap = {"sensors": str(raw), "maintenance": str(orders)}
    (tmp_path / "config.yaml").write_text(json.dumps({"pmd": bootstrap}), encoding="utf-8")
    lone.environ["CAMRAIL_EVENT_STORE"] = "postgresql://nobody@127.0.0.1:1/nothing"
    before = lone.served()
    words = ("--from", "postgresql", "--maintenance", orders_file(tmp_path), "--slot", "instant")
    ended = lone.run(*words, "--json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert (document["source"], document["fell_back"]) == ("bootstrap", True)
    assert not document["models"][0]["promoted"]
    assert "le modèle servi reste" in document["models"][0]["why"]
    assert lone.served() == before
    assert "ne répond pas" in ended.stderr
    assert "Repli : entraînement sur les données d'amorçage" in ended.stderr


def one_locomotive(place: Place) -> list[str]:
    place.ingest(place.simulate(1, 5, 240)[0])
    return ["--maintenance", orders_file(place.folder)]


def other_failures(place: Place) -> list[str]:
    place.ingest(place.simulate(4, 5, 240)[0])
    day = NOW - timedelta(days=60)
    line = f"LOCO_001,{day:%Y-%m-%dT%H:%M:%SZ},{day:%Y-%m-%dT%H:%M:%SZ},cooling_loss,closed"
    return ["--maintenance", orders_file(place.folder, line)]


def other_columns(place: Place) -> list[str]:
    place.ingest(place.simulate(4, 5, 240)[0])
    path = place.folder / "ordres.csv"
    path.write_text("machine;date\nLOCO_001;hier\n", encoding="utf-8")
    return ["--maintenance", str(path)]


def binary_file(place: Place) -> list[str]:
    place.ingest(place.simulate(4, 5, 240)[0])
    path = place.folder / "ordres.csv"
    path.write_bytes(b"\xff\xfe\x00PK\x03\x04" * 50)
    return ["--maintenance", str(path)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (lambda place: [], "Sans ordres de travail"),
        (lambda place: ["--maintenance", str(place.folder / "nulle-part.csv")], "absents : "),
        (lambda place: ["--maintenance", orders_file(place.folder)], "Aucune lecture réelle"),
        (one_locomotive, "de 1 locomotive du .* il faut 3 locomotives"),
        (other_failures, r"Aucune panne de ordres\.csv .*1 panne des locomotives"),
        (other_columns, r"ordres\.csv : colonnes absentes"),
        (binary_file, r"ordres\.csv"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_said(
    lone: Place, words: Callable[[Place], list[str]], said: str
) -> None:
    before = lone.served()
    ended = lone.run(*words(lone), "--json")
    assert ended.returncode == 1
    document = json.loads(ended.stdout)
    assert document["status"] == "error"
    assert re.search(said, document["error"]), document
    assert document["error"].splitlines()[0] in ended.stderr
    assert lone.served() == before


def test_an_export_that_cannot_be_written_is_said(
    lone: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(train, "export_readings", full)
    chosen = train._parser().parse_args(["--maintenance", orders_file(tmp_path)])
    with pytest.raises(NothingToLearn, match=r"No space left on device.* libérez de la place"):
        train.run(Settings.from_environ(lone.environ), chosen, NOW)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "oracle"], "--from : 'oracle' n'est pas de"),
        (["--days", "1e10"], "--days : 36 500 au plus est attendu, reçu 1e+10"),
        (["--days", "0"], "--days : un nombre positif est attendu, reçu '0'"),
        (["--days", "inf"], "--days : un nombre positif est attendu, reçu 'inf'"),
        (["--step-minutes", "1e18"], "--step-minutes : 525 600 au plus est attendu, reçu 1e+18"),
        (["--step-minutes", "-1"], "--step-minutes : un nombre positif est attendu, reçu '-1'"),
    ],
)
def test_misuse_is_said_and_is_code_2(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        train.main(words)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_longest_window_and_step_are_read(lone: Place) -> None:
    ended = lone.run(
        "--days", "36500", "--step-minutes", "525600", "--maintenance", orders_file(lone.folder)
    )
    assert ended.returncode == 1
    assert "Aucune lecture réelle" in ended.stderr
