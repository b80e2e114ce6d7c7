"""A bounded sample of the readings that the store holds of the last hour, whatever their door."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np

from cidp.drift import KEPT_ROWS, WINDOW_S, Rows
from cidp.errors import StoreError
from cidp.event_batch import DOORS, series_of
from cidp.event_store import EventStore
from cidp.store_session import Session
from cidp.telemetry import READINGS

RENEWED_EVERY_S = 30.0
WAIT_S = 0.5
"""The longest that who asks for a new sample waits for it."""

_COLUMNS = ", ".join(READINGS)
_COUNT = "SELECT count(*) FROM fleet WHERE timestamp >= :first"
# The index is by door, locomotive and instant: each part walks down it and stops.
_NEWEST = f"""
SELECT (SELECT json_group_array(json_array({_COLUMNS}, probability)) FROM (
    SELECT {_COLUMNS}, probability FROM readings
    WHERE readings.source = :door AND readings.loco_id = fleet.loco_id
        AND readings.timestamp >= :first
    ORDER BY readings.timestamp DESC LIMIT :share
) AS newest)
FROM fleet WHERE series = :series AND timestamp >= :first
"""  # noqa: S608 (our names)


def newest_readings(session: Session, first: datetime) -> Rows:
    """Return the newest readings since `first`: the four of the contract, and the risk.

    Each locomotive has an equal share of `KEPT_ROWS` by door, and one reading at least.
    """
    locomotives = session.rows(_COUNT, first=first)[0][0]
    share = max(1, KEPT_ROWS // max(1, locomotives))
    parts = [
        np.array(session.items(found), np.float64).reshape(-1, len(READINGS) + 1)
        for door in DOORS
        for (found,) in session.rows(
            _NEWEST, door=door, series=series_of(door), first=first, share=share
        )
    ]
    return np.concatenate([*parts, np.empty((0, len(READINGS) + 1))])


class StoredSample:
    """The sample of the last hour, renewed when it is asked for, by a thread of its own.

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
        """Return one row per reading, as `newest_readings`; waits `WAIT_S` at most."""
        if self._clock_s() >= self._due_s and self._renewing.acquire(blocking=False):
            renewal = threading.Thread(target=self._renew, name="drift", daemon=True)
            renewal.start()
            renewal.join(WAIT_S)
        return self._rows

    def _renew(self) -> None:
        try:
            with self._store.session(writes=False) as session:
                first = self._now() - timedelta(seconds=WINDOW_S)
                self._rows = newest_readings(session, first)
        except StoreError:
            self._rows = self._rows[:0]
        finally:
            self._due_s = self._clock_s() + RENEWED_EVERY_S
            self._renewing.release()
