"""Answers checked against what docs/openapi.yaml says of them."""

from pathlib import Path
from typing import Any

import jsonschema
import yaml
from werkzeug.test import TestResponse

SPEC: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs/openapi.yaml").read_text(encoding="utf-8")
)


def conforms(response: TestResponse, path: str, method: str) -> TestResponse:
    """Check a JSON answer against the schema that the document has for its status."""
    operation = SPEC["paths"][path][method]
    answer = operation["responses"].get(
        str(response.status_code), operation["responses"]["default"]
    )
    if "$ref" in answer:
        answer = SPEC["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    for name, header in answer.get("headers", {}).items():
        assert not header.get("required") or name in response.headers, name
    schema = answer["content"]["application/json"]["schema"]
    assert response.mimetype == "application/json"
    checker = jsonschema.FormatChecker()
    whole = {**schema, "components": SPEC["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(response.json)
    return response
