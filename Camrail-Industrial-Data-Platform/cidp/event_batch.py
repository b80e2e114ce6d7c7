"""What doors hand to the store: messages, the events among them as columns, and dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

Door = Literal["http", "simulator", "kafka", "mqtt"]
DOORS: tuple[Door, ...] = get_args(Door)
"""Every way by which an event may come."""

Series = Literal["real", "simulated"]
SERIES_DOORS: dict[Series, tuple[Door, ...]] = {
    "real": ("http", "kafka", "mqtt"),
    "simulated": ("simulator",),
}
"""Real and simulated readings are never shown, counted or watched together."""

NO_CAUSE = -1
"""Cause of a reading that is not critical."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def series_of(door: Door) -> Series:
    """Tell whether what comes through `door` is real."""
    return "simulated" if door == "simulator" else "real"


def to_micros(instant: datetime) -> int:
    """Count an aware instant in microseconds since 1970."""
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Give back the instant, in UTC."""
    return EPOCH + timedelta(microseconds=int(micros))


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it came, and where it stood in its stream.

    `position` counts from 0: the offset in (topic, partition), the line of the simulator, or the
    index in the request. `payload` is None for Kafka's tombstones. `micros`, since 1970, stands for
    the timestamp of an event that has none; a door whose redelivery would bring another one gives
    none. `loco_id` is the only locomotive that the sender may speak of, where the door knows it.
    """

    position: int
    payload: bytes | None
    topic: str | None = None
    partition: int | None = None
    micros: int | None = None
    loco_id: str | None = None


class StreamPosition(NamedTuple):
    """The next offset to read of one partition."""

    topic: str
    partition: int
    next_offset: int


class DeadLetter(NamedTuple):
    """One message that could not become a reading, and why, in French."""

    message: Message
    reason: str


class Outcome(StrEnum):
    """What became of one event."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Receipt(NamedTuple):
    """What became of an event, and the score that is on record for it.

    A duplicate keeps its first score; a conflict shows the score of what was refused.
    """

    outcome: Outcome
    probability: float
    critical: bool


@dataclass(frozen=True)
class Batch:
    """Checked and scored events of one door, one entry of each column per event.

    `values` has the four readings in the order of the contract; `causes` the index of the reading
    that makes a critical event critical, else `NO_CAUSE`; `calm` says that the risk is low enough
    to count towards the end of an alert.
    """

    door: Door
    messages: Sequence[Message]
    loco_ids: Sequence[str]
    micros: Integers
    values: Floats
    risks: Floats
    critical: Flags
    calm: Flags
    causes: npt.NDArray[np.int8]
    model_version: str

    def __len__(self) -> int:
        return len(self.loco_ids)

    @cached_property
    def locos(self) -> list[str]:
        """The distinct locomotives, sorted, so that writers lock them in one order."""
        return sorted(set(self.loco_ids))

    @cached_property
    def loco(self) -> Integers:
        """For each event the index of its locomotive in `locos`."""
        ranks = {name: rank for rank, name in enumerate(self.locos)}
        return np.fromiter(map(ranks.__getitem__, self.loco_ids), np.int64, len(self))

    @cached_property
    def order(self) -> Integers:
        """The events by locomotive, then time, then arrival."""
        return np.lexsort((self.micros, self.loco))

    @cached_property
    def repeats(self) -> dict[int, int]:
        """Events whose locomotive and instant an earlier one has: index to the first's index."""
        if len(self) < 2:
            return {}
        order = self.order
        same = (np.diff(self.loco[order]) == 0) & (np.diff(self.micros[order]) == 0)
        found: dict[int, int] = {}
        for place in np.flatnonzero(same).tolist():
            before, after = int(order[place]), int(order[place + 1])
            found[after] = found.get(before, before)
        return found

    def key(self, index: int) -> tuple[str, datetime]:
        """The locomotive and instant of one event."""
        return self.loco_ids[index], from_micros(self.micros[index])

    def receipt(self, index: int, outcome: Outcome) -> Receipt:
        """The receipt of one event with the score that it has here."""
        return Receipt(outcome, float(self.risks[index]), bool(self.critical[index]))


@dataclass(frozen=True)
class Saved:
    """What became of a batch: `others` has the receipts of what was not stored, by index.

    `letters` are the dead letters that were kept with it, conflicts included.
    """

    batch: Batch
    others: dict[int, Receipt]
    letters: Sequence[DeadLetter]

    def receipts(self) -> list[Receipt]:
        """One receipt per event, in order."""
        return [
            self.others.get(index) or self.batch.receipt(index, Outcome.STORED)
            for index in range(len(self.batch))
        ]

    def count(self, outcome: Outcome) -> int:
        """How many events had this outcome."""
        if outcome is Outcome.STORED:
            return len(self.batch) - len(self.others)
        return sum(receipt.outcome is outcome for receipt in self.others.values())
