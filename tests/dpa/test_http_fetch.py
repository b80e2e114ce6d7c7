"""One document over HTTP: what is tried again, what is refused, and that it always ends."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from machine_api import Answer, MachineApi, serving

from dpa.errors import SourceUnreadable, UsageError
from dpa.http_fetch import MAX_REDIRECTS, FetchLimits, checked_address, fetch, is_address, shown

QUICK = FetchLimits(
    connect_s=60, read_s=60, deadline_s=120, retries=2, backoff_s=0.001, retry_after_s=0
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def api() -> Iterator[MachineApi]:
    with serving() as found:
        yield found


def refused(api: MachineApi, limits: FetchLimits = QUICK) -> str:
    with pytest.raises(SourceUnreadable) as raised:
        fetch(api.url, {}, limits)
    assert str(raised.value).startswith(f"{api.url} : ")
    return str(raised.value)


def test_a_document_is_fetched_whole_with_the_headers_given(api: MachineApi) -> None:
    body = b"[" + b"1," * 100_000 + b"1]"
    api.answer(Answer(body))
    assert fetch(api.url, {"X-API-KEY": "k"}, QUICK) == body
    assert api.requests[0]["X-API-KEY"] == "k"


def test_a_compressed_document_is_unpacked(api: MachineApi) -> None:
    body = b"[" + b"1," * 100_000 + b"1]"
    api.answer(Answer(gzip.compress(body), headers={"Content-Encoding": "gzip"}))
    assert fetch(api.url, {}, QUICK) == body


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_trouble_of_the_server_is_tried_again(api: MachineApi, status: int) -> None:
    api.answer(Answer(status=status, headers={"Retry-After": "3600"}), Answer(b"[1]"))
    assert fetch(api.url, {}, QUICK) == b"[1]"
    assert len(api.requests) == 2


def test_a_trouble_that_stays_is_told_with_its_status(api: MachineApi) -> None:
    api.answer(Answer(status=503))
    assert "réponse HTTP 503" in refused(api)
    assert len(api.requests) == 1 + QUICK.retries


@pytest.mark.parametrize(
    ("status", "words"), [(401, "DPA_MACHINES_API_KEY"), (404, "chemin"), (204, "HTTP 204")]
)
def test_any_other_status_is_refused_at_once(api: MachineApi, status: int, words: str) -> None:
    api.answer(Answer(b"", status=status))
    assert words in refused(api)
    assert len(api.requests) == 1


def test_a_silent_server_is_left_after_its_delay(api: MachineApi) -> None:
    api.answer(Answer(silent=True))
    assert "ne répond pas dans le délai" in refused(api, replace(QUICK, read_s=0.2))


def test_the_deadline_holds_whatever_the_server_does(api: MachineApi) -> None:
    api.answer(Answer(silent=True))
    begin = time.monotonic()
    message = refused(api, replace(QUICK, read_s=600, deadline_s=0.2))
    assert "pas de réponse complète en 0.2 s" in message
    assert time.monotonic() - begin < 300


def test_a_document_that_comes_drop_by_drop_ends_at_the_deadline() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.02):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(SourceUnreadable, match="pas de réponse complète"):
                fetch(
                    f"http://127.0.0.1:{listener.getsockname()[1]}/",
                    {},
                    replace(QUICK, deadline_s=0.3),
                )
        finally:
            stop.set()
            thread.join()


def test_an_endless_document_is_cut_at_its_limit(api: MachineApi) -> None:
    api.answer(Answer(b" " * 3_000_000))
    assert "plus de 2 Mo" in refused(api, replace(QUICK, max_bytes=2_000_000))


def test_a_bomb_is_cut_at_its_limit_once_unpacked(api: MachineApi) -> None:
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=1)
    assert len(bomb) < 2_000_000
    api.answer(Answer(bomb, headers={"Content-Encoding": "gzip"}))
    assert "plus de 2 Mo" in refused(api, replace(QUICK, max_bytes=2_000_000))


@pytest.mark.parametrize("encoding", [{}, {"Content-Encoding": "gzip"}])
def test_a_truncated_document_is_refused(api: MachineApi, encoding: dict[str, str]) -> None:
    body = gzip.compress(b"[1]") if encoding else b"[1]"
    api.answer(Answer(body, cut=10, headers=encoding))
    assert "coupée avant la fin" in refused(api)


def test_what_claims_to_be_compressed_and_is_not_is_refused(api: MachineApi) -> None:
    api.answer(Answer(b"[1]", headers={"Content-Encoding": "gzip"}))
    assert "compressée illisible" in refused(api)


def test_a_closed_port_is_said() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceUnreadable, match="connexion impossible"):
        fetch(f"http://127.0.0.1:{port}/", {}, QUICK)


def test_a_plain_server_under_an_https_address_is_said(api: MachineApi) -> None:
    with pytest.raises(SourceUnreadable, match="certificat"):
        fetch(api.url.replace("http:", "https:"), {}, QUICK)


def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(api: MachineApi) -> None:
    with pytest.raises(SourceUnreadable, match="échange impossible") as raised:
        fetch(api.url, {"X-API-KEY": "secret\nligne"}, QUICK)
    assert "secret" not in str(raised.value)


def redirection(target: str) -> Answer:
    return Answer(b"", status=302, headers={"Location": target})


def test_a_redirection_on_the_same_host_keeps_the_key(api: MachineApi) -> None:
    api.answer(redirection("/v2"), Answer(b"[1]"))
    assert fetch(api.url, {"X-API-KEY": "k"}, QUICK) == b"[1]"
    assert [(r["path"], r.get("X-API-KEY")) for r in api.requests] == [
        ("/machines", "k"),
        ("/v2", "k"),
    ]


def test_the_key_never_follows_to_another_host(api: MachineApi) -> None:
    with serving() as other:
        other.answer(Answer(b"[1]"))
        api.answer(redirection(other.url))
        assert fetch(api.url, {"X-API-KEY": "k"}, QUICK) == b"[1]"
        assert "X-API-KEY" not in other.requests[0]


def test_a_loop_of_redirections_is_left(api: MachineApi) -> None:
    api.answer(redirection(api.url))
    assert f"plus de {MAX_REDIRECTS} redirections" in refused(api)
    assert len(api.requests) == MAX_REDIRECTS + 1


def test_a_redirection_out_of_http_is_refused(api: MachineApi) -> None:
    api.answer(redirection("file:///etc/passwd"))
    assert "redirection refusée vers file:///etc/passwd" in refused(api)


def test_an_address_is_shown_without_its_secrets() -> None:
    address = "https://moi:secret@hote:8443/liste?token=secret#x"
    assert shown(address) == "https://hote:8443/liste?…"


@pytest.mark.parametrize(
    "address", ["http://", "http://hote:99999/", "http://[1/", "https://:80/x"]
)
def test_an_address_that_names_no_server_is_a_misuse(address: str) -> None:
    with pytest.raises(UsageError, match="--machines"):
        checked_address(address)


def test_an_address_is_told_from_a_path() -> None:
    assert is_address("HTTPS://hôte/x")
    assert not is_address("machines.json")
    assert not is_address("httpd/machines.json")
    assert not is_address(r"C:\machines.json")
