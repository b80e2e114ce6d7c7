"""The scoring API as HTTP clients see it, with answers that a test can change."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

VERSION = "20260301T120001Z-ab12cd34"
THRESHOLD = 0.42


class Request(NamedTuple):
    """One request that the fake has received; `query` and `person` are "" without one."""

    path: str
    key: str | None
    body: Any
    query: str = ""
    person: str = ""
    method: str = ""


def score(body: dict[str, Any]) -> dict[str, Any]:
    """Answer like the platform's model in the user guide's scenario."""
    danger = body["vibration"] >= 7 and body["temperature"] >= 85
    return {
        "critical_risk": int(danger),
        "risk_probability": 0.9731 if danger else 0.0272,
        "loco_id": body["loco_id"],
        "model_version": VERSION,
        "threshold": THRESHOLD,
        "warnings": [],
    }


def explained(body: dict[str, Any]) -> dict[str, Any]:
    """Explain `score` as the platform would: only heat counts, and 60 °C ends the danger."""
    answer = score(body)
    nearest = {
        "changes": {"temperature": 60.0},
        "probability": 0.0411,
        "sentence": "température sous 60 °C",
    }
    return answer | {
        "explanation": {
            "probability": answer["risk_probability"],
            "base_probability": 0.049,
            "contributions": {
                "flow_rate": -0.02, "pressure": 0.0, "vibration": 0.1, "temperature": 0.58,
            },
            "sentence": "Température +58 pts, vibration +10 pts, débit −2 pts",
            "counterfactual": nearest if answer["critical_risk"] else None,
        }
    }  # fmt: skip


def batch(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """Score each reading of a batch."""
    results = [score(body) for body in bodies]
    return {"threshold": THRESHOLD, "scored": len(results), "refused": 0, "results": results}


def readiness(**changes: Any) -> dict[str, Any]:
    """Body of /ready for a platform in order, with whole sections replaced."""
    return {
        "status": "ready",
        "model": {"status": "serving", "version": VERSION, "error": None},
        "trend": {"status": "missing", "version": None, "error": None},
        "store": {"status": "ok", "backend": "sqlite", "error": None},
        "source": {
            "mode": "simulator",
            "last_event_at": "2026-03-01T12:00:00Z",
            "last_event_age_seconds": 3.4,
            "stale": False,
        },
        **changes,
    }


class FakeApi:
    """An HTTP server on a free port of this machine.

    `predict` and `ready` are (status, body) pairs, or None for the answers of a healthy platform,
    and so is what `answers` holds for other paths; a body of bytes is sent as it is. Paths in
    `slow` are answered only when the test is over, or has waited for four minutes; others after
    `late_s`.
    """

    def __init__(self) -> None:
        self.predict: tuple[int, Any] | None = None
        self.ready: tuple[int, Any] | None = None
        self.answers: dict[str, tuple[int, Any]] = {}
        self.slow: set[str] = set()
        self.late_s = 0.0
        self.received: list[Request] = []
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def predictions(self) -> list[Request]:
        return [request for request in self.received if request.path == "/predict"]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: Request) -> tuple[int, Any]:
        self.received.append(request)
        self._over.wait(240 if request.path in self.slow else self.late_s)
        if request.path == "/ready":
            return self.ready or (200, readiness())
        if request.path in self.answers:
            return self.answers[request.path]
        if request.path == "/predict/batch":
            return 200, batch(request.body)
        if request.path == "/predict":
            return self.predict or (200, explained(request.body))
        return 404, {"error": "Not Found", "message": "Cette adresse n'existe pas."}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_HEAD(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                is_json = self.headers["Content-Type"] == "application/json"
                self._answer(json.loads(content) if is_json else content)

            def _answer(self, body: Any) -> None:
                url = urlsplit(self.path)
                person = unquote((self.headers["X-Operator"] or "").encode("ascii").decode())
                key = self.headers["X-API-KEY"]
                self._reply(
                    fake._answer(Request(url.path, key, body, url.query, person, self.command))
                )

            def _reply(self, answer: tuple[int, Any]) -> None:
                status, body = answer
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(content)
                except OSError:
                    self.close_connection = True  # the client did not wait for us

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the test's output free of access lines."""

        return Handler
