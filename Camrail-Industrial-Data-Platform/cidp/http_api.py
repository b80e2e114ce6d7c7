"""The HTTP contract of docs/openapi.yaml, as a Flask application."""

import os
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any

from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from loguru import logger
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException, UnsupportedMediaType
from werkzeug.routing import MapAdapter

from cidp import __version__, batch_api, docs_api, models_api
from cidp.answers import Answer, error_answer, json_answer
from cidp.assembly import Parts, assemble
from cidp.draining import Drain
from cidp.errors import NoModel, StoreError, TelemetryRefused
from cidp.event_store import Outcome, Receipt, utc_text
from cidp.guard import Guard, audit_write, describe_write
from cidp.key_sources import LiveKeys
from cidp.metrics import SourceCollector
from cidp.readiness import read_source, readiness
from cidp.request_body import read_body
from cidp.settings import Settings
from cidp.telemetry import TelemetryEvent, parse_reading

RETRY_AFTER_S = "5"
JSON = "application/json"

_MESSAGES = {
    400: "La requête est malformée.",
    404: "Cette adresse n'existe pas ; voir /health, /ready, /predict, /telemetry, /metrics.",
    405: "Cette méthode n'est pas admise ici ; l'en-tête Allow donne celles qui le sont.",
    413: "Le corps de la requête est trop volumineux.",
    415: "Le corps doit être du JSON, annoncé par Content-Type: application/json.",
    500: "Erreur interne ; le journal de l'API en donne la cause.",
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

    def __init__(self, parts: Parts) -> None:
        super().__init__("cidp", static_folder=None)
        self.url_map.merge_slashes = False  # a redirect would need the host
        self._parts = parts
        self._drain = Drain(max(1, parts.settings.api.threads // 2))

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Match by path and method, whatever host was asked for."""
        if request is None:
            return super().create_url_adapter(request)
        return MapAdapter(
            self.url_map, "", "/", "", request.scheme, request.path, request.method, None
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Call every view as it is: none is a coroutine."""
        return func

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Begin to load the model with the first request."""
        self._parts.model.start()
        return super().preprocess_request() if self.before_request_funcs else None

    def process_response(self, response: Response) -> Response:
        """Count the answer and leave its audit line."""
        if self.after_request_funcs:
            response = super().process_response(response)
        asked = _asked()
        rule, status = asked.url_rule, response.status_code
        route = rule.rule if rule else "unmatched"
        self._parts.metrics.request_answered(route, asked.method, status)
        audit_write(asked.environ, status)
        if status >= 400:
            response.call_on_close(partial(self._drain.rest_of, asked.environ))
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


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application; the model starts to load at the first request.

    Without `settings` the process's environment is read.
    """
    return app_of(assemble(settings or Settings.from_environ(os.environ)))


def app_of(parts: Parts, clock: Callable[[], float] = time.monotonic) -> Flask:
    """Build the application around `parts`; `clock` times its throttles, in seconds."""
    app = ScoringApi(parts)
    api = _Endpoints(parts)
    guarded = _guard(parts, clock)
    metrics = guarded("read", api.metrics) if parts.settings.api.metrics_need_key else api.metrics
    app.add_url_rule("/health", view_func=api.health)
    app.add_url_rule("/ready", view_func=api.ready)
    app.add_url_rule("/metrics", view_func=metrics)
    app.add_url_rule("/predict", view_func=guarded("predict", api.predict), methods=["POST"])
    app.add_url_rule("/telemetry", view_func=guarded("ingest", api.telemetry), methods=["POST"])
    batch_api.add_routes(app, parts, guarded)
    models_api.add_routes(app, parts, guarded)
    docs_api.add_routes(app)
    parts.metrics.registry.register(SourceCollector(api.source_mode))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(TelemetryRefused, _refused)
    app.register_error_handler(NoModel, _unavailable)
    app.register_error_handler(StoreError, _unavailable)
    return app


def _guard(parts: Parts, clock: Callable[[], float]) -> Guard:
    settings = parts.settings
    keys = LiveKeys(settings.keys, settings.keys_file, settings.file_keys, parts.now, clock)
    return Guard(keys, settings.api.wrong_keys_per_minute, clock)


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
        text = generate_latest(self._parts.metrics.registry)
        return Answer(text, content_type=CONTENT_TYPE_LATEST)

    def predict(self) -> Response:
        started_s = time.perf_counter()
        explained = batch_api.explanation_asked(_asked())
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
        if explained:
            body["explanation"] = bundle.explainer.explain(reading).body()
        self._parts.metrics.prediction_answered(
            time.perf_counter() - started_s, critical=score.critical
        )
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

    def source_mode(self) -> tuple[str, float | None]:
        source = read_source(self._parts)
        return source.mode, source.age_s(self._parts.now())


def _asked() -> Request:
    """Return the request itself: each look through Flask's proxy costs."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    return asked


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
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            answer.headers[name] = value
    return answer


def _refused(error: TelemetryRefused) -> Response:
    return json_answer({"error": "Data Validation Failed", "details": error.details}, 400)


def _unavailable(error: NoModel | StoreError) -> Response:
    logger.warning("{} refusé : {}", request.path, error)
    answer = error_answer(503, str(error))
    answer.headers["Retry-After"] = RETRY_AFTER_S
    return answer
