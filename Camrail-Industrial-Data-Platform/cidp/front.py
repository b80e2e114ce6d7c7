"""The asynchronous front of a worker: it waits for bodies, so that no thread of the API does.

granian's threads read a body as slowly as its sender likes, and know no time-out. Here a body is
awaited on the event loop within a deadline, and the application is called once it is whole.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from sys import stderr
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from granian.rsgi import ProtocolClosed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import WSGIEnvironment
    from granian.rsgi import HTTPProtocol, Scope

SMALL_BYTES = 65_536
"""Bodies announced up to this size are read before anything else is looked at."""

LARGE_AT_ONCE = 8
"""Larger bodies that one worker holds at once; beyond, 503."""

BYTES_PER_S = 65_536
"""A large body may go on arriving as long as it comes at least at this rate."""

SCRAPE = "/metrics"
"""Has a thread of its own: it must tell how it goes when all others are held."""

DRAINED_BYTES = 8 * 1_048_576
DRAIN_S = 5.0

REFUSED = "cidp.refused"
"""Key of the environ that gives the application the status by which it must refuse."""

_CONSTANT = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "CONTENT_LENGTH": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


class Limits(NamedTuple):
    """Threads that answer, seconds that a body may take to come, bytes of the largest one."""

    threads: int
    body_timeout_s: float
    largest_body: int


class Application(Protocol):
    """A WSGI application that can tell what the front must know before it calls it."""

    def __call__(self, environ: "WSGIEnvironment", start_response: Any) -> "Iterable[bytes]":
        """Answer, as any WSGI application does."""

    def is_quick(self, environ: "WSGIEnvironment") -> bool:
        """Tell whether the answer takes less time than its way to a thread and back."""

    def knows_key(self, environ: "WSGIEnvironment") -> bool:
        """Tell whether the request carries a key that counts."""


class Front:
    """granian's own interface (RSGI) on one side, a WSGI application on the other.

    Quick requests are answered on the event loop, any other by a thread. Whoever sends a body
    later than its deadline is answered 408, and the connection is closed.
    """

    def __init__(self, app: Application, limits: Limits) -> None:
        self.app = app
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="api")
        self._scraped = ThreadPoolExecutor(1, thread_name_prefix="scrape")
        self._places = LARGE_AT_ONCE

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take no more work once the worker has ended."""
        for threads in (self._threads, self._scraped):
            threads.shutdown(wait=False, cancel_futures=True)

    async def __rsgi__(self, scope: "Scope", proto: "HTTPProtocol") -> None:
        """Read and answer one request; there is nobody to answer once the sender has gone."""
        environ = environ_of(scope)
        length = announced_bytes(environ)
        with suppress(ProtocolClosed):
            if length is not None and length <= SMALL_BYTES:
                await self._take_small(environ, proto, length)
            else:
                await self._take_large(environ, proto, length)

    async def _take_small(
        self, environ: "WSGIEnvironment", proto: "HTTPProtocol", length: int
    ) -> None:
        if length:
            await self._read_small(environ, proto)
        await self._answer(environ, proto)

    async def _read_small(self, environ: "WSGIEnvironment", proto: "HTTPProtocol") -> None:
        """Put the body into the environ; a bare timer costs less than `asyncio.timeout`."""
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[None]", asyncio.current_task())
        clock = loop.call_later(self._limits.body_timeout_s, task.cancel)
        try:
            environ["wsgi.input"] = BytesIO(await proto())
        except asyncio.CancelledError:
            if clock.when() > loop.time():
                raise  # somebody else stops this task
            task.uncancel()
            environ[REFUSED] = HTTPStatus.REQUEST_TIMEOUT
        finally:
            clock.cancel()

    async def _take_large(
        self, environ: "WSGIEnvironment", proto: "HTTPProtocol", length: int | None
    ) -> None:
        """Keep a large body only of a known sender, while there is a place for it."""
        too_large = length is not None and length > self._limits.largest_body
        if too_large or not self.app.knows_key(environ):
            await self._answer_then_drain(environ, proto)
        elif self._places == 0:
            environ[REFUSED] = HTTPStatus.SERVICE_UNAVAILABLE
            await self._answer_then_drain(environ, proto)
        else:
            self._places -= 1
            try:
                whole = await self._read_large(environ, proto)
                await (self._answer if whole else self._answer_then_drain)(environ, proto)
            finally:
                self._places += 1

    async def _read_large(self, environ: "WSGIEnvironment", proto: "HTTPProtocol") -> bool:
        """Put the body and its length into the environ; tell whether nothing more is to come."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_timeout_s) as clock:
                begun_s = asyncio.get_running_loop().time() + self._limits.body_timeout_s
                async for chunk in proto:
                    body += chunk
                    if len(body) > self._limits.largest_body:
                        break
                    clock.reschedule(begun_s + len(body) / BYTES_PER_S)
        except TimeoutError:
            environ[REFUSED] = HTTPStatus.REQUEST_TIMEOUT
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["wsgi.input"] = BytesIO(body)
        return REFUSED in environ or len(body) <= self._limits.largest_body

    async def _answer(self, environ: "WSGIEnvironment", proto: "HTTPProtocol") -> None:
        if self.app.is_quick(environ):
            self._respond(environ, proto)
        else:
            loop = asyncio.get_running_loop()
            threads = self._scraped if environ["PATH_INFO"] == SCRAPE else self._threads
            await loop.run_in_executor(threads, self._respond, environ, proto)

    async def _answer_then_drain(self, environ: "WSGIEnvironment", proto: "HTTPProtocol") -> None:
        """Answer, then read on: many clients send all of a body before they look at the answer.

        A connection that is closed before tells them of a broken pipe. A client that waits for
        leave to send (Expect) has got the refusal instead.
        """
        await self._answer(environ, proto)
        if "HTTP_EXPECT" in environ:
            return
        left = DRAINED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                async for chunk in proto:
                    left -= len(chunk)
                    if left <= 0:
                        break

    def _respond(self, environ: "WSGIEnvironment", proto: "HTTPProtocol") -> None:
        head = _Head()
        body = self.app(environ, head)
        try:
            content = b"".join(body)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
        proto.response_bytes(head.status, head.headers, content)


class _Head:
    """The `start_response` of one request, which keeps what it is told."""

    status = 500
    headers: "list[tuple[str, str]]"

    def __call__(
        self, status: str, headers: "list[tuple[str, str]]", exc_info: object = None
    ) -> None:
        self.status = int(status[:3])
        self.headers = headers


def environ_of(scope: "Scope") -> "WSGIEnvironment":
    """Return the WSGI environ of a request (PEP 3333), with an empty body."""
    environ: dict[str, Any] = _CONSTANT.copy()
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = scope.path if scope.path.isascii() else _as_latin1(scope.path)
    environ["QUERY_STRING"] = scope.query_string
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    environ["SERVER_NAME"], _, environ["SERVER_PORT"] = scope.server.rpartition(":")
    environ["wsgi.url_scheme"] = scope.scheme
    environ["wsgi.input"] = BytesIO()
    for name, value in scope.headers.items():
        key = _environ_key(name)
        if key in environ and value and key != "CONTENT_LENGTH":
            value = f"{environ[key]},{value}"
        environ[key] = value
    return environ


def announced_bytes(environ: "WSGIEnvironment") -> int | None:
    """Return the length of the body that the head announces; None when only its end will tell."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    length: str = environ["CONTENT_LENGTH"]
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def _as_latin1(path: str) -> str:
    return path.encode().decode("latin-1")


@lru_cache(maxsize=256)
def _environ_key(name: str) -> str:
    """Return the key of a header; a name with an underscore could pass for another's."""
    key = name.upper().replace("-", "_")
    if "_" in name:
        return f"cidp.ignored.{key}"
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
