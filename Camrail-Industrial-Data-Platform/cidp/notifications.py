"""Tells people of opened alerts, at most once each, from a thread of its own."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from loguru import logger

from cidp.alert_desk import Alert, find_alert
from cidp.errors import NotConfirmed, NotDelivered, StoreError
from cidp.event_store import EventStore
from cidp.fleet_state import Channel
from cidp.notification_channels import Sender
from cidp.store_session import Session

POLL_S = 2.0
MAX_ATTEMPTS = 8
FIRST_DELAY = timedelta(seconds=30)
_AT_ONCE = 20


class _Due(NamedTuple):
    """A notification that this process has taken on."""

    alert_id: int
    channel: Channel
    attempts: int


class Notifier:
    """Sends what waits in the store; several processes may do so at once.

    A notification is taken on before it is sent: a process that dies meanwhile leaves it unsent
    rather than sent twice. One that surely did not arrive is tried again, each time twice as late,
    at most `MAX_ATTEMPTS` times in all.
    """

    def __init__(
        self,
        store: EventStore,
        senders: Mapping[Channel, Sender],
        now: Callable[[], datetime],
        poll_s: float = POLL_S,
    ) -> None:
        self._store = store
        self._senders = dict(senders)
        self._now = now
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Send in the background, if there is any way to."""
        if self._senders and self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="notifier", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, after the message that it is sending."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def send_due(self) -> int:
        """Send what is due now; return how many were tried. Raises `StoreError`."""
        with self._store.session() as session:
            due = self._take_on(session)
        for notification in due:
            with self._store.session(writes=False) as session:
                alert = find_alert(session, notification.alert_id)
            self._send(notification, alert)
        return len(due)

    def _watch(self) -> None:
        away = False
        while not self._stopping.wait(self._poll_s):
            try:
                self.send_due()
                away = False
            except StoreError as error:
                if not away:
                    logger.warning("Notifications suspendues : {}", error)
                away = True

    def _take_on(self, session: Session) -> list[_Due]:
        rows = session.rows(
            "SELECT alert_id, channel, attempts FROM notifications"
            " WHERE state = 'waiting' AND next_at <= :now AND channel IN :channels"
            " ORDER BY next_at LIMIT :rows FOR UPDATE SKIP LOCKED",
            now=self._now(),
            channels=list(self._senders),
            rows=_AT_ONCE,
        )
        due = [_Due(*row) for row in rows]
        for one in due:
            self._record(session, one, "sending", attempts=one.attempts + 1)
        return due

    def _send(self, due: _Due, alert: Alert) -> None:
        try:
            self._senders[due.channel](alert)
        except NotDelivered as error:
            attempt = due.attempts + 1
            again = attempt < MAX_ATTEMPTS
            delay = FIRST_DELAY * 2**due.attempts
            self._settle(due, "waiting" if again else "failed", self._now() + delay)
            logger.warning(
                "Alerte {} non notifiée ({}), essai {} sur {} : {}",
                *(due.alert_id, due.channel, attempt, MAX_ATTEMPTS, error),
            )
        except NotConfirmed as error:
            self._settle(due, "failed")
            logger.error("Alerte {} : {} non confirmé : {}", due.alert_id, due.channel, error)
        else:
            self._settle(due, "sent")
            logger.info("Alerte {} notifiée ({})", due.alert_id, due.channel)

    def _settle(self, due: _Due, state: str, next_at: datetime | None = None) -> None:
        with self._store.session() as session:
            self._record(session, due, state, due.attempts + 1, next_at)

    def _record(
        self,
        session: Session,
        due: _Due,
        state: str,
        attempts: int,
        next_at: datetime | None = None,
    ) -> None:
        session.run(
            "UPDATE notifications SET state = :state, attempts = :attempts, next_at = :next_at"
            " WHERE alert_id = :alert_id AND channel = :channel",
            state=state,
            attempts=attempts,
            next_at=next_at or self._now(),
            alert_id=due.alert_id,
            channel=due.channel,
        )
