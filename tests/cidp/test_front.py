"""Bodies are waited for within a deadline, and only those that may be of use are kept."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from granian.rsgi import ProtocolClosed

from cidp import front as front_module
from cidp.front import LARGE_AT_ONCE, REFUSED, SMALL_BYTES, Front, Limits, environ_of

LARGEST = 200_000
KNOWN = {"x-api-key": "connue"}


class Scope:
    """What granian tells of a request."""

    def __init__(self, headers: Any = (), path: str = "/x", method: str = "POST") -> None:
        self.method, self.path, self.query_string, self.scheme = method, path, "a=%20b", "http"
        self.client, self.server = "192.0.2.7:1234", "[::1]:5000"
        self.headers = dict(headers) if isinstance(headers, dict) else list(headers)
        if isinstance(self.headers, list):
            pairs = self.headers
            self.headers = type("Headers", (), {"items": lambda _: pairs})()


class Proto:
    """A sender: its body comes in pieces, and then stays away when it is `stuck`."""

    def __init__(self, *pieces: bytes, stuck: bool = False, gone: bool = False) -> None:
        self.pieces, self.stuck, self.gone = list(pieces), stuck, gone
        self.answers: list[tuple[int, dict[str, str], bytes]] = []

    async def __call__(self) -> bytes:
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.pieces:
            yield self.pieces.pop(0)
        if self.stuck:
            await asyncio.Event().wait()
        if self.gone:
            raise ProtocolClosed

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answers.append((status, dict(headers), body))


class Echo:
    """An application that answers with the body it reads, and notes who called it."""

    def __init__(self, *, quick: bool = False) -> None:
        self.quick, self.environs, self.threads = quick, list[Any](), list[int]()
        self.closed = 0
        self.during: Callable[[], object] = lambda: None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.environs.append(environ)
        self.threads.append(threading.get_ident())
        self.during()
        start_response(f"{int(environ.get(REFUSED, 200))} x", [("X-A", "1")])
        return self

    def __iter__(self) -> Any:
        yield self.environs[-1]["wsgi.input"].read()

    def close(self) -> None:
        self.closed += 1

    def is_quick(self, environ: Any) -> bool:
        return self.quick

    def knows_key(self, environ: Any) -> bool:
        return "HTTP_X_API_KEY" in environ


def answered(
    app: Echo, proto: Proto, headers: dict[str, str], timeout_s: float = 60
) -> list[tuple[int, dict[str, str], bytes]]:
    """Have one request answered by a fresh front."""

    async def run() -> None:
        front = Front(app, Limits(2, timeout_s, LARGEST))
        await asyncio.create_task(front.__rsgi__(Scope(headers), proto))  # type: ignore[arg-type]
        front.__rsgi_del__(asyncio.get_running_loop())

    asyncio.run(run())
    return proto.answers


def length(count: int, **others: str) -> dict[str, str]:
    return {"content-length": str(count), **others}


def test_a_body_reaches_the_application_whole() -> None:
    app, proto = Echo(), Proto(b"ab", b"cd")
    assert answered(app, proto, length(4)) == [(200, {"X-A": "1"}, b"abcd")]
    assert app.closed == 1


def test_a_request_without_a_body_is_answered_without_reading() -> None:
    proto = Proto(b"never read", stuck=True)
    assert answered(Echo(), proto, {}) == [(200, {"X-A": "1"}, b"")]


def test_a_scrape_is_answered_while_every_thread_is_held() -> None:
    app, held = Echo(), threading.Event()
    app.during = lambda: app.environs[-1]["PATH_INFO"] == "/metrics" or held.wait(60)

    async def run() -> None:
        front = Front(app, Limits(2, 60, LARGEST))
        slow = [asyncio.create_task(front.__rsgi__(Scope(), Proto())) for _ in range(2)]  # type: ignore[arg-type]
        while len(app.threads) < 2:
            await asyncio.sleep(0.01)
        scrape = Proto()
        await asyncio.wait_for(front.__rsgi__(Scope(path="/metrics"), scrape), 30)  # type: ignore[arg-type]
        assert [status for status, *_ in scrape.answers] == [200]
        assert not any(one.done() for one in slow)
        held.set()
        await asyncio.gather(*slow)
        front.__rsgi_del__(asyncio.get_running_loop())

    asyncio.run(run())


@pytest.mark.parametrize("quick", [True, False])
def test_only_what_is_quick_runs_on_the_event_loop(quick: bool) -> None:
    app = Echo(quick=quick)
    answered(app, Proto(), {})
    assert (app.threads == [threading.get_ident()]) is quick


@pytest.mark.parametrize(
    "headers",
    [
        length(10),
        length(SMALL_BYTES + 1) | KNOWN,
        {"transfer-encoding": "chunked"} | KNOWN,
    ],
)
def test_a_body_that_is_late_is_refused(headers: dict[str, str]) -> None:
    app, proto = Echo(), Proto(b"abc", stuck=True)
    assert [status for status, _, _ in answered(app, proto, headers, 0.05)] == [408]


def test_a_large_body_has_time_as_long_as_it_keeps_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front_module, "BYTES_PER_S", 1)
    pieces = [b"x" * 50_000] * 3
    assert answered(Echo(), Proto(*pieces), length(150_000) | KNOWN, 0.001)[0][0] in {200, 408}
    whole = answered(Echo(), Proto(*pieces), length(150_000) | KNOWN)
    assert len(whole[0][2]) == 150_000


def test_a_large_body_of_an_unknown_sender_is_answered_first_and_not_kept() -> None:
    app, proto = Echo(), Proto(b"x" * 100_000)
    assert answered(app, proto, length(100_000)) == [(200, {"X-A": "1"}, b"")]
    assert proto.pieces == []  # read away, so that the sender gets to read the answer


@pytest.mark.parametrize("headers", [length(LARGEST + 1), {"transfer-encoding": "chunked"}])
def test_a_body_beyond_the_limit_is_told_by_its_length(headers: dict[str, str]) -> None:
    app, proto = Echo(), Proto(b"x" * LARGEST, b"x", b"x" * 1000)
    answered(app, proto, headers | KNOWN)
    assert int(app.environs[0]["CONTENT_LENGTH"]) == LARGEST + 1
    assert proto.pieces == []


def test_a_chunked_body_gets_its_length() -> None:
    app = Echo()
    answered(app, Proto(b"ab", b"c"), {"transfer-encoding": "chunked"} | KNOWN)
    assert app.environs[0]["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in app.environs[0]


def test_a_client_that_waits_for_leave_gets_the_refusal_alone() -> None:
    proto = Proto(b"never sent", stuck=True)
    answers = answered(Echo(), proto, length(100_000, expect="100-continue"))
    assert len(answers) == 1
    assert proto.pieces == [b"never sent"]


def test_the_rest_of_a_refused_body_is_read_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "DRAINED_BYTES", 150_000)
    monkeypatch.setattr(front_module, "DRAIN_S", 0.05)
    endless = Proto(*[b"x" * 100_000] * 5)
    answered(Echo(), endless, length(500_000))
    assert len(endless.pieces) == 3
    slow = Proto(b"x", stuck=True)
    assert len(answered(Echo(), slow, length(500_000))) == 1


@pytest.mark.parametrize("headers", [length(10), length(100_000) | KNOWN])
def test_a_sender_that_has_gone_is_answered_nothing(headers: dict[str, str]) -> None:
    app, proto = Echo(), Proto(b"abc", gone=True)
    assert answered(app, proto, headers) == []
    assert app.environs == []


def test_large_bodies_are_held_in_a_few_places_which_come_free_again() -> None:
    async def run() -> None:
        front = Front(Echo(), Limits(2, 60, LARGEST))
        headers = length(100_000) | KNOWN

        def sent(proto: Proto) -> Awaitable[None]:
            return asyncio.create_task(front.__rsgi__(Scope(headers), proto))  # type: ignore[arg-type]

        slow = [Proto(b"x", stuck=True) for _ in range(LARGE_AT_ONCE)]
        held: Any = [sent(proto) for proto in slow]
        await asyncio.sleep(0)
        await sent(one_more := Proto(b"x" * 100_000))
        assert [status for status, _, _ in one_more.answers] == [503]
        held[0].cancel()
        await asyncio.wait(held[:1])
        await sent(later := Proto(b"x" * 100_000))
        assert [status for status, _, _ in later.answers] == [200]
        for task in held:
            task.cancel()
        await asyncio.wait(held)

    asyncio.run(run())


def test_a_task_that_is_stopped_by_somebody_else_answers_nothing() -> None:
    async def run() -> None:
        front, proto = Front(Echo(), Limits(2, 60, LARGEST)), Proto(stuck=True)
        task = asyncio.create_task(front.__rsgi__(Scope(length(10)), proto))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert proto.answers == []

    asyncio.run(run())


def test_the_environ_is_that_of_wsgi() -> None:
    pairs = [
        ("host", "h:1"),
        ("content-type", "application/json"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("x_api_key", "fausse"),
    ]
    environ = environ_of(Scope(pairs, "/é"))  # type: ignore[arg-type]
    assert environ["PATH_INFO"] == "/é".encode().decode("latin-1")
    assert environ["QUERY_STRING"] == "a=%20b"
    assert environ["CONTENT_TYPE"] == "application/json"
    assert environ["HTTP_HOST"] == "h:1"
    assert environ["HTTP_X_TWO"] == "1,2"
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("[::1]", "5000")
    assert "HTTP_X_API_KEY" not in environ


@pytest.mark.parametrize(
    ("client", "address"), [("192.0.2.7:1", "192.0.2.7"), ("[2001:db8::1]:9", "2001:db8::1")]
)
def test_the_address_is_without_its_port(client: str, address: str) -> None:
    scope = Scope()
    scope.client = client
    assert environ_of(scope)["REMOTE_ADDR"] == address  # type: ignore[arg-type]
