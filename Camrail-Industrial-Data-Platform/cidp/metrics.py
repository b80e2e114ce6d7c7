"""The metrics that Prometheus scrapes from `/metrics`."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from cidp.event_batch import DOORS, Door
from cidp.event_store import LETTER_KINDS, LetterKind
from cidp.workers import Worker

METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_LATENCY_BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5,
)  # fmt: skip
_DURATION_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.2, 0.5, 1, 5)
_RISK_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


class _Series(NamedTuple):
    answers: Counter
    durations: Histogram


class Metrics:
    """Counters of one process, or of all workers of a server together.

    They are scraped through the `registry` that is passed in. Labels come from closed lists:
    routes, methods, outcomes, sources; never a locomotive.
    """

    def __init__(self, registry: CollectorRegistry, worker: Worker | None = None) -> None:
        self.registry = registry
        self._worker = worker
        self._model: tuple[str, datetime] | None = None
        registry.register(_ModelCollector(lambda: self._model))
        if worker is None:
            ProcessCollector(registry=registry)
        else:
            registry = _kept_in_files(registry, worker)
        Gauge(
            "api_workers",
            "Processes that answer.",
            multiprocess_mode="livesum",
            registry=registry,
        ).set(1)
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
        self._risks = Histogram(
            "api_risk_probability",
            "Risk that /predict answered.",
            buckets=_RISK_BUCKETS,
            registry=registry,
        )
        self.batch_rows_refused = Counter(
            "api_batch_rows_refused_total",
            "Rows refused by /predict/batch.",
            registry=registry,
        )
        labels = ["route", "method", "status"]
        self._requests = Counter(
            "api_requests_total", "Answered requests.", labels, registry=registry
        )
        self._durations = Histogram(
            "api_request_duration_seconds",
            "Time from the whole request to its answer.",
            labels,
            buckets=_DURATION_BUCKETS_S,
            registry=registry,
        )
        self._answered: dict[tuple[str, str, int], _Series] = {}
        self.model_load_failures = Counter(
            "api_model_load_failures_total", "Promoted models that were refused.", registry=registry
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

    def exposition(self) -> bytes:
        """Return what a scrape reads, without the gauges of workers that have ended."""
        if self._worker is not None:
            for number in self._worker.dead():
                mark_process_dead(number, str(self._worker.folder))
        return generate_latest(self.registry)

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer; `route` is a rule of the application, or "unmatched"."""
        series = self._answered.get((route, method, status))
        if series is None:
            labels = (route, method, str(status))
            series = _Series(self._requests.labels(*labels), self._durations.labels(*labels))
            self._answered[route, method, status] = series
        series.answers.inc()
        series.durations.observe(seconds)

    def prediction_answered(self, seconds: float, risk: float, *, critical: bool) -> None:
        """Count one scored reading."""
        self.predictions.inc()
        self.prediction_latency.observe(seconds)
        self._risks.observe(risk)
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
        self._model = (version, created_at)


def _kept_in_files(scraped: CollectorRegistry, worker: Worker) -> CollectorRegistry:
    """Have this worker's values kept in files, of which `scraped` gives the sum over all workers.

    Return the registry for the instruments themselves, which nobody scrapes.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(worker.folder)
    values.ValueClass = values.MultiProcessValue(lambda: worker.number)
    MultiProcessCollector(scraped, str(worker.folder))
    return CollectorRegistry()


def known_method(method: str) -> str:
    """Return `method`, or "other" for one that nobody knows."""
    return method if method in METHODS else "other"


class _ModelCollector(Collector):
    """Tells at each scrape which model serves: a fact that no worker adds to another's."""

    def __init__(self, read: Callable[[], tuple[str, datetime] | None]) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the version (one series, always 1) and its creation, once a model serves."""
        model = self._read()
        if model is None:
            return
        version, created_at = model
        info = GaugeMetricFamily("api_model_info", "The model that serves.", labels=["version"])
        info.add_metric([version], 1)
        yield info
        yield GaugeMetricFamily(
            "api_model_created_timestamp_seconds",
            "Creation of the model that serves, seconds since 1970.",
            value=created_at.timestamp(),
        )


class SourceCollector(Collector):
    """Reads at each scrape where telemetry comes from, how old its newest event is, what waits.

    What cannot be read in time is unknown.
    """

    def __init__(
        self, read: Callable[[], tuple[str, float | None, Mapping[str, int]] | None]
    ) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the mode (one series, always 1), the event's age and the lags, where known."""
        mode, age_s, lags = self._read() or ("unknown", None, {})
        info = GaugeMetricFamily(
            "telemetry_source_info", "Where telemetry comes from.", labels=["mode"]
        )
        info.add_metric([mode], 1)
        yield info
        if age_s is not None:
            yield GaugeMetricFamily(
                "telemetry_last_event_age_seconds",
                "Time since the newest event was stored.",
                value=age_s,
            )
        lag = GaugeMetricFamily(
            "telemetry_lag_messages", "Messages that wait in the broker.", labels=["source"]
        )
        for source, count in lags.items():
            lag.add_metric([source], count)
        yield lag


class LetterCollector(Collector):
    """Counts at each scrape the dead letters that wait; nothing while the store is away."""

    def __init__(self, read: Callable[[], Mapping[tuple[Door, LetterKind], int] | None]) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one series for each door and kind."""
        counts = self._read()
        if counts is None:
            return
        letters = GaugeMetricFamily(
            "telemetry_dead_letters_open",
            "Messages that are no events, or contradict one, and wait for somebody.",
            labels=["source", "kind"],
        )
        for source in DOORS:
            for kind in LETTER_KINDS:
                letters.add_metric([source, kind], counts.get((source, kind), 0))
        yield letters
