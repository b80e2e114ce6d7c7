"""How the parts of a process fit together, built from its settings."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from cidp.auth import utc_now
from cidp.event_store import EventStore
from cidp.ingest import IngestHandler
from cidp.metrics import Metrics
from cidp.postgres_store import PostgresStore
from cidp.registry import Registry
from cidp.serving_model import ServingModel
from cidp.settings import Settings
from cidp.sqlite_store import SqliteStore


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
    store = open_store(settings)
    ingest = IngestHandler(
        store,
        lambda: model.scorer(settings.model.first_load_wait_s),
        metrics,
        now,
        settings.telemetry.retention,
        settings.telemetry.future_skew,
        settings.alerts.calm_share,
    )
    return Parts(settings, now, metrics, model, store, ingest)


def open_store(settings: Settings) -> EventStore:
    """Return the store of the settings' kind; nothing is opened yet."""
    address, rules = settings.store.address, settings.alerts.rules
    if address.kind == "postgresql":
        return PostgresStore(address, settings.store.timeout_s, rules)
    return SqliteStore(address.path, settings.store.timeout_s, rules)
