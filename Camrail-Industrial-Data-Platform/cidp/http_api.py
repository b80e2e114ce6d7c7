"""The HTTP contract of docs/openapi.yaml, as a Flask application."""

import os
import time
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, has_request_context, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from loguru import logger
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.exceptions import HTTPException, MisdirectedRequest, UnsupportedMediaType, abort
from werkzeug.routing import MapAdapter

from cidp import (
    __version__,
    alerts_api,
    batch_api,
    docs_api,
    fleet_api,
    jobs_api,
    models_api,
    reports_api,
    warehouse_api,
    whoami_api,
)
from cidp.access_log import REASON, AccessLog
from cidp.answers import Answer, error_answer, json_answer
from cidp.assembly import Parts, assemble
from cidp.drift import DriftCollector, Rows, as_rows, within_window
from cidp.errors import NoModel, RequestRefused, StoreError
from cidp.event_batch import Door, Outcome, Receipt
from cidp.event_store import LetterKind, utc_text
from cidp.front import REFUSED
from cidp.guard import Guard, audit_write, describe_write
from cidp.in_time import InTime
from cidp.key_sources import LiveKeys
from cidp.metrics import LetterCollector, SourceCollector, known_method
from cidp.readiness import read_source, readiness
from cidp.request_body import read_body
from cidp.request_id import request_id
from cidp.settings import Settings
from cidp.telemetry import READINGS, TelemetryEvent, parse_reading
from cidp.telemetry_sample import TelemetrySample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

RETRY_AFTER_S = "5"
JSON = "application/json"
_BEGUN = "cidp.begun_s"
_KNOWN_HOSTS = 100
"""Spellings of a trusted host (with ports) that are remembered."""

_MESSAGES = {
    400: "La requête est malformée.",
    404: "Cette adresse n'existe pas ; voir /health, /ready, /predict, /telemetry, /metrics.",
    405: "Cette méthode n'est pas admise ici ; l'en-tête Allow donne celles qui le sont.",
    408: "Le corps de la requête n'est pas arrivé à temps.",
    413: "Le corps de la requête est trop volumineux.",
    415: "Le corps doit être du JSON, annoncé par Content-Type: application/json.",
    421: "Nom d'hôte refusé : API_TRUSTED_HOSTS donne les noms sous lesquels l'API répond.",
    500: "Erreur interne ; le journal de l'API en donne la cause.",
    503: "Trop de corps volumineux arrivent en même temps : réessayez.",
}


class _NoSession(SessionInterface):
    """One empty session for every request, since no route has one."""

    _session = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        return self._session


class ScoringApi(Flask):
    """The Flask application, which spares each request what no route of it uses.

    Hooks that somebody registers are called as by any Flask application; see docs/adr/0018.
    """

    response_class = Answer
    session_interface = _NoSession()

    def __init__(self, parts: Parts, guard: Guard) -> None:
        super().__init__("cidp", static_folder=None)
        self.url_map.merge_slashes = False  # a redirect would need the host
        self.guard = guard
        self._parts = parts
        self._hosts = parts.settings.api.answered_hosts
        self._known_hosts: set[str] = set()
        self._access = AccessLog(parts.settings.logs.answers_per_line)

    def is_quick(self, environ: "WSGIEnvironment") -> bool:
        """Tell whether an answer takes microseconds: then no thread is worth its while."""
        path: str = environ["PATH_INFO"]
        if path == "/predict":
            return environ["QUERY_STRING"] == "" and self._parts.model.manifest() is not None
        return path == "/health"

    def knows_key(self, environ: "WSGIEnvironment") -> bool:
        """Tell whether a request carries a key that counts."""
        return self.guard.knows(environ)

    def wsgi_app(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> "Iterable[bytes]":
        """Answer, and know since when."""
        environ[_BEGUN] = time.perf_counter()
        return super().wsgi_app(environ, start_response)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Match by path and method, whichever trusted host was asked for."""
        if request is None:
            return super().create_url_adapter(request)
        if self._hosts:
            self._check_host(request.environ.get("HTTP_HOST", ""))
        return MapAdapter(
            self.url_map, "", "/", "", request.scheme, request.path, request.method, None
        )

    def _check_host(self, host: str) -> None:
        """Refuse names that are not ours, before anything is looked at."""
        if host in self._known_hosts:
            return
        name = _host_name(host)
        if not any(name == ours.lstrip(".") or _is_under(name, ours) for ours in self._hosts):
            raise MisdirectedRequest
        if len(self._known_hosts) < _KNOWN_HOSTS:
            self._known_hosts.add(host)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Call every view as it is: none is a coroutine."""
        return func

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Begin to load the model with the first request; refuse what the front could not read."""
        self._parts.model.start()
        refused = _asked().environ.get(REFUSED)
        if refused is not None:
            abort(refused)
        return super().preprocess_request() if self.before_request_funcs else None

    def process_response(self, response: Response) -> Response:
        """Count the answer, and leave its lines in the log and in the audit."""
        if self.after_request_funcs:
            response = super().process_response(response)
        asked = _asked()
        environ, rule, status = asked.environ, asked.url_rule, response.status_code
        route, method = rule.rule if rule else "unmatched", known_method(asked.method)
        seconds = time.perf_counter() - environ[_BEGUN]
        self._parts.metrics.request_answered(route, method, status, seconds)
        self._access.note(environ, route, method, status, seconds)
        audit_write(environ, status)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Call what waits for the end of a request, if anything does."""
        if self.teardown_request_funcs:
            super().do_teardown_request(exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Call what waits for the end of a context, if anything does."""
        if self.teardown_appcontext_funcs:
            super().do_teardown_appcontext(exc)

    def log_exception(
        self,
        exc_info: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> None:
        """Write the traceback of an unexpected error to the log."""
        logger.opt(exception=exc_info[1]).error("Erreur inattendue sur {}", request.path)


def create_app(settings: Settings | None = None) -> ScoringApi:
    """Build the application; the model starts to load at the first request.

    Without `settings` the process's environment is read.
    """
    return app_of(assemble(settings or Settings.from_environ(os.environ)))


def app_of(parts: Parts, clock: Callable[[], float] = time.monotonic) -> ScoringApi:
    """Build the application around `parts`; `clock` times its throttles, in seconds."""
    guarded = _guard(parts, clock)
    app = ScoringApi(parts, guarded)
    api = _Endpoints(parts)
    metrics = guarded("read", api.metrics) if parts.settings.api.metrics_need_key else api.metrics
    app.add_url_rule("/health", view_func=api.health)
    app.add_url_rule("/ready", view_func=api.ready)
    app.add_url_rule("/metrics", view_func=metrics)
    app.add_url_rule("/predict", view_func=guarded("predict", api.predict), methods=["POST"])
    app.add_url_rule("/telemetry", view_func=guarded("ingest", api.telemetry), methods=["POST"])
    batch_api.add_routes(app, parts, guarded)
    models_api.add_routes(app, parts, guarded)
    docs_api.add_routes(app)
    fleet_api.add_routes(app, parts, guarded)
    alerts_api.add_routes(app, parts, guarded)
    jobs_api.add_routes(app, parts, guarded)
    reports_api.add_routes(app, parts, guarded)
    warehouse_api.add_routes(app, parts, guarded)
    whoami_api.add_routes(app, guarded)
    parts.metrics.registry.register(SourceCollector(InTime(api.source_mode)))
    parts.metrics.registry.register(LetterCollector(InTime(api.open_letters)))
    telemetry = TelemetrySample(parts.store, parts.now, parts.settings.telemetry.retention)
    sources = {"predict": api.recent, "telemetry": telemetry.rows}
    parts.metrics.registry.register(DriftCollector(sources, parts.model.manifest, READINGS))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(RequestRefused, _refused)
    app.register_error_handler(NoModel, _unavailable)
    app.register_error_handler(StoreError, _unavailable)
    return app


def log_context() -> dict[str, str]:
    """Return what a log line says of the request during which it is written, if there is one."""
    return {"request_id": request_id(request.environ)} if has_request_context() else {}


def _guard(parts: Parts, clock: Callable[[], float]) -> Guard:
    settings = parts.settings
    keys = LiveKeys(settings.keys, settings.keys_file, settings.file_keys, parts.now, clock)
    return Guard(keys, settings.api.wrong_keys_per_minute, clock, parts.worker)


class _Endpoints:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started_s = time.monotonic()
        self._model_wait_s = parts.settings.model.first_load_wait_s
        self._limits = parts.settings.api

    def health(self) -> Response:
        uptime_s = round(time.monotonic() - self._started_s, 3)
        return json_answer(
            {
                "status": "ok",
                "service": "camrail-ml-api",
                "version": __version__,
                "uptime_seconds": uptime_s,
            }
        )

    def ready(self) -> Response:
        body = readiness(self._parts)
        return json_answer(body, HTTPStatus.OK if body["status"] == "ready" else 503)

    def metrics(self) -> Response:
        return Answer(self._parts.metrics.exposition(), content_type=CONTENT_TYPE_LATEST)

    def predict(self) -> Response:
        started_s = time.perf_counter()
        flags = batch_api.flags_set(_asked(), batch_api.EXPLAIN, batch_api.HYPOTHETICAL)
        reading = parse_reading(_json_bytes(self._limits.predict_max_bytes))
        bundle = self._parts.model.bundle(self._model_wait_s)
        scorer = bundle.scorer
        score = scorer.score_one(reading)
        body = {
            "critical_risk": int(score.critical),
            "risk_probability": round(score.probability, 4),
            "loco_id": reading.loco_id,
            "model_version": score.model_version,
            "threshold": scorer.threshold,
            "warnings": scorer.warnings(reading),
        }
        if batch_api.EXPLAIN in flags:
            body["explanation"] = bundle.explainer.explain(reading).body()
        if batch_api.HYPOTHETICAL not in flags:
            self._parts.metrics.prediction_answered(
                time.perf_counter() - started_s, score.probability, critical=score.critical
            )
            self._parts.recent.note(reading.values(), score.probability)
        return json_answer(body)

    def telemetry(self) -> Response:
        raw = _json_bytes(self._limits.telemetry_max_bytes)
        receipts = self._parts.ingest.ingest_body(raw, "http")
        outcomes = [receipt.outcome for _, receipt in receipts]
        stored, duplicates, conflicts = map(outcomes.count, Outcome)
        describe_write(f"enregistrés {stored}, doublons {duplicates}, conflits {conflicts}")
        return json_answer(
            {
                "stored": stored,
                "duplicates": duplicates,
                "conflicts": conflicts,
                "results": [_result(event, receipt) for event, receipt in receipts],
            }
        )

    def source_mode(self) -> tuple[str, float | None, dict[str, int]]:
        source = read_source(self._parts)
        lags: dict[str, int] = {f.door: f.lag for f in source.feeds if f.lag is not None}
        return source.mode, source.age_s(self._parts.now()), lags

    def open_letters(self) -> dict[tuple[Door, LetterKind], int] | None:
        try:
            return self._parts.store.open_letters()
        except StoreError:
            return None  # which the source has counted

    def recent(self) -> Rows:
        worker = self._parts.worker
        rings = [self._parts.recent.rows()] if worker is None else map(as_rows, worker.rings())
        return within_window(rings, time.time())


def _asked() -> Request:
    """Return the request itself: each look through Flask's proxy costs."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    return asked


def _host_name(host: str) -> str:
    """Return the name in a Host header without its port, in lower case; "" when it is malformed.

    werkzeug's own comparison finds no IPv6 address in a list of trusted hosts.
    """
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.netloc == host and "@" not in host else ""


def _is_under(name: str, domain: str) -> bool:
    """Whether `domain`, written with a dot before it, holds `name`."""
    return domain.startswith(".") and name.endswith(domain)


def _json_bytes(max_bytes: int) -> bytes:
    """Return the request's body, at most `max_bytes`, announced as JSON."""
    asked = _asked()
    if asked.environ.get("CONTENT_TYPE") != JSON and asked.mimetype != JSON:
        raise UnsupportedMediaType
    return read_body(asked, max_bytes)


def _result(event: TelemetryEvent, receipt: Receipt) -> dict[str, Any]:
    return {
        "loco_id": event.loco_id,
        "timestamp": utc_text(event.timestamp),
        "outcome": receipt.outcome.value,
        "critical_risk": int(receipt.critical),
        "risk_probability": round(receipt.probability, 4),
    }


def _http_error(error: HTTPException) -> Response:
    """Answer JSON where werkzeug would answer HTML, with its headers kept (Allow)."""
    status = error.code or 500
    answer = error_answer(status, _MESSAGES.get(status, "La requête a été refusée."))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = RETRY_AFTER_S
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            answer.headers[name] = value
    return answer


def _refused(error: RequestRefused) -> Response:
    message = "La requête est refusée : « details » nomme chaque champ."
    return error_answer(400, message, "Data Validation Failed", details=error.details)


def _unavailable(error: NoModel | StoreError) -> Response:
    request.environ[REASON] = str(error)
    answer = error_answer(503, str(error))
    answer.headers["Retry-After"] = RETRY_AFTER_S
    return answer
