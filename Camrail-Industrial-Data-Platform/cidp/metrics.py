"""The metrics that Prometheus scrapes from `/metrics`."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_LATENCY_BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5,
)  # fmt: skip


class Metrics:
    """Counters of one process, registered in the `registry` that is passed in.

    Labels come from closed lists: routes, methods, outcomes, sources; never a locomotive.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self.predictions = Counter(
            "api_predictions_total",
            "Readings scored by /predict and /predict/batch.",
            registry=registry,
        )
        self.risk_alerts = Counter(
            "api_risk_alerts_total", "Predictions of a critical risk.", registry=registry
        )
        self.prediction_latency = Histogram(
            "api_prediction_latency_seconds",
            "Time to check and score one reading.",
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.batch_rows_refused = Counter(
            "api_batch_rows_refused_total", "Rows refused by /predict/batch.", registry=registry
        )
        self._requests = Counter(
            "api_requests_total",
            "Answered requests.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._answered: dict[tuple[str, str, int], Counter] = {}
        self.model_load_failures = Counter(
            "api_model_load_failures_total", "Promoted models that were refused.", registry=registry
        )
        self._model_info = Gauge(
            "api_model_info", "The model that serves.", ["version"], registry=registry
        )
        self._model_created = Gauge(
            "api_model_created_timestamp_seconds",
            "Creation of the model that serves, seconds since 1970.",
            registry=registry,
        )
        self._ingested = Counter(
            "ingest_events_total",
            "Telemetry events by door and outcome.",
            ["source", "outcome"],
            registry=registry,
        )
        self.store_errors = Counter(
            "event_store_errors_total", "Calls that the event store refused.", registry=registry
        )

    def request_answered(self, route: str, method: str, status: int) -> None:
        """Count one answer; `route` is a rule of the application, or "unmatched"."""
        shown = method if method in METHODS else "other"
        series = self._answered.get((route, shown, status))
        if series is None:
            series = self._requests.labels(route, shown, str(status))
            self._answered[route, shown, status] = series
        series.inc()

    def prediction_answered(self, seconds: float, *, critical: bool) -> None:
        """Count one scored reading."""
        self.predictions.inc()
        self.prediction_latency.observe(seconds)
        if critical:
            self.risk_alerts.inc()

    def batch_answered(self, scored: int, critical: int, refused: int) -> None:
        """Count the rows of one batch."""
        self.predictions.inc(scored)
        self.risk_alerts.inc(critical)
        self.batch_rows_refused.inc(refused)

    def events_ingested(self, source: str, outcome: str, count: int) -> None:
        """Count `count` events of one batch that had the same outcome."""
        self._ingested.labels(source, outcome).inc(count)

    def model_loaded(self, version: str, created_at: datetime) -> None:
        """Name the version that serves from now on."""
        self._model_info.clear()
        self._model_info.labels(version).set(1)
        self._model_created.set(created_at.timestamp())


class SourceCollector(Collector):
    """Reads at each scrape where the newest stored event came from and how old it is."""

    def __init__(self, read: Callable[[], tuple[str, float | None]]) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the mode (one series, always 1) and, once there is an event, its age."""
        mode, age_s = self._read()
        info = GaugeMetricFamily(
            "telemetry_source_info", "Door of the newest stored event.", labels=["mode"]
        )
        info.add_metric([mode], 1)
        yield info
        if age_s is not None:
            yield GaugeMetricFamily(
                "telemetry_last_event_age_seconds",
                "Time since the newest event was stored.",
                value=age_s,
            )
