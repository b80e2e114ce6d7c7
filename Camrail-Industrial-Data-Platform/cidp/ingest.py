"""The one ingest handler behind every door: check, score, store, once per event."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cidp.errors import StoreError, TelemetryRefused
from cidp.event_store import Arrival, DeadLetter, EventStore, Receipt
from cidp.metrics import Metrics
from cidp.scoring import Scorer
from cidp.telemetry import TelemetryEvent, TimeWindow, parse_event, parse_events

REJECTED = "rejected"


class Message(NamedTuple):
    """Raw bytes from a stream, and their position in it."""

    position: int
    payload: bytes


class IngestHandler:
    """Turns bytes into stored, scored events.

    `scorer` returns the model that serves or raises `NoModel`; `now` is the clock. Events older
    than `retention` or more than `skew` ahead of the clock are refused. A batch is stored whole
    or not at all: after `NoModel` or `StoreError` the same batch may be handed in again.
    """

    def __init__(
        self,
        store: EventStore,
        scorer: Callable[[], Scorer],
        metrics: Metrics,
        now: Callable[[], datetime],
        retention: timedelta,
        skew: timedelta,
    ) -> None:
        self._store = store
        self._scorer = scorer
        self._metrics = metrics
        self._now = now
        self._retention = retention
        self._skew = skew

    def ingest_body(self, raw: bytes, source: str) -> list[tuple[TelemetryEvent, Receipt]]:
        """Store one event or an array of events, all or none.

        Raises `TelemetryRefused`, and then nothing is kept: the sender knows and can correct.
        """
        events = parse_events(raw, self._window())
        return list(zip(events, self._store_all(source, list(enumerate(events)), []), strict=True))

    def ingest_messages(
        self, messages: Iterable[Message], source: str
    ) -> list[tuple[TelemetryEvent, Receipt]]:
        """Store a micro-batch of a stream; what is not an event goes to the dead letters."""
        window = self._window()
        events: list[tuple[int, TelemetryEvent]] = []
        letters: list[DeadLetter] = []
        for position, payload in messages:
            try:
                events.append((position, parse_event(payload, window)))
            except TelemetryRefused as error:
                letters.append(DeadLetter(position, str(error), payload))
        receipts = self._store_all(source, events, letters)
        return [(event, receipt) for (_, event), receipt in zip(events, receipts, strict=True)]

    def _window(self) -> TimeWindow:
        return TimeWindow.around(self._now(), self._retention, self._skew)

    def _store_all(
        self,
        source: str,
        events: Sequence[tuple[int, TelemetryEvent]],
        letters: Sequence[DeadLetter],
    ) -> list[Receipt]:
        scores = self._scorer().score_many([event for _, event in events])
        arrivals = [
            Arrival(position, event, score)
            for (position, event), score in zip(events, scores, strict=True)
        ]
        try:
            receipts = self._store.save(source, arrivals, letters, self._now())
        except StoreError:
            self._metrics.store_errors.inc()
            raise
        self._count(source, receipts, len(letters))
        return receipts

    def _count(self, source: str, receipts: Iterable[Receipt], rejected: int) -> None:
        outcomes = Counter(receipt.outcome.value for receipt in receipts)
        outcomes[REJECTED] += rejected
        for outcome, count in outcomes.items():
            self._metrics.events_ingested(source, outcome, count)
