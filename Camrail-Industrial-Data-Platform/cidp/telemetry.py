"""What a reading and a telemetry event are, and which bytes are refused.

Ranges are physical: a value outside them cannot come from a working sensor. They are those of
`docs/contracts/telemetry-event.schema.json`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

from cidp.errors import FieldError, TelemetryRefused
from cidp.pydantic_compat import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ErrorDetails,
    Field,
    PydanticCustomError,
    TypeAdapter,
    ValidationError,
)

READINGS = ("flow_rate", "pressure", "vibration", "temperature")
"""The four readings, in the order of the contract."""

UNITS = {"flow_rate": "L/min", "pressure": "bar", "vibration": "mm/s", "temperature": "°C"}
LABELS = {
    "flow_rate": "débit",
    "pressure": "pression",
    "vibration": "vibration",
    "temperature": "température",
}

LIMITS = {
    "flow_rate": (0.0, 1500.0),
    "pressure": (0.0, 25.0),
    "vibration": (0.0, 100.0),
    "temperature": (-40.0, 200.0),
}
"""What a working sensor can say, in the unit of the reading."""

LOCO_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

MAX_EVENTS = 1000
"""Events that one `POST /telemetry` may carry."""

MAX_DETAILS = 100
"""Refused fields that one answer lists; the rest is counted."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _iso_text(value: object) -> object:
    """Refuse what pydantic would read as a number of seconds since 1970."""
    if not isinstance(value, str):
        raise PydanticCustomError("datetime_type", "not text")
    if not _TIMESTAMP.fullmatch(value):
        raise PydanticCustomError("timestamp_text", "not ISO 8601")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("timestamp_text", "outside the calendar in UTC") from error


LOCO_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
LocoId = Annotated[
    str,
    Field(
        pattern=LOCO_ID,
        description="Locomotive identifier, for example LOCO_001.",
    ),
]


def _limits(name: str, description: str) -> Any:
    lowest, highest = LIMITS[name]
    return Field(ge=lowest, le=highest, description=description)


class Reading(BaseModel):
    """The four readings of one locomotive, as `POST /predict` receives them."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    loco_id: LocoId
    flow_rate: Annotated[float, _limits("flow_rate", "Oil flow, L/min.")]
    pressure: Annotated[float, _limits("pressure", "Oil pressure, bar.")]
    vibration: Annotated[float, _limits("vibration", "Vibration velocity, RMS, mm/s.")]
    temperature: Annotated[float, _limits("temperature", "Oil temperature, °C.")]

    def values(self) -> tuple[float, float, float, float]:
        """Return the four readings in the order of `READINGS`."""
        return (self.flow_rate, self.pressure, self.vibration, self.temperature)


class TelemetryEvent(Reading):
    """One reading at one instant; `timestamp` is aware and in UTC once checked."""

    timestamp: Annotated[
        AwareDatetime,
        BeforeValidator(_iso_text),
        AfterValidator(_utc),
        Field(strict=False, description="Instant of the reading, ISO 8601 with its offset."),
    ]


class _Instant(BaseModel):
    timestamp: Annotated[AwareDatetime, BeforeValidator(_iso_text), AfterValidator(_utc)]


class TimeWindow(NamedTuple):
    """Instants that an event may carry."""

    oldest: datetime
    newest: datetime

    @classmethod
    def around(cls, now: datetime, retention: timedelta, skew: timedelta) -> "TimeWindow":
        """Accept what is younger than `retention`, and clocks that are `skew` ahead."""
        return cls(now - retention, now + skew)


_EVENTS = TypeAdapter(Annotated[list[TelemetryEvent], Field(min_length=1, max_length=MAX_EVENTS)])


def is_loco_id(text: str) -> bool:
    """Tell whether `text` may name a locomotive."""
    return re.fullmatch(LOCO_ID, text) is not None


def parse_instant(text: str) -> datetime | None:
    """Read an instant as an event's timestamp is read, or return None; the answer is in UTC."""
    try:
        return _Instant.model_validate({"timestamp": text}).timestamp
    except ValidationError:
        return None


def parse_reading(raw: bytes) -> Reading:
    """Read the body of `POST /predict`.

    Raises `TelemetryRefused` with one French message for each refused field.
    """
    try:
        reading = Reading.model_validate_json(raw)
    except ValidationError as error:
        raise TelemetryRefused(field_errors(error)) from None
    # Keys and texts of a valid reading hold no quote, so a surplus can only be a repeated key.
    if raw.count(b'"') != 12:
        raise TelemetryRefused(_repeated_keys(raw))
    return reading


def parse_event(
    raw: bytes, window: TimeWindow, otherwise: datetime | None = None
) -> TelemetryEvent:
    """Read one event, the form in which streams carry it.

    `otherwise` is the instant of an event that has no timestamp; without it such an event is
    refused.
    """
    try:
        event = TelemetryEvent.model_validate_json(raw)
    except ValidationError as error:
        details = field_errors(error)
        if otherwise is None or details != _ONLY_TIMESTAMP_MISSING:
            raise TelemetryRefused(details) from None
        return _stamped(raw, window, otherwise)
    _check_events(raw, [event], window, in_array=False)
    return event


def _stamped(raw: bytes, window: TimeWindow, instant: datetime) -> TelemetryEvent:
    """Give the valid reading in `raw` its instant."""
    reading = parse_reading(raw)
    if message := _outside(instant, window):
        raise TelemetryRefused([FieldError(field="timestamp", message=message)])
    return TelemetryEvent.model_validate({"timestamp": instant.isoformat()} | dict(reading))


def parse_events(raw: bytes, window: TimeWindow) -> list[TelemetryEvent]:
    """Read the body of `POST /telemetry`: one event, or an array of at most `MAX_EVENTS`.

    One bad event refuses the whole body; its details start with its position, from 0.
    """
    if not raw.lstrip(b" \t\r\n").startswith(b"["):
        return [parse_event(raw, window)]
    try:
        events = _EVENTS.validate_json(raw)
    except ValidationError as error:
        raise TelemetryRefused(field_errors(error)) from None
    _check_events(raw, events, window, in_array=True)
    return events


def _check_events(
    raw: bytes, events: Sequence[TelemetryEvent], window: TimeWindow, *, in_array: bool
) -> None:
    if raw.count(b'"') != 16 * len(events):
        raise TelemetryRefused(_repeated_keys(raw))
    details = [
        FieldError(field=f"{index}.timestamp" if in_array else "timestamp", message=message)
        for index, event in enumerate(events)
        if (message := _outside(event.timestamp, window))
    ]
    if details:
        raise TelemetryRefused(_bounded(details))


def _outside(timestamp: datetime, window: TimeWindow) -> str | None:
    if timestamp > window.newest:
        return f"dans le futur ; au plus tard {window.newest:%Y-%m-%dT%H:%M:%SZ}"
    if timestamp < window.oldest:
        return f"trop ancien ; au plus tôt {window.oldest:%Y-%m-%dT%H:%M:%SZ}"
    return None


def _repeated_keys(raw: bytes) -> list[FieldError]:
    """Name the keys that an object repeats; JSON leaves open which of the values counts."""
    repeated: dict[str, None] = {}

    def note(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(name for name, _ in pairs)
        repeated.update((name, None) for name, count in counts.items() if count > 1)

    json.loads(raw, object_pairs_hook=note)
    return _bounded(
        FieldError(field=_field_name((name,)), message="champ donné plusieurs fois")
        for name in repeated
    )


def field_errors(error: ValidationError, own: Mapping[str, str] = {}) -> list[FieldError]:
    """Translate pydantic's errors, without the values that were sent.

    `own` has the messages of the kinds that the model's other checks raise.
    """
    details = error.errors(include_input=False, include_url=False)
    return _bounded(
        FieldError(field=_field_name(d["loc"]), message=own.get(d["type"]) or _message(d))
        for d in details
    )


def _bounded(details: Iterable[FieldError]) -> list[FieldError]:
    listed = list(details)
    if len(listed) <= MAX_DETAILS:
        return listed
    rest = FieldError(field="body", message=f"{len(listed) - MAX_DETAILS} autres champs refusés")
    return [*listed[:MAX_DETAILS], rest]


def _field_name(loc: tuple[int | str, ...]) -> str:
    return shown_name(".".join(str(part) for part in loc) or "body")


def shown_name(name: str) -> str:
    """Return the name of a field, as a client sent it, in a form that is safe to show."""
    shown = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", name)
    return shown if len(shown) <= 80 else shown[:79] + "…"


_MISSING = "champ obligatoire absent"
_ONLY_TIMESTAMP_MISSING = [FieldError(field="timestamp", message=_MISSING)]
_MESSAGES = {
    "missing": _MISSING,
    "extra_forbidden": "champ inconnu",
    "float_type": "un nombre est attendu, ni texte, ni booléen, ni null",
    "int_type": "un entier est attendu",
    "int_from_float": "un entier est attendu",
    "finite_number": "un nombre fini est attendu",
    "string_type": "un texte est attendu",
    "string_too_short": "le texte est vide",
    "string_too_long": "le texte est trop long",
    "control_characters": "les caractères de contrôle sont refusés",
    "bool_type": "true ou false est attendu",
    "string_pattern_mismatch": (
        "1 à 64 caractères attendus parmi lettres sans accent, chiffres, « . », « _ » et « - », "
        "le premier étant une lettre ou un chiffre"
    ),
    "datetime_type": "une date ISO 8601 avec son décalage est attendue, en texte",
    "timezone_aware": "le décalage horaire manque, par exemple Z ou +01:00",
    "model_type": "un objet JSON est attendu",
    "list_type": "un tableau JSON est attendu",
    "too_short": "le tableau est vide",
    "too_long": f"au plus {MAX_EVENTS} événements par envoi",
    "json_invalid": "JSON invalide",
    "timestamp_text": "date ISO 8601 attendue, par exemple 2026-01-15T08:30:00+01:00",
    "datetime_parsing": "cette date n'existe pas dans le calendrier",
    "datetime_from_date_parsing": "cette date n'existe pas dans le calendrier",
}


def _message(detail: ErrorDetails) -> str:
    kind, unit = detail["type"], UNITS.get(str(detail["loc"][-1]) if detail["loc"] else "", "")
    bounds = detail.get("ctx", {})
    if kind == "greater_than_equal":
        return f"doit être au moins {bounds['ge']:g} {unit}".rstrip()
    if kind == "less_than_equal":
        return f"doit être au plus {bounds['le']:g} {unit}".rstrip()
    return _MESSAGES.get(kind, "valeur refusée")
