"""The event store: each event once, with its score, one transaction per batch."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib import resources
from typing import Literal, NamedTuple, get_args

import numpy as np

from cidp.event_batch import (
    DOORS,
    Batch,
    DeadLetter,
    Door,
    Integers,
    Message,
    Outcome,
    Receipt,
    Saved,
    StreamPosition,
)
from cidp.fleet_state import Alerting, follow
from cidp.store_session import Row, Session

SCHEMA_VERSION = 3
MAX_PAYLOAD_BYTES = 65_536
CONFLICT = "conflit : mêmes locomotive et instant qu'une lecture enregistrée, autres valeurs"


LetterKind = Literal["conflict", "refused"]
"""A known key with other values, or what is no event at all."""
LETTER_KINDS: tuple[LetterKind, ...] = get_args(LetterKind)


class LastEvent(NamedTuple):
    """The event that was stored last: the door it came through, and when."""

    source: Door
    received_at: datetime


def utc_text(instant: datetime) -> str:
    """Write an aware instant as fixed-width UTC text, microseconds included."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def migration(name: str) -> str:
    """Return the text of one file of `cidp/sql`."""
    return resources.files("cidp").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


class EventStore(ABC):
    """Readings, alerts, dead letters and positions of streams; made at the first call if absent.

    May be shared between threads and processes. Every call raises `StoreUnavailable` when it may
    succeed later, `StoreIncompatible` when it will not, and has then changed nothing.
    """

    backend: str

    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting

    @abstractmethod
    def session(self, *, writes: bool = True) -> AbstractContextManager[Session]:
        """Lend a session: its block is one transaction, undone by whatever is raised in it.

        On SQLite one that `writes` waits for other writers, and one that does not waits for nobody.
        """

    @abstractmethod
    def prepare_for(self, first: datetime, last: datetime) -> None:
        """Make room for readings between two instants, before a transaction stores them."""

    @abstractmethod
    def prune(self, oldest: datetime) -> None:
        """Remove readings older than `oldest`; PostgreSQL drops whole weeks. Hours stay."""

    @abstractmethod
    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""

    def save(
        self,
        batch: Batch,
        letters: Sequence[DeadLetter],
        received_at: datetime,
        positions: Sequence[StreamPosition] = (),
        *,
        keeps_conflicts: bool = True,
    ) -> Saved:
        """Store a batch, its dead letters and the positions after it, in one transaction.

        An event whose (source, loco_id, timestamp) is known is a duplicate if its values are the
        same, else a conflict, which is kept among the dead letters unless it is there already.
        """
        if len(batch):
            low, high = np.array([batch.micros.min(), batch.micros.max()], "datetime64[us]")
            self.prepare_for(low.item().replace(tzinfo=UTC), high.item().replace(tzinfo=UTC))
        with self.session() as session:
            others = _insert_batch(session, batch, received_at)
            stored = _without(batch.order, others)
            follow(session, batch, stored, received_at, self._alerting)
            conflicts = [
                DeadLetter(batch.messages[index], CONFLICT)
                for index, receipt in sorted(others.items())
                if receipt.outcome is Outcome.CONFLICT
            ]
            kept = [*letters, *conflicts]
            inserted = kept if keeps_conflicts else letters
            _insert_letters(session, batch.door, inserted, received_at)
            _write_positions(session, positions)
        return Saved(batch, others, kept)

    def last_event(self, doors: Sequence[Door] = DOORS) -> LastEvent | None:
        """Return the event that was stored last among those that came by `doors`, or None."""
        with self.session(writes=False) as session:
            found = session.rows(
                "SELECT source, received_at FROM fleet WHERE source IN :doors"
                " ORDER BY received_at DESC LIMIT 1",
                doors=list(doors),
            )
            return LastEvent(found[0][0], session.instant(found[0][1])) if found else None

    def open_letters(self) -> dict[tuple[Door, LetterKind], int]:
        """Count the dead letters that wait for somebody, by door and kind."""
        with self.session(writes=False) as session:
            found = session.rows(
                "SELECT door,"
                " CASE reason WHEN :conflict THEN 'conflict' ELSE 'refused' END AS kind, count(*)"
                " FROM dead_letters WHERE state = 'open' GROUP BY door, kind",
                conflict=CONFLICT,
            )
            return {(door, kind): count for door, kind, count in found}

    def positions(self, topic: str) -> dict[int, int]:
        """Return the next offset to read of each partition of `topic` that was ever stored."""
        with self.session(writes=False) as session:
            return dict(
                session.rows(
                    "SELECT partition, next_offset FROM stream_positions WHERE topic = :topic",
                    topic=topic,
                )
            )


def _without(order: Integers, others: dict[int, Receipt]) -> Integers:
    return order[~np.isin(order, list(others))] if others else order


def _insert_batch(session: Session, batch: Batch, received_at: datetime) -> dict[int, Receipt]:
    """Insert what is new; return the receipts of the rest by index."""
    if not len(batch):
        return {}
    repeats = batch.repeats
    chosen = batch.order[~np.isin(batch.order, list(repeats))] if repeats else batch.order
    known = session.insert_readings(batch, chosen, received_at)
    others = {index: _known_receipt(batch, index, record) for index, record in known.items()}
    for index, first in repeats.items():
        record = known.get(first) or _record(batch, first)
        others[index] = _known_receipt(batch, index, record)
    return others


def _record(batch: Batch, index: int) -> Row:
    return (*batch.values[index].tolist(), float(batch.risks[index]), bool(batch.critical[index]))


def _known_receipt(batch: Batch, index: int, record: Row) -> Receipt:
    if list(record[:4]) == batch.values[index].tolist():
        return Receipt(Outcome.DUPLICATE, record[4], bool(record[5]))
    return batch.receipt(index, Outcome.CONFLICT)


def _insert_letters(
    session: Session, door: Door, letters: Sequence[DeadLetter], received_at: datetime
) -> None:
    if not letters:
        return
    messages: list[Message] = [letter.message for letter in letters]
    payloads = [message.payload or b"" for message in messages]
    session.insert(
        "dead_letters",
        {
            "door": [door] * len(letters),
            "topic": [message.topic for message in messages],
            "partition": [message.partition for message in messages],
            "position": [message.position for message in messages],
            "received_at": [received_at] * len(letters),
            "reason": [letter.reason for letter in letters],
            "payload": [payload[:MAX_PAYLOAD_BYTES] for payload in payloads],
            "payload_bytes": [len(payload) for payload in payloads],
            "payload_sha256": [hashlib.sha256(payload).hexdigest() for payload in payloads],
        },
        "ON CONFLICT DO NOTHING",
    )


def _write_positions(session: Session, positions: Sequence[StreamPosition]) -> None:
    if positions:
        session.insert(
            "stream_positions",
            {
                "topic": [position.topic for position in positions],
                "partition": [position.partition for position in positions],
                "next_offset": [position.next_offset for position in positions],
            },
            "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
        )
