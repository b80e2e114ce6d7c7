"""Answers held against docs/openapi.yaml."""

from pathlib import Path

import jsonschema
import yaml
from werkzeug.test import TestResponse

OPENAPI = yaml.safe_load(
    (Path(__file__).parents[2] / "docs/openapi.yaml").read_text(encoding="utf-8")
)


def conforms(response: TestResponse, path: str, method: str) -> TestResponse:
    """Check an answer against the schema that docs/openapi.yaml has for its status."""
    operation = OPENAPI["paths"][path][method]
    answer = operation["responses"].get(
        str(response.status_code), operation["responses"]["default"]
    )
    if "$ref" in answer:
        answer = OPENAPI["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    schema = answer["content"]["application/json"]["schema"]
    assert response.mimetype == "application/json"
    checker = jsonschema.FormatChecker()
    whole = {**schema, "components": OPENAPI["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(response.json)
    return response
