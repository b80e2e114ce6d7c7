"""Many telemetry events at once, read as `cidp.telemetry` reads them one by one, but faster."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from cidp.errors import TelemetryRefused
from cidp.event_batch import DeadLetter, Floats, Integers, Message, to_micros
from cidp.telemetry import LOCO_ID, TimeWindow, parse_event

TOMBSTONE = "message vide (tombstone) : un événement est attendu"
MAX_NAMES = 10_000
"""Names that a decoder remembers: more than any fleet has, and a bound for whoever invents some."""

_QUOTES = 16
_QUOTES_WITHOUT_TIMESTAMP = 12
_PLAIN_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
_LOCO_ID = re.compile(LOCO_ID)


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The readings with the ranges of `telemetry.Reading`; names and instants are checked after."""

    loco_id: str
    flow_rate: Annotated[float, msgspec.Meta(ge=0, le=1500)]
    pressure: Annotated[float, msgspec.Meta(ge=0, le=25)]
    vibration: Annotated[float, msgspec.Meta(ge=0, le=100)]
    temperature: Annotated[float, msgspec.Meta(ge=-40, le=200)]
    timestamp: str | None = None


class Decoded(NamedTuple):
    """The events of some messages as columns, their messages, and what could not be read."""

    messages: list[Message]
    loco_ids: list[str]
    micros: Integers
    values: Floats
    letters: list[DeadLetter]


class _Row(NamedTuple):
    message: Message
    loco_id: str
    micros: int
    values: tuple[float, float, float, float]


class FastDecoder:
    """Accepts and refuses exactly what `telemetry.parse_event` does.

    What the quick way is not sure of goes to `parse_event`, which also words the reasons. Keeps the
    names of the locomotives that it found to be well formed.
    """

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Event).decode
        self._known_names: set[str] = set()

    def decode(self, messages: Sequence[Message], window: TimeWindow) -> Decoded:
        """Read `messages`, in their order; instants outside `window` are refused."""
        oldest, newest = to_micros(window.oldest), to_micros(window.newest)
        rows: list[_Row] = []
        letters: list[DeadLetter] = []
        for message in messages:
            row = self._quick(message)
            if row is None or not oldest <= row.micros <= newest:
                try:
                    row = _slow(message, window)
                except TelemetryRefused as error:
                    letters.append(DeadLetter(message, str(error)))
                    continue
            rows.append(row)
        return Decoded(
            [row.message for row in rows],
            [row.loco_id for row in rows],
            np.array([row.micros for row in rows], np.int64),
            np.array([row.values for row in rows], np.float64).reshape(len(rows), 4),
            letters,
        )

    def _quick(self, message: Message) -> _Row | None:
        """Read one message, or return None where only `parse_event` knows."""
        payload = message.payload
        if payload is None:
            return None
        try:
            event = self._decode(payload)
            instant = _instant(event.timestamp, payload.count(b'"'), message.instant)
        except (msgspec.DecodeError, ValueError):
            return None
        if instant is None or not self._is_name(event.loco_id):
            return None
        values = (event.flow_rate, event.pressure, event.vibration, event.temperature)
        return _Row(message, event.loco_id, to_micros(instant), values)

    def _is_name(self, loco_id: str) -> bool:
        if loco_id in self._known_names:
            return True
        if not _LOCO_ID.fullmatch(loco_id):
            return False
        if len(self._known_names) < MAX_NAMES:
            self._known_names.add(loco_id)
        return True


def _instant(text: str | None, quotes: int, otherwise: datetime | None) -> datetime | None:
    """Return the instant of an event; a surplus of quotes can only be a repeated key."""
    if text is None:
        return otherwise if quotes == _QUOTES_WITHOUT_TIMESTAMP else None
    if quotes != _QUOTES or not _PLAIN_TIMESTAMP.fullmatch(text):
        return None
    return datetime.fromisoformat(text)


def _slow(message: Message, window: TimeWindow) -> _Row:
    if message.payload is None:
        raise TelemetryRefused([{"field": "body", "message": TOMBSTONE}])
    event = parse_event(message.payload, window, message.instant)
    return _Row(message, event.loco_id, to_micros(event.timestamp), event.values())
