"""Each service's own model of a document equals the contract that the services share."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "docs/contracts"
PROSE = {"title", "description", "$schema", "examples"}


def contract(name: str) -> dict[str, Any]:
    return dict(json.loads((CONTRACTS / f"{name}.schema.json").read_text(encoding="utf-8")))


def meaning(schema: Any, definitions: dict[str, Any] | None = None) -> Any:
    """Return `schema` with its references resolved and its prose and order left out."""
    if isinstance(schema, list):
        return [meaning(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = schema.get("$defs", definitions)
    if "$ref" in schema:
        return meaning((definitions or {})[schema["$ref"].rsplit("/", 1)[1]], definitions)
    kept = {k: v for k, v in schema.items() if not (k in PROSE and isinstance(v, str | list))}
    kept.pop("$defs", None)
    result = {key: meaning(value, definitions) for key, value in kept.items()}
    if isinstance(result.get("required"), list):
        result["required"] = sorted(result["required"])
    return result


def models() -> list[tuple[str, type[BaseModel]]]:
    """Return (contract, the model that one service has of it)."""
    from cidp import model_bundle, orchestration, telemetry
    from dpa import progress as etl_progress
    from dpa import summary
    from pmd import manifest, processing_summary
    from pmd.cli import progress as training_progress

    return [
        ("etl-summary", summary.EtlSummary),
        ("etl-summary", orchestration.EtlSummary),
        ("bundle-manifest", manifest.Manifest),
        ("bundle-manifest", model_bundle.Manifest),
        ("processing-summary", processing_summary.ProcessingSummary),
        ("processing-summary", orchestration.ProcessingSummary),
        ("training-summary", manifest.TrainingSummary),
        ("training-summary", orchestration.TrainingSummary),
        ("telemetry-event", telemetry.TelemetryEvent),
        ("progress-line", etl_progress.ProgressLine),
        ("progress-line", training_progress.ProgressLine),
        ("progress-line", orchestration.ProgressLine),
    ]


@pytest.mark.parametrize(
    ("name", "model"), models(), ids=[f"{name}-{model.__module__}" for name, model in models()]
)
def test_a_services_model_equals_the_contract(name: str, model: type[BaseModel]) -> None:
    assert meaning(model.model_json_schema()) == meaning(contract(name))


@pytest.mark.parametrize("path", sorted(CONTRACTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_contract_is_a_valid_schema_named_after_its_file(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert f"{schema['title']}.schema.json" == path.name


def test_every_contract_is_compared_with_a_service() -> None:
    compared = {f"{name}.schema.json" for name, _ in models()}
    assert compared == {path.name for path in CONTRACTS.iterdir()}


def test_the_trainers_summary_embeds_the_manifest_of_the_contract() -> None:
    embedded = contract("training-summary")["$defs"]
    whole = contract("bundle-manifest")
    assert meaning(embedded["Manifest"], embedded) == meaning(whole)


def test_the_simulator_has_the_ranges_of_the_contract() -> None:
    from pmd.sensors import SENSORS

    properties = contract("telemetry-event")["properties"]
    ranges = {sensor.name: (sensor.minimum, sensor.maximum) for sensor in SENSORS}
    assert ranges == {
        name: (properties[name]["minimum"], properties[name]["maximum"]) for name in ranges
    }
    assert set(properties) == {"loco_id", "timestamp", *ranges}


def test_openapi_describes_the_event_of_the_contract() -> None:
    specification = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text(encoding="utf-8"))
    schemas = specification["components"]["schemas"]
    described = meaning(schemas["TelemetryEvent"], schemas)
    described["properties"]["loco_id"].pop("example")
    described["properties"]["timestamp"] = {"type": "string", "format": "date-time"}
    assert described == meaning(contract("telemetry-event"))


def test_a_difference_of_bounds_is_seen() -> None:
    looser = contract("telemetry-event")
    looser["properties"]["pressure"]["maximum"] = 26
    assert meaning(looser) != meaning(contract("telemetry-event"))
