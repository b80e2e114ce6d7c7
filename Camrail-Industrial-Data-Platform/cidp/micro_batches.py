"""Messages that wait in a queue, stored in micro-batches."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

from loguru import logger

from cidp.errors import NoModel, StoreError
from cidp.event_batch import Door, Message
from cidp.feeds import Feeder
from cidp.ingest import IngestHandler

BATCH_EVENTS = 500
BATCH_S = 0.5
RETRY_S = 1.0
POLL_S = 0.1

Waiting = queue.Queue[Message | None]


class BatchWriter:
    """Takes what waits and stores it in micro-batches, waiting for a store that is away.

    A batch is at most `batch_s` older than its first message. `stored` gets each batch once it is
    on record; None ends the stream.
    """

    def __init__(
        self,
        waiting: Waiting,
        ingest: IngestHandler,
        stop: threading.Event,
        door: Door,
        *,
        batch_s: float = BATCH_S,
        stored: Callable[[Sequence[Message]], object] = len,
        feeder: Feeder | None = None,
    ) -> None:
        self._waiting = waiting
        self._ingest = ingest
        self._stop = stop
        self._door = door
        self._batch_s = batch_s
        self._on_stored = stored
        self._feeder = feeder
        self._ended = False
        self._away = False

    def run(self) -> None:
        """Store until the stream ends or a stop is asked for."""
        while not self._ended and not self._stop.is_set():
            batch = self._next_batch()
            if batch:
                self._store(batch)
            if self._feeder:
                self._feeder.tell()

    def _next_batch(self) -> list[Message]:
        """Wait for a first line, then for more until the batch is full or old enough."""
        batch: list[Message] = []
        deadline = float("inf")
        while len(batch) < BATCH_EVENTS and time.monotonic() < deadline:
            left_s = deadline - time.monotonic()
            try:
                message = self._waiting.get(timeout=min(POLL_S, max(left_s, 0.0)))
            except queue.Empty:
                if self._stop.is_set():
                    break
                continue
            if message is None:
                self._ended = True
                break
            if not batch:
                deadline = time.monotonic() + self._batch_s
            batch.append(message)
        return batch

    def _store(self, batch: list[Message]) -> None:
        """Try until it is stored; a stop leaves one more try."""
        while not self._stored(batch):
            if self._stop.wait(RETRY_S):
                if not self._stored(batch):
                    logger.error("Arrêt : {} mesures n'ont pas pu être enregistrées", len(batch))
                return

    def _stored(self, batch: list[Message]) -> bool:
        try:
            tally = self._ingest.ingest_messages(batch, self._door)
        except (StoreError, NoModel) as error:
            if not self._away:
                logger.warning("Enregistrement suspendu, la source attend : {}", error)
            self._away = True
            return False
        if self._away:
            logger.info("Enregistrement repris")
        self._away = False
        if tally.rejected:
            logger.warning("{} messages refusés, gardés en lettres mortes", tally.rejected)
        self._on_stored(batch)
        return True
