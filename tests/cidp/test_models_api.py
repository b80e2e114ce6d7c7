"""The card of the model, the registry, and promotions that are checked, atomic and audited."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from loguru import logger
from test_http_api import KEY, READ_ONLY, READING, conforms, content, value
from werkzeug.test import TestResponse

from cidp.assembly import Parts
from cidp.registry import Registry

READER = READ_ONLY


def promote(client: FlaskClient, version: str, headers: dict[str, str] = KEY) -> TestResponse:
    answer = client.post(f"/models/{version}/promote", headers=headers)
    return conforms(answer, "/models/{version}/promote", "post")


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level=0, format="{message}")
    yield lines
    logger.remove(sink)


def test_the_card_says_what_serves_without_its_rows(
    client: FlaskClient, bundles: list[Path]
) -> None:
    card = content(conforms(client.get("/model", headers=READER), "/model", "get"))
    assert card["version"] == bundles[0].name
    assert card["metrics"]["model"]["f1"] == 0.9
    assert not {"background", "canaries"} & card.keys()


def test_without_a_model_there_is_no_card(client: FlaskClient, models: Path) -> None:
    (models / "promoted.json").unlink()
    assert conforms(client.get("/model", headers=READER), "/model", "get").status_code == 503


def test_the_registry_is_listed_newest_first(client: FlaskClient, bundles: list[Path]) -> None:
    client.get("/model", headers=READER)
    body = content(conforms(client.get("/models", headers=READER), "/models", "get"))
    newest, oldest = body["models"]
    assert [newest["version"], oldest["version"]] == [bundles[1].name, bundles[0].name]
    assert (oldest["promoted"], oldest["serving"]) == (True, True)
    assert (newest["promoted"], newest["serving"]) == (False, False)


def test_a_damaged_version_is_listed_with_its_error(
    client: FlaskClient, models: Path, bundles: list[Path]
) -> None:
    (models / "instant" / bundles[1].name / "manifest.json").write_text("{", encoding="utf-8")
    (models / "instant" / "notes").mkdir()
    body = content(conforms(client.get("/models", headers=READER), "/models", "get"))
    assert body["count"] == 2
    assert "non conforme" in body["models"][0]["error"]


@pytest.mark.parametrize("name", ["model.onnx", "model.pkl"])
def test_a_version_whose_files_are_damaged_is_listed_with_its_error(
    client: FlaskClient, models: Path, bundles: list[Path], name: str
) -> None:
    (models / "instant" / bundles[1].name / name).write_bytes(b"damaged")
    newest, oldest = content(client.get("/models", headers=READER))["models"]
    assert newest["created_at"]
    assert newest["error"] == (
        f"Modèle {bundles[1].name} refusé : {name} ne correspond pas à l'empreinte du manifeste."
    )
    assert oldest["error"] is None


def test_a_promoted_version_that_is_refused_is_listed_with_the_reason(
    client: FlaskClient, parts: Parts, models: Path, bundles: list[Path]
) -> None:
    parts.model.refresh()
    Registry(models).promote(bundles[1].name)
    lie(models / "instant" / bundles[1].name)
    parts.model.refresh()
    newest, oldest = content(client.get("/models", headers=READER))["models"]
    assert (newest["promoted"], newest["serving"]) == (True, False)
    assert "lectures témoins" in newest["error"]
    assert (oldest["serving"], oldest["error"]) == (True, None)


def test_an_absent_registry_lists_nothing(client: FlaskClient, models: Path) -> None:
    shutil.rmtree(models)
    body = content(conforms(client.get("/models", headers=READER), "/models", "get"))
    assert body == {"count": 0, "models": []}


def test_a_promoted_version_serves_at_once_and_is_audited(
    client: FlaskClient, models: Path, bundles: list[Path], said: list[str]
) -> None:
    old, new = (bundle.name for bundle in bundles)
    body = content(promote(client, new))
    assert body == {"slot": "instant", "promoted": new, "previous": old, "serving": new}
    answer = content(client.post("/predict", json=READING, headers=KEY))
    assert answer["model_version"] == new
    assert Registry(models).promoted_version() == new
    assert any(f"clé tests, modèle {new} promu par tests, avant {old}" in line for line in said)


def test_the_person_who_promotes_is_audited_by_name(
    client: FlaskClient, bundles: list[Path], said: list[str]
) -> None:
    old, new = (bundle.name for bundle in bundles)
    refused = promote(client, new, KEY | {"X-Operator": "=SUM(A1)"})
    assert (refused.status_code, content(refused)["details"][0]["field"]) == (400, "X-Operator")
    assert promote(client, new, KEY | {"X-Operator": "A%C3%AFcha Ngo"}).status_code == 200
    assert any(f"modèle {new} promu par Aïcha Ngo, avant {old}" in line for line in said)


def test_a_trend_version_is_promoted_beside_the_one_that_answers(
    client: FlaskClient, trend: Path, bundles: list[Path]
) -> None:
    assert content(promote(client, trend.name)) == {
        "slot": "trend",
        "promoted": trend.name,
        "previous": None,
        "serving": None,
    }
    assert content(promote(client, trend.name))["previous"] == trend.name
    assert content(client.get("/model", headers=READER))["version"] == bundles[0].name
    listed = content(client.get("/models", headers=READER))["models"]
    assert [one["version"] for one in listed if one["promoted"]] == [bundles[0].name, trend.name]
    assert [one["version"] for one in listed if one["serving"]] == [bundles[0].name, trend.name]
    (trend / "model.onnx").write_bytes(b"damaged")
    assert promote(client, trend.name).status_code == 409


def test_only_an_administrator_promotes(client: FlaskClient, bundles: list[Path]) -> None:
    assert promote(client, bundles[1].name, READER).status_code == 403
    assert promote(client, bundles[1].name, {}).status_code == 401


@pytest.mark.parametrize(
    "version", ["x", "20260101T000000Z-00000000", "..%2f..", "%00", "20260101T000000Z-0000000é"]
)
def test_a_version_that_is_not_there_is_not_found(client: FlaskClient, version: str) -> None:
    answer = client.post(f"/models/{version}/promote", headers=KEY)
    assert conforms(answer, "/models/{version}/promote", "post").status_code == 404


def flip(bundle: Path) -> None:
    content = bytearray((bundle / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(content)


def forget_pickle(bundle: Path) -> None:
    (bundle / "model.pkl").unlink()


def lie(bundle: Path) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["canaries"][0]["probability"] = 0.123
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("damage", [flip, forget_pickle, lie])
def test_a_refused_bundle_changes_nothing_and_is_said(
    client: FlaskClient,
    parts: Parts,
    models: Path,
    bundles: list[Path],
    said: list[str],
    damage: Callable[[Path], None],
) -> None:
    old, new = (bundle.name for bundle in bundles)
    client.get("/model", headers=READER)
    damage(models / "instant" / new)
    answer = promote(client, new)
    assert answer.status_code == 409
    assert content(answer)["message"].startswith(f"Modèle {new} refusé : ")
    assert content(client.post("/predict", json=READING, headers=KEY))["model_version"] == old
    assert Registry(models).promoted_version() == old
    assert value(parts, "api_model_load_failures_total") == 1
    assert any(f"modèle {new} refusé" in line for line in said)


def test_a_registry_that_cannot_be_written_is_said(
    client: FlaskClient, models: Path, bundles: list[Path]
) -> None:
    (models / "promoted.json").unlink()
    (models / "promoted.json").mkdir()
    answer = promote(client, bundles[1].name)
    assert answer.status_code == 503
    assert "ne peut pas être écrit" in content(answer)["message"]


def test_promotions_under_load_answer_every_request(app: Flask, bundles: list[Path]) -> None:
    """The short form of docs/bench/api_faults.py."""
    versions = [bundle.name for bundle in bundles]
    done = threading.Event()
    answers: list[tuple[int, Any]] = []

    def ask() -> None:
        client = app.test_client()
        while not done.is_set():
            answer = client.post("/predict", json=READING, headers=KEY)
            answers.append((answer.status_code, content(answer).get("model_version")))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(30):
            assert promote(app.test_client(), versions[turn % 2]).status_code == 200
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} <= set(versions)
