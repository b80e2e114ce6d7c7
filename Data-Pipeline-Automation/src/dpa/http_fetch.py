"""Fetches one document over HTTP(S), within limits of time, size and redirects."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from dpa.errors import SourceUnreadable, UsageError

if TYPE_CHECKING:
    import requests

RETRIED_STATUSES: Final = (429, 500, 502, 503, 504)
MAX_REDIRECTS: Final = 3
CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True)
class FetchLimits:
    """Patience and appetite; `deadline_s` bounds everything: names, retries, waits and reading.

    `max_bytes` counts the document after decompression. `retry_after_s` is the longest wait that a
    server may ask for.
    """

    connect_s: float = 5.0
    read_s: float = 15.0
    deadline_s: float = 60.0
    retries: int = 3
    backoff_s: float = 0.5
    retry_after_s: int = 20
    max_bytes: int = 8_000_000


def is_address(location: str) -> bool:
    """Tell an http(s) address from a path."""
    return location.lower().startswith(("http://", "https://"))


def shown(address: str) -> str:
    """Write an address without what may be secret in it: user, password, query."""
    parts = urlsplit(address)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "…" if parts.query else "", ""))


def checked_address(address: str) -> str:
    """Give the address back; raise UsageError when it names no host or an impossible port."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise UsageError("--machines : adresse illisible ; vérifiez l'hôte et le port.") from error
    if not parts.hostname:
        raise UsageError("--machines : l'adresse ne nomme pas d'hôte (https://hôte/chemin).")
    return address


def fetch(address: str, headers: dict[str, str], limits: FetchLimits) -> bytes:
    """Get a document whole; raise SourceUnreadable with the cause and the remedy.

    Connection failures and answers 429, 500, 502, 503 and 504 are tried again, ever later.
    `headers` go to the address's own host only, never to one that it redirects to.
    """
    return _within(limits.deadline_s, lambda: _fetch(address, headers, limits), shown(address))


def _within(deadline_s: float, work: Callable[[], bytes], name: str) -> bytes:
    """Run `work` in a thread that is left behind at the deadline.

    Neither the resolution of names nor a server that sends one byte now and then obeys a time-out
    of the socket.
    """
    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    # Only a run that fetches its machine list pays for the import; requests' errors are OSErrors.
    from urllib3.exceptions import HTTPError

    def run() -> None:
        try:
            answers.put(work())
        except (SourceUnreadable, HTTPError, OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=run, name="http-fetch", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline_s)
    except queue.Empty as error:
        raise _too_slow(name, deadline_s) from error
    if isinstance(answer, SourceUnreadable):
        raise answer
    if isinstance(answer, Exception):
        raise SourceUnreadable(f"{name} : {_cause(answer)}") from answer
    return answer


def _too_slow(name: str, deadline_s: float) -> SourceUnreadable:
    return SourceUnreadable(
        f"{name} : pas de réponse complète en {deadline_s:g} s ; vérifiez le réseau et l'état du "
        "serveur."
    )


def _fetch(address: str, headers: dict[str, str], limits: FetchLimits) -> bytes:
    end_s = time.monotonic() + limits.deadline_s
    with _session(limits) as session:
        for _ in range(MAX_REDIRECTS + 1):
            with session.get(
                address,
                headers=headers,
                timeout=(limits.connect_s, limits.read_s),
                stream=True,
                allow_redirects=False,
            ) as response:
                if not response.is_redirect:
                    return _content(response, limits, end_s)
                target = _redirected(address, response.headers["location"])
            headers = headers if _origin(target) == _origin(address) else {}
            address = target
    raise SourceUnreadable(
        f"{shown(address)} : plus de {MAX_REDIRECTS} redirections ; indiquez l'adresse finale."
    )


def _session(limits: FetchLimits) -> "requests.Session":
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=limits.retries,
        read=1,
        status_forcelist=RETRIED_STATUSES,
        backoff_factor=limits.backoff_s,
        backoff_jitter=limits.backoff_s,
        retry_after_max=limits.retry_after_s,
        raise_on_status=False,
    )
    session = requests.Session()
    session.headers["Accept"] = "application/json"
    session.headers["Accept-Encoding"] = "gzip, deflate"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or default


def _redirected(address: str, location: str) -> str:
    """Give the address that a redirection leads to, if it is allowed to."""
    target = urljoin(address, location)
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https") or (scheme, urlsplit(address).scheme) == ("http", "https"):
        raise SourceUnreadable(
            f"{shown(address)} : redirection refusée vers {shown(target)} (hors HTTPS) ; "
            "indiquez l'adresse finale si vous lui faites confiance."
        )
    return target


def _content(response: "requests.Response", limits: FetchLimits, end_s: float) -> bytes:
    name = shown(response.url)
    if response.status_code != 200:
        raise SourceUnreadable(f"{name} : {_refusal(response.status_code)}")
    body = bytearray()
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > limits.max_bytes:
            raise SourceUnreadable(
                f"{name} : plus de {limits.max_bytes // 1_000_000} Mo, ce n'est pas une liste de "
                "machines ; vérifiez l'adresse."
            )
        if time.monotonic() > end_s:
            raise _too_slow(name, limits.deadline_s)
    return bytes(body)


def _refusal(status: int) -> str:
    remedy = {
        401: "clé refusée ; vérifiez DPA_MACHINES_API_KEY",
        403: "accès refusé ; vérifiez DPA_MACHINES_API_KEY",
        404: "rien à cette adresse ; vérifiez le chemin",
        429: "trop de demandes ; réessayez plus tard",
    }.get(status, "le serveur n'a pas donné la liste ; réessayez plus tard")
    return f"réponse HTTP {status}, {remedy}."


def _cause(error: Exception) -> str:
    """Name in French why the exchange failed."""
    from requests import exceptions as requests_errors
    from urllib3 import exceptions as urllib3_errors

    # Once its retries are spent, requests hides the last failure in its own.
    reason = getattr(error.args[0], "reason", None) if error.args else None
    sentences: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
        (
            (requests_errors.SSLError, urllib3_errors.SSLError),
            "certificat du serveur refusé ; vérifiez l'adresse ou l'autorité de certification.",
        ),
        (
            (requests_errors.ReadTimeout, urllib3_errors.ReadTimeoutError),
            "le serveur ne répond pas dans le délai ; réessayez plus tard.",
        ),
        (
            (urllib3_errors.DecodeError,),
            "réponse compressée illisible ; signalez-le à qui tient l'API.",
        ),
        (
            (urllib3_errors.ProtocolError,),
            "connexion coupée avant la fin de la réponse ; réessayez plus tard.",
        ),
        (
            (requests_errors.ConnectionError,),
            "connexion impossible ; vérifiez l'adresse, le réseau et que le serveur tourne.",
        ),
    )
    for kinds, sentence in sentences:
        if isinstance(error, kinds) or isinstance(reason, kinds):
            return sentence
    return f"échange impossible ({type(error).__name__}) ; vérifiez l'adresse."
