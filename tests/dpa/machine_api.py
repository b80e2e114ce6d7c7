"""A machine API on the loopback, whose answers a test scripts one by one."""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer; `cut` bytes of the body are promised but not sent."""

    body: bytes = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    silent: bool = False


class MachineApi:
    """Gives its `answers` in turn, the last one for ever, and remembers the requests' headers."""

    def __init__(self, url: str, closing: threading.Event) -> None:
        self.url = url
        self.closing = closing
        self.answers: deque[Answer] = deque([Answer()])
        self.requests: list[dict[str, str]] = []

    def answer(self, *answers: Answer) -> None:
        self.answers = deque(answers)

    def next(self) -> Answer:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    api: MachineApi

    def do_GET(self) -> None:
        self.api.requests.append({"path": self.path, **dict(self.headers)})
        answer = self.api.next()
        if answer.silent:
            # A server that accepts and then says nothing more.
            self.api.closing.wait()
            return
        self.send_response(answer.status)
        headers = {"Content-Length": str(len(answer.body) + answer.cut), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(answer.body)
        except ConnectionError:
            return
        if answer.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments: Any) -> None:
        """Write nothing on the tests' stderr."""


@contextmanager
def serving() -> Iterator[MachineApi]:
    """Serve a machine API while inside."""
    closing = threading.Event()
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        api = MachineApi(f"http://127.0.0.1:{server.server_port}/machines", closing)
        handler.api = api  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield api
        finally:
            closing.set()
            server.shutdown()
            thread.join()
