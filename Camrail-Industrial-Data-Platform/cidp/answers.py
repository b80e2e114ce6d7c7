"""Answers in JSON, for success and for errors."""

from http import HTTPStatus
from typing import Any

import orjson
from flask import Response


def json_answer(body: dict[str, Any], status: int = 200) -> Response:
    """Return `body` as JSON."""
    return Response(orjson.dumps(body), status, mimetype="application/json")


def error_answer(status: int, message: str) -> Response:
    """Return an error: the status in words, and a French message that says what to do."""
    return json_answer({"error": HTTPStatus(status).phrase, "message": message}, status)
