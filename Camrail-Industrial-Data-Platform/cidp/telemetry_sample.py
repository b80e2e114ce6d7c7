"""The real telemetry of the last days, one reading per locomotive and hour as in training."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from cidp.drift import Rows
from cidp.errors import StoreError
from cidp.event_batch import SERIES_DOORS, Series
from cidp.event_store import EventStore
from cidp.store_session import Session
from cidp.telemetry import READINGS

WINDOW_HOURS = 7 * 24
"""One hour of a small fleet is so much alike that it always looks unlike months of another."""

MOST_ROWS = 20_000
"""Beyond it hours are skipped, the same for each locomotive."""

RENEWED_EVERY_S = 600.0
WAIT_S = 0.5
"""The longest that who asks for a new sample waits for it."""

_SERIES: Final[Series] = "real"
_COUNT = "SELECT count(*) FROM fleet WHERE series = :series AND timestamp >= :first"
_COLUMNS = ", ".join((*READINGS, "probability"))
# Hours and readings are both looked up by key, whatever the store holds besides.
_FIRSTS = f"""
SELECT (
    SELECT json_array({_COLUMNS}) FROM readings
    WHERE readings.source = hourly.source AND readings.loco_id = hourly.loco_id
        AND readings.timestamp >= hourly.hour
    ORDER BY readings.timestamp LIMIT 1
)
FROM fleet CROSS JOIN hourly -- in this order
WHERE fleet.series = :series AND fleet.timestamp >= :first
    AND hourly.source IN :doors AND hourly.loco_id = fleet.loco_id AND hourly.hour IN :hours
"""  # noqa: S608 (our names)


def hourly_readings(session: Session, now: datetime) -> Rows:
    """Return the first reading of each of `WINDOW_HOURS`: the four of the contract, and the risk.

    A locomotive that came by two doors counts by each.
    """
    newest = now.replace(minute=0, second=0, microsecond=0)
    first = newest - timedelta(hours=WINDOW_HOURS - 1)
    locomotives = session.rows(_COUNT, series=_SERIES, first=first)[0][0]
    stride = -(-locomotives * WINDOW_HOURS // MOST_ROWS) or 1
    found = session.rows(
        _FIRSTS,
        series=_SERIES,
        doors=SERIES_DOORS[_SERIES],
        first=first,
        hours=[newest - timedelta(hours=age) for age in range(0, WINDOW_HOURS, stride)],
    )
    rows = [session.items(reading) for (reading,) in found if reading]
    return np.array(rows, np.float64).reshape(-1, len(READINGS) + 1)


class TelemetrySample:
    """The sample, renewed when it is asked for, by a thread of its own.

    A store that is slow leaves the sample before; one that is away leaves none.
    """

    def __init__(
        self,
        store: EventStore,
        now: Callable[[], datetime],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._now = now
        self._clock_s = clock_s
        self._renewing = threading.Lock()
        self._due_s = clock_s()
        self._rows: Rows = np.empty((0, len(READINGS) + 1))

    def rows(self) -> Rows:
        """Return one row per reading, as `hourly_readings`; waits `WAIT_S` at most."""
        if self._clock_s() >= self._due_s and self._renewing.acquire(blocking=False):
            renewal = threading.Thread(target=self._renew, name="drift", daemon=True)
            renewal.start()
            renewal.join(WAIT_S)
        return self._rows

    def _renew(self) -> None:
        try:
            with self._store.session(writes=False) as session:
                self._rows = hourly_readings(session, self._now())
        except StoreError:
            self._rows = self._rows[:0]
        finally:
            self._due_s = self._clock_s() + RENEWED_EVERY_S
            self._renewing.release()
