"""The one ingest handler behind every door: check, score, store, once per event."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from cidp.errors import StoreError
from cidp.event_batch import (
    NO_CAUSE,
    Batch,
    DeadLetter,
    Door,
    Message,
    Outcome,
    Receipt,
    Saved,
    StreamPosition,
    to_micros,
)
from cidp.event_store import EventStore
from cidp.fast_decoder import Decoded, FastDecoder
from cidp.metrics import Metrics
from cidp.scoring import Scorer
from cidp.telemetry import TelemetryEvent, TimeWindow, parse_events

REJECTED = "rejected"
PRUNE_EVERY = timedelta(hours=1)


class Prepared(NamedTuple):
    """A micro-batch that was checked and scored, to be stored as often as it takes."""

    batch: Batch
    letters: list[DeadLetter]


class Tally(NamedTuple):
    """How many messages of a micro-batch had each outcome."""

    stored: int
    duplicates: int
    conflicts: int
    rejected: int


class IngestHandler:
    """Turns bytes into stored, scored events.

    `scorer` returns the model that serves or raises `NoModel`; `now` is the clock. Events older
    than `retention` or more than `skew` ahead of the clock are refused, and readings that have
    become older are removed. A batch is stored whole or not at all: after `NoModel` or `StoreError`
    the same batch may be handed in again. `calm_share` of the threshold is a calm risk.
    """

    def __init__(
        self,
        store: EventStore,
        scorer: Callable[[], Scorer],
        metrics: Metrics,
        now: Callable[[], datetime],
        retention: timedelta,
        skew: timedelta,
        calm_share: float,
    ) -> None:
        self._store = store
        self._scorer = scorer
        self._metrics = metrics
        self._now = now
        self._retention = retention
        self._skew = skew
        self._calm_share = calm_share
        self._decoder = FastDecoder()
        self._prune_at: datetime | None = None

    def ingest_body(self, raw: bytes, door: Door) -> list[tuple[TelemetryEvent, Receipt]]:
        """Store one event or an array of events, all or none.

        Raises `TelemetryRefused`, and then nothing is kept: the sender knows and can correct.
        """
        events = parse_events(raw, self._window())
        decoded = Decoded(
            [
                Message(place, event.model_dump_json().encode())
                for place, event in enumerate(events)
            ],
            [event.loco_id for event in events],
            np.array([to_micros(event.timestamp) for event in events], np.int64),
            np.array([event.values() for event in events], np.float64),
            [],
        )
        saved = self._save(self._scored(decoded, door), ())
        return list(zip(events, saved.receipts(), strict=True))

    def ingest_messages(
        self, messages: Sequence[Message], door: Door, positions: Iterable[StreamPosition] = ()
    ) -> Tally:
        """Store a micro-batch of a stream; what is not an event goes to the dead letters.

        `positions`, the next offsets to read, are written in the same transaction.
        """
        return self.store(self.prepare(messages, door), positions)[0]

    def prepare(self, messages: Sequence[Message], door: Door) -> Prepared:
        """Check and score a micro-batch, so that another one may be stored meanwhile."""
        return self._scored(self._decoder.decode(messages, self._window()), door)

    def store(
        self,
        prepared: Prepared,
        positions: Iterable[StreamPosition] = (),
        *,
        keeps_conflicts: bool = True,
    ) -> tuple[Tally, Sequence[DeadLetter]]:
        """Store what was prepared, in one transaction with `positions`.

        Return also the dead letters, conflicts included, though these may be kept already.
        """
        saved = self._save(prepared, positions, keeps_conflicts)
        tally = Tally(
            saved.count(Outcome.STORED),
            saved.count(Outcome.DUPLICATE),
            saved.count(Outcome.CONFLICT),
            len(prepared.letters),
        )
        return tally, saved.letters

    def _window(self) -> TimeWindow:
        return TimeWindow.around(self._now(), self._retention, self._skew)

    def _scored(self, decoded: Decoded, door: Door) -> Prepared:
        scorer = self._scorer()
        risks = scorer.risks(decoded.values)
        critical = risks > scorer.threshold
        causes = np.full(len(risks), NO_CAUSE, np.int8)
        if critical.any():
            causes[critical] = scorer.causes(decoded.values[critical])
        batch = Batch(
            door,
            decoded.messages,
            decoded.loco_ids,
            decoded.micros,
            decoded.values,
            risks,
            critical,
            risks < scorer.threshold * self._calm_share,
            causes,
            scorer.version,
        )
        return Prepared(batch, decoded.letters)

    def _save(
        self,
        prepared: Prepared,
        positions: Iterable[StreamPosition],
        keeps_conflicts: bool = True,
    ) -> Saved:
        batch, letters = prepared
        now = self._now()
        try:
            self._prune(now)
            saved = self._store.save(
                batch, letters, now, tuple(positions), keeps_conflicts=keeps_conflicts
            )
        except StoreError:
            self._metrics.store_errors.inc()
            raise
        for outcome in Outcome:
            self._metrics.events_ingested(batch.door, outcome.value, saved.count(outcome))
        self._metrics.events_ingested(batch.door, REJECTED, len(letters))
        return saved

    def _prune(self, now: datetime) -> None:
        """Remove what has become too old, from time to time; if it fails, not before the next."""
        if self._prune_at is None or now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            self._store.prune(now - self._retention)
