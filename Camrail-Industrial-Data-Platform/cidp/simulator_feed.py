"""The simulator's readings, handed to the ingest handler in micro-batches."""

import argparse
import queue
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO

from loguru import logger

from cidp.assembly import assemble
from cidp.cli import FrenchParser, positive
from cidp.errors import ChildFailed
from cidp.event_batch import Door, Message
from cidp.feeds import ASKED, Feeder, add_reason
from cidp.micro_batches import BatchWriter, Waiting
from cidp.orchestration import TAIL_LINES, end_program, follow_lines, start_program
from cidp.program import run_until_stopped
from cidp.settings import Settings

GENERATOR = "src/data_generator.py"
SOURCE: Door = "simulator"
POLL_S = 0.1
QUEUE_LINES = 10_000
MAX_LINE_BYTES = 65_536


def main(argv: Sequence[str] | None = None) -> int:
    """Feed the store until asked to stop; return the exit code."""
    flags = _parser().parse_args(argv)
    return run_until_stopped(
        "simulator_feed",
        lambda settings, stop: run(settings, flags.rate, flags.speed, stop, flags.reason),
    )


def run(
    settings: Settings, rate: float, speed: float, stop: threading.Event, reason: str = ASKED
) -> None:
    """Store what the simulator says until `stop` is set; raises `ChildFailed` if it ends first."""
    parts = assemble(settings)
    child = start_program(
        settings.pmd.folder / GENERATOR, ["--stream", "--rate", str(rate), "--speed", str(speed)]
    )
    lines: Waiting = queue.Queue(QUEUE_LINES)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    threads = [
        threading.Thread(target=read_lines, args=(child.stdout, lines, stop)),
        threading.Thread(target=follow_lines, args=(child.stderr, tail, lambda line: None)),
    ]
    for thread in threads:
        thread.start()
    parts.model.start()
    feeder = Feeder(parts.store, SOURCE, reason, parts.now)
    logger.info("Simulateur démarré : {:g} mesures par seconde", rate)
    try:
        BatchWriter(lines, parts.ingest, stop, SOURCE, feeder=feeder).run()
    finally:
        asked = stop.is_set()
        stop.set()
        code = end_program(child)
        for thread in threads:
            thread.join()
        feeder.end()
        parts.model.stop()
        parts.store.close()
    if not asked:
        log = " | ".join(tail) or "(vide)"
        raise ChildFailed(f"Le simulateur s'est arrêté (code {code}). Fin de son journal : {log}")


def read_lines(stream: IO[bytes], lines: Waiting, stop: threading.Event) -> None:
    """Queue each line of `stream` with its number from 0, then None.

    A full queue holds the simulator back. A line longer than `MAX_LINE_BYTES` arrives in pieces.
    """
    with stream:
        position = 0
        while (line := stream.readline(MAX_LINE_BYTES)) and not stop.is_set():
            _put(lines, Message(position, line), stop)
            position += 1
    _put(lines, None, stop)


def _put(lines: Waiting, item: Message | None, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            return lines.put(item, timeout=POLL_S)
        except queue.Full:
            continue


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
    add_reason(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
