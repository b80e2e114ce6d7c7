"""Answers in JSON, for success and for errors, with the headers that every answer carries."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SAFETY_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Server", "camrail"),
]


class Answer(Response):
    """An answer that browsers may neither guess at nor keep."""

    def get_wsgi_response(
        self, environ: "WSGIEnvironment"
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Add the headers as the answer leaves: cheaper than setting each of them."""
        body, status, headers = super().get_wsgi_response(environ)
        return body, status, headers + SAFETY_HEADERS


class JsonAnswer(Answer):
    """Bytes of JSON; the success of a POST leaves at once, as nothing of it is to be worked out."""

    def __init__(self, content: bytes, status: int) -> None:
        super().__init__([content], status, content_type="application/json")
        self._content = content

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer, without werkzeug's look at HEAD, at conditions and at the Location."""
        if self.status_code != HTTPStatus.OK or environ["REQUEST_METHOD"] != "POST":
            return super().__call__(environ, start_response)
        length = ("Content-Length", str(len(self._content)))
        start_response("200 OK", [*self.headers, length, *SAFETY_HEADERS])
        return [self._content]


def json_answer(body: dict[str, Any], status: int = 200) -> JsonAnswer:
    """Return `body` as JSON."""
    return JsonAnswer(orjson.dumps(body), status)


def error_answer(status: int, message: str) -> JsonAnswer:
    """Return an error: the status in words, and a French message that says what to do."""
    return json_answer({"error": HTTPStatus(status).phrase, "message": message}, status)
