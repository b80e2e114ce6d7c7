"""docs/openapi.yaml and the application describe the same thing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from openapi_spec_validator import validate
from pydantic import BaseModel

from cidp.http_api import RETRY_AFTER_S
from cidp.telemetry import MAX_EVENTS, Reading, TelemetryEvent

PATH = Path(__file__).parents[2] / "docs/openapi.yaml"
SPEC: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
PROSE = {"title", "description", "example", "summary"}


def meaning(schema: Any) -> Any:
    """Resolve references and leave prose and order out."""
    if isinstance(schema, list):
        return [meaning(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return meaning(SPEC["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    kept = {k: meaning(v) for k, v in schema.items() if k not in PROSE}
    if isinstance(kept.get("required"), list):
        kept["required"] = sorted(kept["required"])
    return kept


def test_the_document_is_valid() -> None:
    validate(SPEC)


@pytest.mark.parametrize(
    ("name", "model"), [("PredictRequest", Reading), ("TelemetryEvent", TelemetryEvent)]
)
def test_a_body_is_checked_by_what_the_document_says(name: str, model: type[BaseModel]) -> None:
    assert meaning(model.model_json_schema()) == meaning(SPEC["components"]["schemas"][name])


def test_the_document_says_how_many_events_one_request_may_carry() -> None:
    body = SPEC["paths"]["/telemetry"]["post"]["requestBody"]["content"]["application/json"]
    array = body["schema"]["oneOf"][1]
    assert (array["minItems"], array["maxItems"]) == (1, MAX_EVENTS)


def test_every_route_is_documented_and_every_documented_path_is_served(app: Flask) -> None:
    served = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(path, method) for path, item in SPEC["paths"].items() for method in item}


def test_only_the_routes_that_score_or_store_need_a_key(app: Flask) -> None:
    client = app.test_client()
    for path, item in SPEC["paths"].items():
        for method, operation in item.items():
            status = client.open(path, method=method.upper()).status_code
            assert (status == 401) is (operation.get("security") != []), path


def test_the_delay_before_a_retry_is_a_number_of_seconds() -> None:
    assert int(RETRY_AFTER_S) > 0
