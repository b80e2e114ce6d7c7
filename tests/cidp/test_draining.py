"""The rest of a refused body is read where that helps its sender, within bounds."""

import threading
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from cidp import draining
from cidp.draining import MAX_BYTES, SMALL_BYTES, Drain


def request_of(body: bytes, **environ: Any) -> dict[str, Any]:
    builder = EnvironBuilder(method="POST", input_stream=BytesIO(body))
    base = builder.get_environ() | {"wsgi.input_terminated": True}
    return base | {"CONTENT_LENGTH": str(len(body))} | environ


def left_in(request: dict[str, Any]) -> int:
    return len(request["wsgi.input"].read())


def test_a_large_body_is_read_to_its_end() -> None:
    request = request_of(b"x" * 5_000_000)
    Drain(1).rest_of(request)
    assert left_in(request) == 0


def test_a_body_without_a_length_is_read_to_its_end() -> None:
    request = request_of(b"x" * 10, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    Drain(1).rest_of(request)
    assert left_in(request) == 0


def test_a_body_beyond_the_bound_is_given_up() -> None:
    request = request_of(b"x" * (MAX_BYTES + 10))
    Drain(1).rest_of(request)
    assert left_in(request) == 10


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "MAX_S", 0)
    request = request_of(b"x" * 100_000)
    Drain(1).rest_of(request)
    assert left_in(request) == 100_000


@pytest.mark.parametrize(
    "environ",
    [
        {"CONTENT_LENGTH": str(SMALL_BYTES)},
        {"CONTENT_LENGTH": ""},
        {"HTTP_EXPECT": "100-continue"},
        {"wsgi.input_terminated": False},
    ],
)
def test_a_body_that_needs_no_help_or_has_no_end_is_left(environ: dict[str, Any]) -> None:
    request = request_of(b"x" * 100_000, **environ)
    Drain(1).rest_of(request)
    assert left_in(request) == 100_000


def test_slow_senders_do_not_take_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_WAIT_S", 0.01)
    reading, release = threading.Event(), threading.Event()

    class Slow:
        def read(self, size: int) -> bytes:
            reading.set()
            assert release.wait(30)
            return b""

    drain = Drain(1)
    slow = request_of(b"x" * 100_000, **{"wsgi.input": Slow()})
    held = threading.Thread(target=drain.rest_of, args=(slow,))
    held.start()
    assert reading.wait(30)
    request = request_of(b"x" * 100_000)
    drain.rest_of(request)
    release.set()
    held.join()
    assert left_in(request) == 100_000
    drain.rest_of(again := request_of(b"x" * 100_000))
    assert left_in(again) == 0
