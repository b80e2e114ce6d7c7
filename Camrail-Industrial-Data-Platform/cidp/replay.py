"""Readings of a CSV file or of the simulator, sent to Kafka at a chosen pace."""

import argparse
import csv
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Record
from loguru import logger

from cidp.auth import utc_now
from cidp.cli import FrenchParser, positive
from cidp.errors import ChildFailed, StreamError
from cidp.event_batch import Door
from cidp.event_store import utc_text
from cidp.kafka_client import (
    DOOR_HEADER,
    make_topics,
    produce,
    producer_options,
    require_kafka,
    said,
)
from cidp.orchestration import TAIL_LINES, end_program, follow_lines, start_program
from cidp.program import run_until_stopped
from cidp.settings import Settings
from cidp.simulator_feed import GENERATOR
from cidp.telemetry import READINGS, parse_instant

SIMULATOR = "simulator"
FIELDS = ("timestamp", "loco_id", *READINGS)
ANSWER_S = 5.0
FLUSH_S = 30.0


class Line(NamedTuple):
    """One message to send, and the instant that it speaks of, if it is readable."""

    loco_id: str
    payload: bytes
    instant: datetime | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Send everything, or until asked to stop; return the exit code."""
    chosen = _parser().parse_args(argv)

    def work(settings: Settings, stop: threading.Event) -> None:
        sent = run(settings, chosen, stop)
        logger.info("{} messages envoyés à {}", sent, settings.kafka.topic)

    return run_until_stopped("replay", work)


def run(settings: Settings, chosen: argparse.Namespace, stop: threading.Event) -> int:
    """Send what was chosen; return how many messages Kafka has.

    Raises `SettingsError`, `ChildFailed` without a simulator, `StreamError` for a file that cannot
    be read and when Kafka refuses.
    """
    require_kafka(settings, ANSWER_S)
    make_topics(settings)
    if chosen.source == SIMULATOR:
        lines = from_simulator(settings, chosen.rate or 5.0, chosen.speed or 1.0, stop)
        return send(settings, lines, stop, "simulator", lambda _number, _line: 0.0)
    # At their own speed instants keep their distances; at any other they are those of sending.
    start = utc_now() if chosen.now and chosen.speed else None
    clock = utc_now if chosen.now and not chosen.speed else None
    lines = from_csv(Path(chosen.source), start, clock)
    door: Door = "simulator" if chosen.simulated else "kafka"
    return send(settings, lines, stop, door, _pace(chosen.rate, chosen.speed))


def from_csv(
    path: Path, start: datetime | None, clock: Callable[[], datetime] | None = None
) -> Iterator[Line]:
    """Yield a file's rows as messages.

    With `start`, they are moved in time so that the first is then; with `clock`, each is stamped
    with the instant of its turn.

    What is no number is sent as it stands, for the consumer to refuse by name.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in FIELDS if name not in (rows.fieldnames or [])]
            if missing:
                raise StreamError(f"{path.name} : colonnes absentes {missing}.")
            shift = None
            for row in rows:
                instant = parse_instant(row["timestamp"] or "")
                if start and instant:
                    shift = start - instant if shift is None else shift
                    instant += shift
                if clock:
                    instant = clock()
                event = {name: _number(row[name]) for name in READINGS}
                stamp = utc_text(instant) if instant else row["timestamp"]
                named = {"loco_id": row["loco_id"], "timestamp": stamp} | event
                yield Line(row["loco_id"] or "", orjson.dumps(named), instant)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StreamError(f"{path.name} est illisible ({error}).") from error


def from_simulator(
    settings: Settings, rate: float, speed: float, stop: threading.Event
) -> Iterator[Line]:
    """Yield what the simulator says until `stop` is set; raises `ChildFailed`."""
    script = settings.pmd.folder / GENERATOR
    child = start_program(script, ["--stream", "--rate", str(rate), "--speed", str(speed)])
    said_last: deque[str] = deque(maxlen=TAIL_LINES)
    errors = threading.Thread(
        target=follow_lines, args=(child.stderr, said_last, lambda line: None)
    )
    errors.start()
    try:
        for raw in child.stdout or ():
            if stop.is_set():
                return
            yield Line(str(orjson.loads(raw)["loco_id"]), raw.rstrip())
    except (ValueError, TypeError, KeyError) as error:
        raise ChildFailed("Le simulateur a écrit une ligne illisible.") from error
    finally:
        code = end_program(child)
        errors.join()
        if child.stdout:
            child.stdout.close()
    if not stop.is_set():
        raise ChildFailed(f"Le simulateur s'est arrêté (code {code}) : {' | '.join(said_last)}")


def send(
    settings: Settings,
    lines: Iterator[Line],
    stop: threading.Event,
    door: Door,
    due_s: Callable[[int, Line], float],
) -> int:
    """Send `lines`, each `due_s` seconds after the first; return how many Kafka has.

    Raises `StreamError` when some could not be delivered.
    """
    producer = Producer(producer_options(settings))
    headers: list[tuple[str, str | bytes | None]] = [(DOOR_HEADER, door)]
    refused: list[str] = []

    def delivered(error: KafkaError | None, _record: Record) -> None:
        if error is not None:
            refused.append(error.str())

    began_s = time.monotonic()
    sent = 0
    try:
        for line in lines:
            due = began_s + due_s(sent, line)
            while (left_s := due - time.monotonic()) > 0 and not stop.is_set():
                producer.poll(min(left_s, 0.2))
            more = {"key": line.loco_id, "headers": headers, "on_delivery": delivered}
            if stop.is_set() or refused:
                break
            if not produce(producer, stop, settings.kafka.topic, line.payload, **more):
                break
            sent += 1
    except KafkaException as error:
        refused.append(said(error))
    finally:
        left = producer.flush(FLUSH_S)
    if refused or left:
        why = refused[0] if refused else "Kafka ne répond pas"
        raise StreamError(f"{len(refused) + left} messages sur {sent} non remis : {why}.")
    return sent


def _number(text: str | None) -> float | str | None:
    try:
        return float(text or "")
    except ValueError:
        return text


def _pace(rate: float | None, speed: float | None) -> Callable[[int, Line], float]:
    """Return when each line is due, in seconds after the first one."""
    if rate:
        return lambda number, _line: number / rate
    first: list[datetime] = []

    def by_instant(_number: int, line: Line) -> float:
        if speed is None or line.instant is None:
            return 0.0
        if not first:
            first.append(line.instant)
        return (line.instant.astimezone(UTC) - first[0]).total_seconds() / speed

    return by_instant


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="replay", description="Envoie à Kafka les mesures d'un fichier ou du simulateur."
    )
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="FICHIER.csv|simulator",
        help="fichier CSV (timestamp, loco_id et les quatre mesures), ou le simulateur",
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=positive, help="mesures par seconde")
    pace.add_argument(
        "--speed", type=positive, help="vitesse par rapport aux instants du fichier (1 : la leur)"
    )
    parser.add_argument(
        "--now",
        action="store_true",
        help="date les mesures d'à présent : chacune à son envoi, ou la première avec --speed",
    )
    parser.add_argument(
        "--simulated", action="store_true", help="range les mesures du fichier avec les simulées"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
