"""Who may call a route: a known key, its scope, its allowance; each refusal leaves a line."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import unquote

from flask import Response, request

from cidp import audit
from cidp.answers import error_answer
from cidp.auth import ApiKey, Scope
from cidp.errors import FieldError, ParametersRefused
from cidp.key_sources import LiveKeys
from cidp.people import NAME_EXPECTED, is_name
from cidp.throttle import SharedNames, Throttle, Turn, sender
from cidp.workers import Worker

READING_SCOPES: frozenset[Scope] = frozenset({"predict", "read"})
_HOLDER = "cidp.holder"
_WRITER = "cidp.writer"
_FACT = "cidp.fact"
P = ParamSpec("P")


class Guard:
    """Lets keys with the right scope through, before the body is looked at.

    Each address may present `wrong_per_minute` keys that are refused; a good key is never slowed
    by them, only by a limit of its own. With a `worker` all workers count together.
    """

    def __init__(
        self,
        keys: LiveKeys,
        wrong_per_minute: int,
        clock: Callable[[], float],
        worker: Worker | None = None,
    ) -> None:
        self._keys = keys
        self._wrong_per_minute = wrong_per_minute
        # Apart, so that a flood from many addresses makes no limit of a key forgotten.
        self._addresses, self._limited_keys = (
            Throttle(clock, SharedNames(worker, kind) if worker else None)
            for kind in ("address", "key")
        )

    def knows(self, environ: dict[str, Any]) -> bool:
        """Tell whether a request carries a key that counts, without counting a try."""
        return self._find(environ) is not None

    def _find(self, environ: dict[str, Any]) -> ApiKey | None:
        header = environ.get("HTTP_X_API_KEY", "")
        return self._keys.ring().find(header, environ.get("REMOTE_ADDR", ""))

    def __call__(
        self, scope: Scope, view: Callable[P, Response], *others: Scope
    ) -> Callable[P, Response]:
        """Return `view` behind the check that the key has `scope`, or one of `others`."""

        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Response:
            environ = request.environ
            key = self._find(environ)
            if key is None:
                return self._unknown(environ.get("HTTP_X_API_KEY", ""))
            if key.requests_per_minute is not None:
                turn = self._limited_keys.take(key.id, key.requests_per_minute)
                if turn.wait_s or turn.held:
                    _say_held(turn, f"clé {key.id}, {key.requests_per_minute} requêtes par minute")
                if turn.wait_s:
                    return _too_many(turn, f"La clé « {key.id} » a atteint sa limite de débit")
            if scope not in key.scopes and not set(others) & set(key.scopes):
                _note(403, f"clé {key.id}, droit {scope} manquant")
                return error_answer(403, _no_right(key, scope))
            environ[_HOLDER] = key
            if scope not in READING_SCOPES:
                environ[_WRITER] = key
            return view(*args, **kwargs)

        return checked

    def _unknown(self, header: str) -> Response:
        address = request.remote_addr or ""
        turn = self._addresses.take(sender(address), self._wrong_per_minute)
        if turn.wait_s:
            _say_held(turn, "trop de clés refusées")
            return _too_many(turn, "Trop de clés refusées depuis cette adresse")
        reason = self._keys.ring().refusal(header, address)
        _note(401, f"{reason}{_since(turn)}")
        answer = error_answer(
            401, "Clé absente ou refusée : l'en-tête X-API-KEY attend une clé valable."
        )
        answer.headers["WWW-Authenticate"] = 'ApiKey header="X-API-KEY"'
        return answer


def holder() -> ApiKey:
    """Return the key of this request, whatever its scope."""
    key: ApiKey = request.environ[_HOLDER]
    return key


def writer() -> ApiKey:
    """Return the key of this request, behind a scope that writes."""
    key: ApiKey = request.environ[_WRITER]
    return key


def lacks(scope: Scope) -> Response | None:
    """Return the refusal of a writer whose key does not have `scope` as well, or None."""
    key = writer()
    if scope in key.scopes:
        return None
    describe_write(f"droit {scope} manquant")
    return error_answer(403, _no_right(key, scope))


def _no_right(key: ApiKey, scope: Scope) -> str:
    return f"La clé « {key.id} » n'a pas le droit « {scope} »."


def describe_write(fact: str) -> None:
    """Add to the audit line of this request what it changed."""
    request.environ[_FACT] = fact


def writer_id() -> str:
    """Name the key by which this request writes."""
    key: ApiKey = request.environ[_WRITER]
    return key.id


def operator() -> str:
    """Return who acts: the header X-Operator, percent-encoded, or else the key's name.

    A header that is not ASCII never arrives: the server drops it. Raises `ParametersRefused` for a
    name that a record does not take.
    """
    name = unquote(request.environ.get("HTTP_X_OPERATOR", "").strip())
    if not name:
        return writer_id()
    if not is_name(name):
        raise ParametersRefused([FieldError(field="X-Operator", message=NAME_EXPECTED)])
    return name


def audit_write(environ: dict[str, Any], status: int) -> None:
    """Leave the line of a request that may write, if this was one, with its outcome."""
    writer: ApiKey | None = environ.get(_WRITER)
    if writer is not None:
        _note(status, f"clé {writer.id}, {environ.get(_FACT, 'rien de changé')}")


def _say_held(turn: Turn, fact: str) -> None:
    """Say the first refusal at once and count the rest: a flood must not fill the disk."""
    if turn.wait_s == 0:
        _note(429, f"{fact}, fin{_since(turn)}")
    elif turn.held == 1:
        _note(429, fact)


def _since(turn: Turn) -> str:
    return f" ({turn.held} refus comptés avant)" if turn.held else ""


def _note(status: int, fact: str) -> None:
    route = request.url_rule.rule if request.url_rule else "?"
    audit.note(request.method, route, status, request.remote_addr or "?", fact)


def _too_many(turn: Turn, message: str) -> Response:
    wait_s = math.ceil(turn.wait_s)
    answer = error_answer(429, f"{message} : réessayez dans {wait_s} s.")
    answer.headers["Retry-After"] = str(wait_s)
    return answer
