"""The fast decoder reads, refuses and explains as `parse_event` does."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cidp.errors import TelemetryRefused
from cidp.event_batch import Message, to_micros
from cidp.fast_decoder import FastDecoder
from cidp.telemetry import TimeWindow, parse_event

CONTRACT = json.loads(
    Path(__file__).parents[2].joinpath("docs/contracts/telemetry-event.schema.json").read_bytes()
)["properties"]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = TimeWindow.around(NOW, timedelta(days=30), timedelta(minutes=5))
EVENT: dict[str, Any] = {
    "loco_id": "LOCO_001",
    "timestamp": "2026-03-01T11:59:00Z",
    "flow_rate": 500,
    "pressure": 5.0,
    "vibration": 2.5,
    "temperature": -4e1,
}
NUMBERS = ("flow_rate", "pressure", "vibration", "temperature")


def slowly(raw: bytes, instant: datetime | None) -> object:
    try:
        event = parse_event(raw, WINDOW, instant)
    except TelemetryRefused as error:
        return str(error)
    return event.loco_id, to_micros(event.timestamp), event.values()


def quickly(raw: bytes, instant: datetime | None) -> object:
    micros = None if instant is None else to_micros(instant)
    decoded = FastDecoder().decode([Message(0, raw, micros=micros)], WINDOW)
    if decoded.letters:
        return decoded.letters[0].reason
    return decoded.loco_ids[0], int(decoded.micros[0]), tuple(decoded.values[0].tolist())


INSTANTS = st.datetimes(
    datetime(2026, 1, 20),
    datetime(2026, 3, 10),
    timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=1)), timezone(-timedelta(hours=9, minutes=30))]
    ),
)
TIMESTAMPS = st.one_of(
    INSTANTS.map(datetime.isoformat),
    INSTANTS.map(lambda t: f"{t:%Y-%m-%dT%H:%M:%S.%f}Z"),
    INSTANTS.map(lambda t: f"{t:%Y-%m-%d %H:%M}Z"),
    INSTANTS.map(lambda t: f"{t:%Y-%m-%dT%H:%M:%S.%f}789+01:00"),
    st.from_regex(
        r"\A2026-0[123]-[0-3]\dT[012]\d:[0-6]\d:[0-6]\d(\.\d{0,8})?(Z|z|[+-][0-2]\d:?[0-7]\d|)\Z"
    ),
    st.sampled_from(["now", "2026-02-30T10:00:00Z", "2026-03-01T24:00:00Z"]),
    st.sampled_from(["", "0001-01-01T00:00:00+01:00"]),
)  # fmt: skip
VALUES = st.one_of(
    st.floats(-50, 1600), st.floats(), st.integers(-50, 1600), st.integers(),
    st.booleans(), st.none(), st.text(max_size=3), st.just([1.0]), st.just({}),
)  # fmt: skip
NAMES = st.one_of(st.from_regex(r"\A[A-Za-z0-9._-]{1,70}\n?\Z"), st.text(max_size=8), VALUES)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Write an event with some fields changed, left out, added or repeated."""
    event = dict(EVENT)
    for name in draw(st.sets(st.sampled_from(sorted(EVENT)), max_size=3)):
        strategy = {"loco_id": NAMES, "timestamp": TIMESTAMPS | VALUES}.get(name, VALUES)
        event[name] = draw(strategy)
    for name in draw(st.sets(st.sampled_from(sorted(EVENT)), max_size=1)):
        if draw(st.booleans()):
            del event[name]
    pairs = list(event.items())
    if draw(st.integers(0, 9)) == 0:
        pairs.append((draw(st.sampled_from([*EVENT, "speed"])), draw(VALUES)))
    pairs = draw(st.permutations(pairs))
    escaped = draw(st.booleans())
    text = ", ".join(
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=escaped)}" for name, value in pairs
    )
    return ("{" + text + "}").encode("utf-8", "surrogatepass")


@given(bodies(), st.sampled_from([None, NOW, NOW - timedelta(days=40)]))
@example(json.dumps(EVENT).encode(), None)
@example(json.dumps(EVENT | {"loco_id": "L\n"}).encode(), None)
@example(json.dumps(EVENT | {"timestamp": "2026-03-01T11:59:00.1234567Z"}).encode(), None)
@example(json.dumps(EVENT).replace("LOCO", "\\u004cOCO").encode(), None)
@example(json.dumps(EVENT).replace("500", "1e999").encode(), None)
@example(json.dumps(EVENT).replace("500", "5e2").encode(), None)
@example(json.dumps(EVENT).replace("500", "0500").encode(), None)
@example(b"\xef\xbb\xbf" + json.dumps(EVENT).encode(), None)
@example(json.dumps(EVENT).encode() + b" \n", None)
@example(json.dumps(EVENT).encode() + b"{}", None)
def test_one_event_is_read_as_by_the_model(raw: bytes, instant: datetime | None) -> None:
    assert quickly(raw, instant) == slowly(raw, instant)


@given(st.binary(max_size=40) | st.from_type(object).map(repr).map(str.encode))
@example(b"")
@example(b"null")
@example(b"[" * 2000)
def test_any_bytes_are_refused_as_by_the_model(raw: bytes) -> None:
    assert quickly(raw, None) == slowly(raw, None)


@pytest.mark.parametrize("field", NUMBERS)
def test_the_bounds_are_those_of_the_model(field: str) -> None:
    low, high = CONTRACT[field]["minimum"], CONTRACT[field]["maximum"]
    for value in (low, high, low - 1e-9, high + 1e-9):
        raw = json.dumps(EVENT | {field: value}).encode()
        assert quickly(raw, None) == slowly(raw, None)
        assert isinstance(quickly(raw, None), tuple) is (low <= value <= high)


def test_a_batch_keeps_the_order_of_what_it_accepts_and_of_what_it_refuses() -> None:
    messages = [
        Message(5, json.dumps(EVENT | {"loco_id": "B"}).encode()),
        Message(6, b"?"),
        Message(7, json.dumps(EVENT | {"timestamp": "2026-03-01T12:59:00+01:00"}).encode()),
        Message(8, None),
    ]
    decoded = FastDecoder().decode(messages, WINDOW)
    assert decoded.loco_ids == ["B", "LOCO_001"]
    assert decoded.micros[0] == decoded.micros[1]
    assert decoded.messages == [messages[0], messages[2]]
    assert [letter.message.position for letter in decoded.letters] == [6, 8]


@given(st.lists(bodies() | st.just(json.dumps(EVENT).encode()), min_size=2, max_size=6))
@example([json.dumps(EVENT).encode()] * 2)
@example(
    [json.dumps(EVENT | {"timestamp": text}).encode() for text in ("2026-03-01T11:59:00", "Z")]
)
def test_a_batch_is_read_as_its_messages_are_alone(raws: list[bytes]) -> None:
    messages = [Message(place, raw) for place, raw in enumerate(raws)]
    decoded = FastDecoder().decode(messages, WINDOW)
    read = zip(decoded.loco_ids, decoded.micros.tolist(), decoded.values.tolist(), strict=True)
    alone = [slowly(raw, None) for raw in raws]
    assert [(name, micros, tuple(row)) for name, micros, row in read] == [
        each for each in alone if isinstance(each, tuple)
    ]
    assert [letter.reason for letter in decoded.letters] == [
        each for each in alone if isinstance(each, str)
    ]


@pytest.mark.parametrize("seconds", [60 * 60 * 24 * 31, -60 * 6])
def test_a_batch_out_of_the_window_is_refused(seconds: int) -> None:
    instant = NOW - timedelta(seconds=seconds)
    raw = json.dumps(EVENT | {"timestamp": f"{instant:%Y-%m-%dT%H:%M:%SZ}"}).encode()
    decoded = FastDecoder().decode([Message(place, raw) for place in range(3)], WINDOW)
    assert [letter.reason for letter in decoded.letters] == [slowly(raw, None)] * 3


def test_a_batch_speaks_of_the_locomotives_of_its_senders_alone() -> None:
    raw = json.dumps(EVENT).encode()
    messages = [Message(0, raw, loco_id="LOCO_001"), Message(1, raw, loco_id="LOCO_002")]
    decoded = FastDecoder().decode(messages, WINDOW)
    assert decoded.messages == messages[:1]
    assert [letter.message for letter in decoded.letters] == messages[1:]


def test_no_message_gives_empty_columns() -> None:
    decoded = FastDecoder().decode([], WINDOW)
    assert (decoded.values.shape, decoded.micros.shape) == ((0, 4), (0,))


def test_a_message_dated_beyond_the_calendar_is_refused() -> None:
    raw = json.dumps({name: EVENT[name] for name in EVENT if name != "timestamp"}).encode()
    decoded = FastDecoder().decode([Message(0, raw, micros=m) for m in (-(2**62), 2**62)], WINDOW)
    assert [letter.reason.partition(" ")[0] for letter in decoded.letters] == ["timestamp"] * 2
