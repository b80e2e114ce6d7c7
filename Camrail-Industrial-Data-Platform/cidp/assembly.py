"""How the parts of a process fit together, built from its settings."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from cidp.auth import utc_now
from cidp.drift import RecentReadings
from cidp.event_batch import Series
from cidp.event_store import EventStore
from cidp.fleet_state import Alerting, Channel
from cidp.fleet_trend import FleetTrend
from cidp.ingest import IngestHandler
from cidp.metrics import Metrics
from cidp.notification_channels import EmailSender, Sender, WebhookSender
from cidp.notifications import Notifier
from cidp.postgres_store import PostgresStore
from cidp.registry import Registry
from cidp.serving_model import ServingModel
from cidp.settings import SMTP_PASSWORD, WEBHOOK_URL, Settings
from cidp.sqlite_store import SqliteStore
from cidp.workers import Worker


class Parts(NamedTuple):
    """What a process that scores and stores is made of; `now` is its clock.

    `worker` is its place among several, `recent` the readings that it scored without storing.
    """

    settings: Settings
    now: Callable[[], datetime]
    metrics: Metrics
    model: ServingModel
    store: EventStore
    ingest: IngestHandler
    worker: Worker | None
    recent: RecentReadings
    notifier: Notifier
    trend: FleetTrend


def assemble(
    settings: Settings, now: Callable[[], datetime] = utc_now, worker: Worker | None = None
) -> Parts:
    """Build the parts; nothing is opened or started yet, beside what workers share."""
    metrics = Metrics(CollectorRegistry(), worker)
    registry = Registry(settings.model.folder)
    model = ServingModel(registry, metrics, settings.model.poll_s)
    senders = senders_of(settings)
    store = open_store(settings, tuple(senders))
    ingest = IngestHandler(
        store,
        lambda: model.scorer(settings.model.first_load_wait_s),
        metrics,
        now,
        settings.telemetry.retention,
        settings.telemetry.future_skew,
        settings.alerts.calm_share,
    )
    recent = RecentReadings(worker.ring(worker.number) if worker else None)
    notifier = Notifier(store, senders, now)
    trend = FleetTrend(registry, store, metrics, now)
    return Parts(settings, now, metrics, model, store, ingest, worker, recent, notifier, trend)


def open_store(settings: Settings, channels: Sequence[Channel] = ()) -> EventStore:
    """Return the store of the settings' kind; nothing is opened yet."""
    address, rules = settings.store.address, settings.alerts.rules
    watched: tuple[Series, ...] = ("real", "simulated")
    alerting = Alerting(rules, channels, watched if settings.notifications.simulated else ("real",))
    if address.kind == "postgresql":
        return PostgresStore(address, settings.store.timeout_s, alerting)
    return SqliteStore(address.path, settings.store.timeout_s, alerting)


def senders_of(settings: Settings) -> dict[Channel, Sender]:
    """Return the ways to tell people that are set up."""
    mail, secrets = settings.notifications, settings.secrets
    senders: dict[Channel, Sender] = {}
    if mail.smtp_host and mail.email_from and mail.email_to:
        senders["email"] = EmailSender(mail, secrets.get(SMTP_PASSWORD, ""))
    if secrets.get(WEBHOOK_URL):
        senders["webhook"] = WebhookSender(secrets[WEBHOOK_URL])
    return senders
