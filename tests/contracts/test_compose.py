"""compose.yaml follows the Compose Specification and starts programs that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from cidp.settings import SERVICE_FOLDER, Settings

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).parent / "compose" / "compose-spec.json"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        (SERVICE_FOLDER / "compose.yaml").read_text(encoding="utf-8")
    )
    return document


def test_it_follows_the_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(compose)]
    assert errors == []
    assert list(Draft202012Validator(schema).iter_errors({"services": {"a": {"imge": "x"}}}))


def test_what_depends_on_a_service_names_one_that_can_be_in_that_state(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in services, name
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other], (name, other)
    used = {v.split(":")[0] for s in services.values() for v in s.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_its_programs_exist_and_its_image_copies_what_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        words = service.get("command", [])
        if words[1:2] == ["-m"] and words[2].startswith("cidp."):
            assert (SERVICE_FOLDER / "cidp" / f"{words[2].partition('.')[2]}.py").is_file()
        for word in words:
            assert not word.endswith(".py") or (SERVICE_FOLDER / word).is_file()
    recipe = compose["x-platform"]["build"]["dockerfile_inline"]
    copied = [
        word for line in re.findall(r"^COPY (.*) \S+$", recipe, re.M) for word in line.split()
    ]
    assert copied
    assert all(word == "." or list(ROOT.glob(word)) for word in copied)


def test_its_environment_is_accepted_and_no_password_is_written(compose: dict[str, Any]) -> None:
    environ = {
        name: "une-cle-de-seize-caracteres" if value.startswith("${") else value
        for name, value in compose["services"]["api"]["environment"].items()
    }
    settings = Settings.from_environ(environ)
    assert settings.kafka.servers == "kafka:9092"
    assert settings.store.address.kind == "postgresql"
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or str(value).startswith("${"), name
