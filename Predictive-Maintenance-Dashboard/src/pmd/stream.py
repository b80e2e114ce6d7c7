"""Readings of a simulated fleet as they happen: one NDJSON telemetry event per line, for ever."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TextIO

from pmd.errors import UnusableFile
from pmd.scenario import NOTHING_PLANNED, Scenario
from pmd.sensors import SENSOR_NAMES, SENSORS, loco_name
from pmd.simulator import Fleet, Readings

Event = dict[str, str | float]

BLOCK_STEPS = 64  # simulated at once: a step alone costs as much as fifty
SIGNAL_CHECK_S = 0.5  # Windows hears Ctrl-C only between two waits


class Clock(Protocol):
    """Time as the stream needs it; `wait` returns True when the stream must stop."""

    def now(self) -> datetime: ...

    def monotonic_s(self) -> float: ...

    def wait(self, seconds: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class WallClock:
    """The machine's clock, until `stop` is set."""

    stop: threading.Event

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > SIGNAL_CHECK_S:
            if self.stop.wait(SIGNAL_CHECK_S):
                return True
        return self.stop.wait(max(0.0, left_s))


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """`rate` turns of a locomotive per second over the whole fleet; physics `speed` times faster
    than the clock; `count` events, or no end when None."""

    locos: int
    rate: float
    speed: float
    seed: int
    count: int | None
    scenario: Scenario = NOTHING_PLANNED

    @property
    def step_h(self) -> float:
        """Simulated hours from one reading of a locomotive to its next."""
        return self.locos / self.rate * self.speed / 3600


def fleet_events(plan: StreamPlan, now: Callable[[], datetime]) -> Iterator[Event | None]:
    """Events of the locomotives in turn; None from one in repair, or whose reading is lost.

    The values depend on `plan` and on `now` at the first event, when the physics clock starts; the
    instants come from `now` and increase strictly.
    """
    fleet = Fleet(plan.locos, plan.step_h, plan.seed, now(), plan.scenario)
    names = [loco_name(loco) for loco in range(plan.locos)]
    last = datetime.min.replace(tzinfo=UTC)
    while True:
        for values, sent in _steps(fleet.advance(BLOCK_STEPS)):
            for name, reading, speaks in zip(names, values, sent, strict=True):
                if not speaks:
                    yield None
                    continue
                last = max(now(), last + timedelta(microseconds=1))
                yield {"loco_id": name, "timestamp": _told(last), **reading}


def _steps(readings: Readings) -> Iterator[tuple[list[dict[str, float]], list[bool]]]:
    """Step by step: what each locomotive reads, and whether it says so."""
    rounded = [
        (readings.values[..., column].round(sensor.decimals) + 0.0).tolist()
        for column, sensor in enumerate(SENSORS)
    ]
    sent = (readings.in_service & readings.present).tolist()
    for *columns, speaks in zip(*rounded, sent, strict=True):
        rows = zip(*columns, strict=True)
        yield [dict(zip(SENSOR_NAMES, row, strict=True)) for row in rows], speaks


def _told(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def write_stream(plan: StreamPlan, out: TextIO, clock: Clock) -> int:
    """Write events to `out`, one per line and flushed, at the pace of `plan`; return how many.

    A silent locomotive takes its time too. Ends at `plan.count`, when `clock` says to stop, or when
    nobody reads `out` any more. Raises `UnusableFile` when `out` cannot be written.
    """
    written = 0
    due_s = clock.monotonic_s()
    events = fleet_events(plan, clock.now)
    while written != plan.count and not clock.wait(due_s - clock.monotonic_s()):
        event = next(events)
        if event:
            if not _sent(event, out):
                break
            written += 1
        due_s = max(due_s, clock.monotonic_s() - 1) + 1 / plan.rate
    return written


def _sent(event: Event, out: TextIO) -> bool:
    """Write one line; False when nobody reads any more."""
    try:
        out.write(json.dumps(event) + "\n")
        out.flush()
    except OSError as error:
        _forget(out)
        if error.errno in (errno.EPIPE, errno.EINVAL):  # EINVAL: closed pipe on Windows
            return False
        raise UnusableFile(
            f"flux : écriture impossible ({error.strerror}). Libérez de la place ou changez de "
            "sortie."
        ) from error
    return True


def _forget(out: TextIO) -> None:
    """Point a broken pipe at nothing, so that the interpreter's last flush does not fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, out.fileno())
    os.close(nothing)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, a termination request or, on Windows, Ctrl-Break sets."""
    stop = threading.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGBREAK"):
        numbers.append(signal.SIGBREAK)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
