"""Many telemetry events at once, read as `cidp.telemetry` reads them one by one, but faster."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from cidp.errors import TelemetryRefused
from cidp.event_batch import DeadLetter, Floats, Integers, Message, from_micros, to_micros
from cidp.telemetry import TimeWindow, is_loco_id, parse_event, shown_name

TOMBSTONE = "message vide (tombstone) : un événement est attendu"
MAX_NAMES = 10_000
"""Names that a decoder remembers: more than any fleet has, and a bound for whoever invents some."""

_QUOTES = 16
_QUOTES_WITHOUT_TIMESTAMP = 12
_is_plain = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
).fullmatch
_CALENDAR = to_micros(datetime.min.replace(tzinfo=UTC)), to_micros(datetime.max.replace(tzinfo=UTC))


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The readings with the ranges of `telemetry.Reading`; names and instants are checked after."""

    loco_id: str
    flow_rate: Annotated[float, msgspec.Meta(ge=0, le=1500)]
    pressure: Annotated[float, msgspec.Meta(ge=0, le=25)]
    vibration: Annotated[float, msgspec.Meta(ge=0, le=100)]
    temperature: Annotated[float, msgspec.Meta(ge=-40, le=200)]
    timestamp: str | None = None
    micros: int = 0  # set after decoding: a message that has it has too many quotes


class Decoded(NamedTuple):
    """The events of some messages as columns, their messages, and what could not be read."""

    messages: list[Message]
    loco_ids: list[str]
    micros: Integers
    values: Floats
    letters: list[DeadLetter]


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
        events = list(map(self._read, messages))
        return self._at_once(messages, events, window) or self._one_by_one(messages, events, window)

    def _read(self, message: Message) -> _Event | None:
        """Read the fields; None where only `parse_event` knows."""
        try:
            return self._decode(message.payload or b"")
        except (msgspec.DecodeError, ValueError):
            return None

    def _at_once(
        self, messages: Sequence[Message], events: Sequence[_Event | None], window: TimeWindow
    ) -> Decoded | None:
        """Take messages that all have plain names and instants, these in UTC; else give None."""
        read = [event for event in events if event is not None]
        if len(read) < len(messages):
            return None
        # Repeated keys only add quotes: with just enough in all, each event has just enough.
        quotes = b"".join([message.payload or b"" for message in messages]).count(b'"')
        if quotes != _QUOTES * len(read):
            return None
        texts = [event.timestamp or "" for event in read]
        if not all(map(_is_plain, texts)) or {text[-1] for text in texts} != {"Z"}:
            return None
        try:
            micros = np.array([text[:-1] for text in texts], "datetime64[us]").astype(np.int64)
        except ValueError:
            return None
        names = [event.loco_id for event in read]
        if (
            micros.min() < to_micros(window.oldest)
            or micros.max() > to_micros(window.newest)
            or not all(map(self._is_name, set(names)))
            or any(
                message.loco_id not in (None, name)
                for message, name in zip(messages, names, strict=True)
            )
        ):
            return None
        cells = [
            value
            for event in read
            for value in (event.flow_rate, event.pressure, event.vibration, event.temperature)
        ]
        return Decoded(list(messages), names, micros, np.array(cells).reshape(-1, 4), [])

    def _one_by_one(
        self, messages: Sequence[Message], events: Sequence[_Event | None], window: TimeWindow
    ) -> Decoded:
        oldest, newest = to_micros(window.oldest), to_micros(window.newest)
        read: list[Message] = []
        names: list[str] = []
        micros: list[int] = []
        values: list[tuple[float, float, float, float]] = []
        letters: list[DeadLetter] = []
        for message, found in zip(messages, events, strict=True):
            event = self._dated(message, found)
            if (
                event is None
                or not oldest <= event.micros <= newest
                or message.loco_id not in (None, event.loco_id)
            ):
                try:
                    event = _slow(message, window)
                except TelemetryRefused as error:
                    letters.append(DeadLetter(message, str(error)))
                    continue
            read.append(message)
            names.append(event.loco_id)
            micros.append(event.micros)
            values.append((event.flow_rate, event.pressure, event.vibration, event.temperature))
        columns = np.array(values, np.float64).reshape(len(values), 4)
        return Decoded(read, names, np.array(micros, np.int64), columns, letters)

    def _dated(self, message: Message, event: _Event | None) -> _Event | None:
        """Give its instant to an event that is plain, or return None."""
        if event is None or not self._is_name(event.loco_id):
            return None
        text, quotes = event.timestamp, (message.payload or b"").count(b'"')
        # A surplus of quotes can only be a repeated key.
        if text is None and quotes == _QUOTES_WITHOUT_TIMESTAMP and message.micros is not None:
            event.micros = message.micros
        elif text is not None and quotes == _QUOTES and _is_plain(text):
            try:
                event.micros = round(datetime.fromisoformat(text).timestamp() * 1_000_000)
            except ValueError:
                return None
        else:
            return None
        return event

    def _is_name(self, loco_id: str) -> bool:
        if loco_id in self._known_names:
            return True
        if not is_loco_id(loco_id):
            return False
        if len(self._known_names) < MAX_NAMES:
            self._known_names.add(loco_id)
        return True


def _slow(message: Message, window: TimeWindow) -> _Event:
    if message.payload is None:
        raise TelemetryRefused([{"field": "body", "message": TOMBSTONE}])
    instant = None if message.micros is None else from_micros(np.clip(message.micros, *_CALENDAR))
    event = parse_event(message.payload, window, instant)
    if message.loco_id not in (None, event.loco_id):
        other = f"l'expéditeur ne peut parler que de {shown_name(str(message.loco_id))}"
        raise TelemetryRefused([{"field": "loco_id", "message": other}])
    return _Event(event.loco_id, *event.values(), micros=to_micros(event.timestamp))
