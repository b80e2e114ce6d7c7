"""The simulator's readings, handed to the ingest handler in micro-batches."""

import argparse
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import IO

from loguru import logger

from cidp.assembly import assemble
from cidp.cli import FrenchParser, positive
from cidp.errors import ChildFailed, CidpError, NoModel, StoreError
from cidp.event_batch import Door, Message
from cidp.ingest import IngestHandler
from cidp.logs import configure_logs
from cidp.orchestration import TAIL_LINES, end_program, follow_lines, start_program
from cidp.settings import Settings, launch_environment
from cidp.stop_signals import stop_on_signals

GENERATOR = "src/data_generator.py"
SOURCE: Door = "simulator"
BATCH_EVENTS = 500
BATCH_S = 0.5
RETRY_S = 1.0
POLL_S = 0.1
QUEUE_LINES = 10_000
MAX_LINE_BYTES = 65_536

Lines = queue.Queue[Message | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Feed the store until asked to stop; return the exit code."""
    flags = _parser().parse_args(argv)
    stop = threading.Event()
    with stop_on_signals(stop):
        try:
            settings = Settings.from_environ(launch_environment(os.environ))
            configure_logs(settings.logs.folder, "simulator_feed")
            run(settings, flags.rate, flags.speed, stop)
        except CidpError as error:
            logger.error("{}", error)
            return 1
    return 0


def run(settings: Settings, rate: float, speed: float, stop: threading.Event) -> None:
    """Store what the simulator says until `stop` is set; raises `ChildFailed` if it ends first."""
    parts = assemble(settings)
    child = start_program(
        settings.pmd.folder / GENERATOR, ["--stream", "--rate", str(rate), "--speed", str(speed)]
    )
    lines: Lines = queue.Queue(QUEUE_LINES)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    threads = [
        threading.Thread(target=read_lines, args=(child.stdout, lines, stop)),
        threading.Thread(target=follow_lines, args=(child.stderr, tail, lambda line: None)),
    ]
    for thread in threads:
        thread.start()
    parts.model.start()
    logger.info("Simulateur démarré : {:g} mesures par seconde", rate)
    try:
        Feed(lines, parts.ingest, stop).run()
    finally:
        asked = stop.is_set()
        stop.set()
        code = end_program(child)
        for thread in threads:
            thread.join()
        parts.model.stop()
        parts.store.close()
    if not asked:
        log = " | ".join(tail) or "(vide)"
        raise ChildFailed(f"Le simulateur s'est arrêté (code {code}). Fin de son journal : {log}")


def read_lines(stream: IO[bytes], lines: Lines, stop: threading.Event) -> None:
    """Queue each line of `stream` with its number from 0, then None.

    A full queue holds the simulator back. A line longer than `MAX_LINE_BYTES` arrives in pieces.
    """
    with stream:
        position = 0
        while (line := stream.readline(MAX_LINE_BYTES)) and not stop.is_set():
            _put(lines, Message(position, line), stop)
            position += 1
    _put(lines, None, stop)


def _put(lines: Lines, item: Message | None, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            return lines.put(item, timeout=POLL_S)
        except queue.Full:
            continue


class Feed:
    """Takes queued lines and stores them in micro-batches, waiting for a store that is away."""

    def __init__(self, lines: Lines, ingest: IngestHandler, stop: threading.Event) -> None:
        self._lines = lines
        self._ingest = ingest
        self._stop = stop
        self._ended = False
        self._away = False

    def run(self) -> None:
        """Store until the stream ends or a stop is asked for."""
        while not self._ended and not self._stop.is_set():
            batch = self._next_batch()
            if batch:
                self._store(batch)

    def _next_batch(self) -> list[Message]:
        """Wait for a first line, then for more until the batch is full or old enough."""
        batch: list[Message] = []
        deadline = float("inf")
        while len(batch) < BATCH_EVENTS and time.monotonic() < deadline:
            try:
                message = self._lines.get(timeout=POLL_S)
            except queue.Empty:
                if self._stop.is_set():
                    break
                continue
            if message is None:
                self._ended = True
                break
            if not batch:
                deadline = time.monotonic() + BATCH_S
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
            tally = self._ingest.ingest_messages(batch, SOURCE)
        except (StoreError, NoModel) as error:
            if not self._away:
                logger.warning("Enregistrement suspendu, le simulateur attend : {}", error)
            self._away = True
            return False
        if self._away:
            logger.info("Enregistrement repris")
        self._away = False
        if tally.rejected:
            logger.warning(
                "{} lignes du simulateur refusées, gardées en lettres mortes", tally.rejected
            )
        return True


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="simulator_feed", description="Alimente la base d'événements par le simulateur."
    )
    parser.add_argument(
        "--rate", type=positive, default=5.0, help="mesures par seconde (défaut : 5)"
    )
    parser.add_argument(
        "--speed", type=positive, default=1.0, help="vitesse de l'horloge simulée (défaut : 1)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
