"""The platform's model and store behind another framework, which hands over decoded events."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from peers.event_stores import READINGS, contents, store_of

from cidp.event_batch import NO_CAUSE, Batch, Message, StreamPosition, to_micros
from cidp.model_bundle import load_bundle

__all__ = ["SameStore", "contents"]


class SameStore:
    """Scores and stores batches in one transaction each, positions included; checks nothing."""

    def __init__(self, store: str, bundle: str, topic: str) -> None:
        self._store = store_of(store)
        self._store.last_event()
        self._scorer = load_bundle(Path(bundle)).scorer
        self._topic = topic
        self._began_s: float | None = None
        self.stored = 0

    def begin(self, *_: object) -> None:
        """Start the clock, once."""
        if self._began_s is None:
            self._began_s = time.perf_counter()

    def seconds(self) -> float:
        """Give the seconds since the clock was started."""
        return time.perf_counter() - (self._began_s or 0.0)

    def save(self, events: Sequence[Mapping[str, Any]], offsets: Mapping[int, int]) -> None:
        """Store what several partitions brought, up to the offset of each."""
        values = np.array([[event[name] for name in READINGS] for event in events])
        risks = self._scorer.risks(values)
        critical = risks > self._scorer.threshold
        causes = np.full(len(risks), NO_CAUSE, np.int8)
        if critical.any():
            causes[critical] = self._scorer.causes(values[critical])
        batch = Batch(
            "kafka",
            [Message(0, None)] * len(events),
            [event["loco_id"] for event in events],
            np.array([to_micros(datetime.fromisoformat(event["timestamp"])) for event in events]),
            values,
            risks,
            critical,
            risks < self._scorer.threshold / 2,
            causes,
            self._scorer.version,
        )
        after = [StreamPosition(self._topic, *position) for position in offsets.items()]
        after = [each._replace(next_offset=each.next_offset + 1) for each in after]
        self._store.save(batch, [], datetime.now(UTC), after)
        self.stored += len(events)
