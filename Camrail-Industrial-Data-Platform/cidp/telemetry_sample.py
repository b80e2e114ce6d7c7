"""The real telemetry of the last days, one reading per locomotive and hour as in training."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np

from cidp.drift import Rows
from cidp.errors import StoreError
from cidp.event_store import EventStore
from cidp.store_session import Session
from cidp.telemetry import READINGS

WINDOW = timedelta(days=7)
"""One hour of a small fleet is so much alike that it always looks unlike months of another."""

MOST_ROWS = 20_000
"""Beyond it hours are skipped, the same for each locomotive."""

RENEWED_EVERY_S = 600.0
AWAY_S = 15.0
"""The time after which a store that was away is asked again."""

WAIT_S = 0.5
"""The longest that who asks for a new sample waits for it."""

_HOUR = timedelta(hours=1)
_COUNT = "SELECT count(*) FROM fleet WHERE series = 'real' AND timestamp >= :first"
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
WHERE fleet.series = 'real' AND fleet.timestamp >= :first
    AND hourly.source = fleet.source AND hourly.loco_id = fleet.loco_id AND hourly.hour IN :hours
"""  # noqa: S608 (our names)


def hourly_readings(session: Session, since: datetime, until: datetime) -> Rows:
    """Return the first reading of each hour from `since`: the four of the contract, and the risk.

    A locomotive counts by the door that brought its newest reading. No reading may have been
    removed from the hours asked for: an hour without any would take one of a later hour.
    """
    newest = until.replace(minute=0, second=0, microsecond=0)
    hours = (newest - since) // _HOUR + 1
    first = newest - (hours - 1) * _HOUR
    locomotives = session.rows(_COUNT, first=first)[0][0]
    stride = -(-locomotives * hours // MOST_ROWS) or 1
    asked = [newest - age * _HOUR for age in range(0, hours, stride)]
    found = session.rows(_FIRSTS, first=first, hours=asked)
    rows = [session.items(reading) for (reading,) in found if reading]
    return np.array(rows, np.float64).reshape(-1, len(READINGS) + 1)


class TelemetrySample:
    """The sample of `WINDOW`, or of `retention` if less, renewed by a thread when it is asked for.

    A store that is slow leaves the sample before; one that is away leaves none, which is no sample
    without readings.
    """

    def __init__(
        self,
        store: EventStore,
        now: Callable[[], datetime],
        retention: timedelta,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._now = now
        self._window = min(WINDOW, retention)
        self._clock_s = clock_s
        self._renewing = threading.Lock()
        self._due_s = clock_s()
        self._rows: Rows | None = None

    def rows(self) -> Rows | None:
        """Return one row per reading, as `hourly_readings`, or None; waits `WAIT_S` at most."""
        if self._clock_s() >= self._due_s and self._renewing.acquire(blocking=False):
            renewal = threading.Thread(target=self._renew, name="drift", daemon=True)
            try:
                renewal.start()
            except RuntimeError:  # no more threads
                self._renewing.release()
            else:
                renewal.join(WAIT_S)
        return self._rows

    def _renew(self) -> None:
        try:
            with self._store.session(writes=False) as session:
                now = self._now()
                self._rows = hourly_readings(session, now - self._window, now)
        except StoreError:  # which the source, asked at each scrape too, has counted
            self._rows = None
        finally:
            again_s = AWAY_S if self._rows is None else RENEWED_EVERY_S
            self._due_s = self._clock_s() + again_s
            self._renewing.release()
