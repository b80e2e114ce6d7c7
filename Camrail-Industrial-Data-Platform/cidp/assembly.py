"""How the parts of a process fit together, built from its settings."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from cidp.auth import utc_now
from cidp.drift import RecentReadings
from cidp.event_store import EventStore
from cidp.ingest import IngestHandler
from cidp.metrics import Metrics
from cidp.registry import Registry
from cidp.serving_model import ServingModel
from cidp.settings import Settings
from cidp.workers import Worker


class Parts(NamedTuple):
    """What a process that scores and stores is made of; `now` is its clock.

    `worker` is its place among several, `recent` the readings that drift is measured on.
    """

    settings: Settings
    now: Callable[[], datetime]
    metrics: Metrics
    model: ServingModel
    store: EventStore
    ingest: IngestHandler
    worker: Worker | None
    recent: RecentReadings


def assemble(
    settings: Settings, now: Callable[[], datetime] = utc_now, worker: Worker | None = None
) -> Parts:
    """Build the parts; nothing is opened or started yet, beside what workers share."""
    metrics = Metrics(CollectorRegistry(), worker)
    model = ServingModel(Registry(settings.model.folder), metrics, settings.model.poll_s)
    store = EventStore(settings.store.path, settings.store.timeout_s)
    ingest = IngestHandler(
        store,
        lambda: model.scorer(settings.model.first_load_wait_s),
        metrics,
        now,
        settings.telemetry.retention,
        settings.telemetry.future_skew,
    )
    recent = RecentReadings(worker.ring(worker.number) if worker else None)
    return Parts(settings, now, metrics, model, store, ingest, worker, recent)
