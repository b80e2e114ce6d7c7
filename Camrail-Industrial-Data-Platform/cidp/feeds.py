"""Which programs bring telemetry now, as each of them says in the store."""

import os
import socket
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from loguru import logger

from cidp.cli import FrenchParser
from cidp.errors import StoreError
from cidp.event_batch import Door
from cidp.event_store import EventStore

ASKED = "demandé"
TELL_S = 4.0
AGAIN_S = 1.0
SILENT = timedelta(seconds=15)
"""A program that has said nothing for that long has ended."""
_FORGOTTEN = timedelta(days=1)


class Feed(NamedTuple):
    """What brings telemetry by one door: since when, why, and how much waits in its broker."""

    door: Door
    since: datetime
    reason: str
    lag: int | None


class Feeder:
    """Says in the store that this process brings telemetry, until it ends.

    `reason` tells people why this source and no other. A store that is away is told later.
    """

    def __init__(
        self, store: EventStore, door: Door, reason: str, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._door = door
        self._reason = reason
        self._now = now
        self._name = f"{door}@{socket.gethostname()}:{os.getpid()}"
        self._since = now()
        self._tell_at_s = 0.0

    def tell(
        self,
        lag: Callable[[], int | None] = lambda: None,
        *,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        """Renew what is said, unless it was a moment ago, or the source is not `alive`."""
        if time.monotonic() < self._tell_at_s:
            return
        lives = alive()
        self._tell_at_s = time.monotonic() + (TELL_S if lives else AGAIN_S)
        if not lives:
            return
        now = self._now()
        try:
            with self._store.session() as session:
                session.run(
                    "INSERT INTO feeds (feeder, door, since, seen_at, lag, reason)"
                    " VALUES (:feeder, :door, :since, :seen_at, :lag, :reason)"
                    " ON CONFLICT (feeder) DO UPDATE"
                    " SET seen_at = excluded.seen_at, lag = excluded.lag",
                    feeder=self._name,
                    door=self._door,
                    since=self._since,
                    seen_at=now,
                    lag=lag(),
                    reason=self._reason,
                )
                session.run("DELETE FROM feeds WHERE seen_at < :old", old=now - _FORGOTTEN)
        except StoreError as error:
            logger.debug("{}", error)

    def end(self) -> None:
        """Say that this process brings nothing any more, if the store answers."""
        try:
            with self._store.session() as session:
                session.run("DELETE FROM feeds WHERE feeder = :name", name=self._name)
        except StoreError as error:
            logger.debug("{}", error)


def add_reason(parser: FrenchParser) -> None:
    """Let a person, or the platform, say why this source runs."""
    parser.add_argument(
        "--reason",
        default=ASKED,
        metavar="TEXTE",
        help=f"pourquoi cette source, pour /ready (défaut : {ASKED})",
    )


def running_feeds(store: EventStore, now: datetime) -> list[Feed]:
    """Return what brings telemetry at `now`, one per door; raises `StoreError`."""
    with store.session(writes=False) as session:
        found = session.rows(
            "SELECT door, min(since), min(reason), sum(lag) FROM feeds"
            " WHERE seen_at > :alive GROUP BY door ORDER BY door",
            alive=now - SILENT,
        )
        return [
            Feed(door, session.instant(since), reason, None if lag is None else int(lag))
            for door, since, reason, lag in found
        ]
