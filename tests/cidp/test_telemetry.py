"""Which bytes are readings and events, and what is said of those that are not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidp.errors import TelemetryRefused
from cidp.telemetry import (
    MAX_DETAILS,
    MAX_EVENTS,
    Reading,
    TimeWindow,
    parse_event,
    parse_events,
    parse_reading,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ISO_EXPECTED = "date ISO 8601 attendue, par exemple 2026-01-15T08:30:00+01:00"
WINDOW = TimeWindow.around(NOW, timedelta(days=30), timedelta(minutes=5))
READING: dict[str, Any] = {
    "loco_id": "LOCO_001",
    "flow_rate": 500,
    "pressure": 5.0,
    "vibration": 2.0,
    "temperature": 45.0,
}
EVENT = READING | {"timestamp": "2026-03-01T12:00:00Z"}


def body(change: dict[str, Any] | None = None, base: dict[str, Any] = READING) -> bytes:
    return json.dumps(base | (change or {})).encode()


def refused(raw: bytes) -> dict[str, str]:
    with pytest.raises(TelemetryRefused) as caught:
        parse_reading(raw)
    return {detail["field"]: detail["message"] for detail in caught.value.details}


def refused_event(raw: bytes) -> dict[str, str]:
    with pytest.raises(TelemetryRefused) as caught:
        parse_events(raw, WINDOW)
    return {detail["field"]: detail["message"] for detail in caught.value.details}


def test_an_integer_is_accepted_where_a_float_is_meant() -> None:
    assert parse_reading(body()) == Reading(**READING)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("true", "un nombre est attendu, ni texte, ni booléen, ni null"),
        ("null", "un nombre est attendu, ni texte, ni booléen, ni null"),
        ('"abc"', "un nombre est attendu, ni texte, ni booléen, ni null"),
        ('"5"', "un nombre est attendu, ni texte, ni booléen, ni null"),
        ("[1]", "un nombre est attendu, ni texte, ni booléen, ni null"),
        ("NaN", "un nombre fini est attendu"),
        ("Infinity", "un nombre fini est attendu"),
        ("-Infinity", "un nombre fini est attendu"),
        ("1e999", "un nombre fini est attendu"),
        ("1" + "0" * 400, "un nombre fini est attendu"),
        ("1e308", "doit être au plus 100 mm/s"),
        ("-0.1", "doit être au moins 0 mm/s"),
    ],
)
def test_what_is_not_a_reading_is_refused_by_its_field(text: str, message: str) -> None:
    raw = body().replace(b'"vibration": 2.0', f'"vibration": {text}'.encode())
    assert refused(raw) == {"vibration": message}


@pytest.mark.parametrize(
    "loco_id", ["", "x" * 65, "x" * 10_000, "LOCO\n1", "LOCO\x00", "-LOCO", "LÔCO", "a b", "LOCO\n"]
)
def test_a_malformed_locomotive_is_refused(loco_id: str) -> None:
    assert list(refused(body({"loco_id": loco_id}))) == ["loco_id"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"not json",
        b"\xff\xfe",
        b'{"loco_id": "\\ud800"}',
        b'{"loco_id": "\xed\xa0\x80"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        body() + b"x",
    ],
)
def test_what_is_not_json_is_refused_as_a_whole(raw: bytes) -> None:
    assert refused(raw) == {"body": "JSON invalide"}


@pytest.mark.parametrize("raw", [b"[1,2]", b"null", b"3", b'"text"', b"[]", b"true"])
def test_json_that_is_no_object_is_refused(raw: bytes) -> None:
    assert refused(raw) == {"body": "un objet JSON est attendu"}


def test_missing_and_unknown_fields_are_both_named() -> None:
    raw = json.dumps({"loco_id": "L1", "flow_rate": 1, "pressure": 1, "vibration": 1, "x": 1})
    assert refused(raw.encode()) == {
        "temperature": "champ obligatoire absent",
        "x": "champ inconnu",
    }


def test_a_repeated_key_is_refused_by_name() -> None:
    raw = body().replace(b'"pressure": 5.0', b'"pressure": 5.0, "pressure": 9.0')
    assert refused(raw) == {"pressure": "champ donné plusieurs fois"}


def test_a_key_repeated_very_often_is_refused_at_once() -> None:
    raw = body().replace(b'"pressure": 5.0', b'"pressure": 1, ' * 50_000 + b'"pressure": 5.0')
    assert list(refused(raw)) == ["pressure"]


def test_a_repeated_key_in_an_event_or_an_array_is_refused() -> None:
    raw = body(base=EVENT).replace(b'"pressure": 5.0', b'"pressure": 5.0, "pressure": 9.0')
    assert list(refused_event(raw)) == ["pressure"]
    assert list(refused_event(b"[" + body(base=EVENT) + b"," + raw + b"]")) == ["pressure"]


def test_an_unknown_field_is_shown_short_and_without_control_characters() -> None:
    (field,) = refused(body({"x\n" * 200: 1}))
    assert len(field) == 80
    assert field.isprintable()


def test_many_refused_fields_are_counted_not_listed() -> None:
    with pytest.raises(TelemetryRefused) as caught:
        parse_reading(body({f"x{n}": n for n in range(500)}))
    assert len(caught.value.details) == MAX_DETAILS + 1
    assert caught.value.details[-1]["message"] == "400 autres champs refusés"


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01 13:00:00+01:00",
        "2026-03-01T13:00+01:00",
        "2026-03-01T12:00:00.000000000Z",
        "2026-03-01T12:00:00z",
    ],
)
def test_an_instant_is_read_with_its_offset_into_utc(text: str) -> None:
    event = parse_event(body({"timestamp": text}, EVENT), WINDOW)
    assert event.timestamp == NOW
    assert event.timestamp.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-03-01T12:00:00", "le décalage horaire manque, par exemple Z ou +01:00"),
        ("2026-02-30T12:00:00Z", "cette date n'existe pas dans le calendrier"),
        ("1772366400", ISO_EXPECTED),
        ("", ISO_EXPECTED),
        ("2026-03-01", ISO_EXPECTED),
        ("0001-01-01T00:00:00+14:00", ISO_EXPECTED),
        (1772366400, "une date ISO 8601 avec son décalage est attendue, en texte"),
        (None, "une date ISO 8601 avec son décalage est attendue, en texte"),
        ("2026-03-01T12:05:01Z", "dans le futur ; au plus tard 2026-03-01T12:05:00Z"),
        ("2026-01-30T11:59:59Z", "trop ancien ; au plus tôt 2026-01-30T12:00:00Z"),
    ],
)
def test_an_instant_that_cannot_be_used_is_refused(value: object, message: str) -> None:
    assert refused_event(body({"timestamp": value}, EVENT)) == {"timestamp": message}


def test_a_missing_instant_is_refused() -> None:
    assert refused_event(body()) == {"timestamp": "champ obligatoire absent"}


def test_an_array_of_events_names_the_position_of_the_bad_one() -> None:
    late = EVENT | {"timestamp": "2020-01-01T00:00:00Z"}
    assert list(refused_event(json.dumps([EVENT, late]).encode())) == ["1.timestamp"]
    bad = EVENT | {"vibration": "x"}
    assert list(refused_event(json.dumps([EVENT, EVENT, bad]).encode())) == ["2.vibration"]


def test_an_array_has_one_to_a_thousand_events() -> None:
    assert len(parse_events(json.dumps([EVENT] * MAX_EVENTS).encode(), WINDOW)) == MAX_EVENTS
    assert refused_event(b" [] ") == {"body": "le tableau est vide"}
    too_many = json.dumps([EVENT] * (MAX_EVENTS + 1)).encode()
    assert refused_event(too_many) == {"body": "au plus 1000 événements par envoi"}


READINGS = st.fixed_dictionaries(
    {
        "loco_id": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
        "flow_rate": st.floats(0, 1500),
        "pressure": st.floats(0, 25),
        "vibration": st.floats(0, 100),
        "temperature": st.floats(-40, 200),
    }
)


@given(READINGS, st.booleans(), st.sampled_from([None, 1]))
def test_every_reading_in_range_is_accepted_however_it_is_written(
    reading: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    raw = json.dumps(reading, ensure_ascii=ascii_only, indent=indent).encode()
    assert parse_reading(raw).model_dump() == reading


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_with_at_least_one_reason(raw: bytes) -> None:
    assert refused(raw)
    assert refused_event(raw)
