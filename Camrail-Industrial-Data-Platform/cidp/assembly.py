"""How the parts of a process fit together, built from its settings."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from cidp.auth import utc_now
from cidp.event_store import EventStore
from cidp.ingest import IngestHandler
from cidp.metrics import Metrics
from cidp.registry import Registry
from cidp.serving_model import ServingModel
from cidp.settings import Settings


class Parts(NamedTuple):
    """What a process that scores and stores is made of; `now` is its clock."""

    settings: Settings
    now: Callable[[], datetime]
    metrics: Metrics
    model: ServingModel
    store: EventStore
    ingest: IngestHandler


def assemble(settings: Settings, now: Callable[[], datetime] = utc_now) -> Parts:
    """Build the parts; nothing is opened or started yet."""
    metrics = Metrics(CollectorRegistry())
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
    return Parts(settings, now, metrics, model, store, ingest)
