"""Answers in JSON, for success and for errors, with the headers that every answer carries."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, request

from cidp.request_id import HEADER, request_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

POLICY = "Content-Security-Policy"
SAFETY_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Server", "camrail"),
]
_SHOWN_NOWHERE = (POLICY, "default-src 'none'; frame-ancestors 'none'")
_ENCRYPTED_ONLY = ("Strict-Transport-Security", "max-age=31536000")


class Answer(Response):
    """An answer that browsers may neither guess at, nor keep, nor show inside another page.

    A page made for browsers sets a Content-Security-Policy of its own.
    """

    def get_wsgi_response(
        self, environ: "WSGIEnvironment"
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Add the headers as the answer leaves: cheaper than setting each of them."""
        body, status, headers = super().get_wsgi_response(environ)
        added = _added_headers(environ)
        return body, status, headers + (added[1:] if POLICY in self.headers else added)


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
        start_response("200 OK", [*self.headers, length, *_added_headers(environ)])
        return [self._content]


def _added_headers(environ: "WSGIEnvironment") -> list[tuple[str, str]]:
    """Return the policy first, then what every answer carries."""
    added = [_SHOWN_NOWHERE, (HEADER, request_id(environ)), *SAFETY_HEADERS]
    if environ["wsgi.url_scheme"] == "https":
        added.append(_ENCRYPTED_ONLY)
    return added


def json_answer(body: dict[str, Any], status: int = 200) -> JsonAnswer:
    """Return `body` as JSON."""
    return JsonAnswer(orjson.dumps(body), status)


def error_answer(
    status: int, message: str, error: str | None = None, **members: object
) -> JsonAnswer:
    """Return an error of this request: `message` says in French what happened and what to do.

    `error` is what clients compare, the status in words by default; `members` stand beside it. The
    fields of RFC 9457 say the same; its `instance` holds the id of the request.
    """
    phrase = HTTPStatus(status).phrase
    problem = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": message,
        "instance": f"/requests/{request_id(request.environ)}",
    }
    return json_answer({"error": error or phrase, "message": message, **members, **problem}, status)
