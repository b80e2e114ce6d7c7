"""Telemetry from Kafka, stored in micro-batches that are counted once.

Positions are written in the transaction of the batch, then committed to Kafka once the dead letters
are in their topic. A partition is read from the lower of the two, so that a database restored from
a backup, a topic made anew or a consumer killed in between lose nothing: what comes twice is known.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as Record
from loguru import logger

from cidp.assembly import Parts, assemble
from cidp.cli import FrenchParser
from cidp.errors import CidpError, NoModel, StoreError, StreamError
from cidp.event_batch import DeadLetter, Door, Message, StreamPosition
from cidp.feeds import Feeder, add_reason
from cidp.ingest import Prepared, Tally
from cidp.kafka_client import DOOR_HEADER, client_options, make_topics, said
from cidp.letter_topic import LetterTopic
from cidp.outage_log import OutageLog
from cidp.program import run_until_stopped
from cidp.settings import Settings

RETRY_S = 1.0
PATIENCE_S = 5.0
"""Time after which a store that is slow is treated as one that is away."""
SUMMARY_S = 60.0
ANSWER_S = 2.0
STARTS_S = 120.0
"""How long positions are waited for: less than the five minutes after which the group moves on."""
_BROUGHT: dict[str, Door] = {"mqtt": "mqtt", "simulator": "simulator"}
"""Doors that a record may name as its own."""

Brought = dict[Door, list[Message]]
Kept = tuple[Tally, Sequence[DeadLetter]]


def main(argv: Sequence[str] | None = None) -> int:
    """Store what Kafka brings until asked to stop; return the exit code."""
    chosen = _parser().parse_args(argv)
    return run_until_stopped(
        "kafka_consumer",
        lambda settings, stop: run(settings, stop, chosen.reason, chosen.instance),
    )


def run(
    settings: Settings, stop: threading.Event, reason: str, instance: str | None = None
) -> None:
    """Store what Kafka brings until `stop` is set; raises `SettingsError`, `StreamError`."""
    client_options(settings)
    parts = assemble(settings)
    parts.model.start()
    try:
        make_topics(settings)
        StreamConsumer(parts, stop, reason, instance).run()
    finally:
        parts.model.stop()
        parts.store.close()


class _InHand(NamedTuple):
    """A micro-batch that is being stored, and the next offset of each of its partitions."""

    prepared: Sequence[Prepared]
    positions: Sequence[StreamPosition]
    stored: Future[list[Kept]]


class StreamConsumer:
    """Reads, checks and scores one micro-batch while the one before it is stored.

    While the store or the model is away the partitions are paused: the group keeps its members, and
    nothing more is read than the batch in hand. A consumer with the name of an `instance` that was
    killed takes its place at once; one without a name waits until the group has missed the other.
    """

    def __init__(
        self, parts: Parts, stop: threading.Event, reason: str, instance: str | None = None
    ) -> None:
        settings = parts.settings
        self._kafka = settings.kafka
        self._parts = parts
        self._stop = stop
        self._consumer = Consumer(
            client_options(settings)
            | {
                "group.id": self._kafka.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 1_000,
                "partition.assignment.strategy": "cooperative-sticky",
                "queued.max.messages.kbytes": 32_768,
                "fetch.wait.max.ms": 50,
                # A full queue is filled again at once: a second's pause empties it.
                "fetch.queue.backoff.ms": 50,
                "error_cb": self._say_error,
                "on_commit": self._heard_of_commit,
            }
            | ({"group.instance.id": instance} if instance else {})
        )
        self._letters = LetterTopic(settings, stop)
        self._writer = ThreadPoolExecutor(1, "store")
        self._in_hand: _InHand | None = None
        self._away = False
        self._next: dict[int, int] = {}
        self._stored: dict[int, int] = {}
        self._commit_at_s = float("inf")
        self._feeder = Feeder(parts.store, "kafka", reason, parts.now)
        self._summary = _Summary()
        self._outage = OutageLog("Kafka")
        self._store_outage = OutageLog("Base d'événements")

    def run(self) -> None:
        """Store until a stop is asked for; raises `StreamError` when Kafka refuses for good."""
        topic = self._kafka.topic
        self._consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        logger.info("Kafka {} : lecture de {}", self._kafka.servers, topic)
        try:
            with _refusals():
                while not self._stop.is_set():
                    self._step()
                self._settle_for(PATIENCE_S)
        finally:
            self._feeder.end()
            self._leave()
            self._writer.shutdown()
            self._summary.say(self._lag())

    def _leave(self) -> None:
        """Leave the group; one that cannot be told, as Kafka is away, will miss this consumer."""
        # With a backlog in hand and no broker, close() may wait for ever.
        leaving = threading.Thread(target=self._consumer.close, name="leave", daemon=True)
        leaving.start()
        leaving.join(2 * PATIENCE_S)

    def _step(self) -> None:
        records = self._consumer.consume(self._kafka.batch_events, self._kafka.batch_s)
        brought = _by_door(record for record in records if self._is_message(record))
        if brought:
            prepared = self._prepare(brought)
            self._settle()
            if prepared:
                positions = self._positions_after(brought)
                self._in_hand = _InHand(prepared, positions, self._start(prepared, positions))
        elif self._in_hand and self._in_hand.stored.done():
            self._settle()
        if time.monotonic() > self._commit_at_s:
            self._commit()
        self._feeder.tell(self._lag, alive=self._kafka_answers)
        self._summary.say_sometimes(self._lag)

    def _is_message(self, record: Record) -> bool:
        error = record.error()
        if error is not None:
            self._say_error(error)
        return error is None

    def _prepare(self, brought: Brought) -> list[Prepared]:
        """Check and score, door by door; waits for a model, and gives nothing after a stop."""
        while not self._stop.is_set():
            try:
                return [
                    self._parts.ingest.prepare(messages, door) for door, messages in brought.items()
                ]
            except NoModel as error:
                self._wait(error)
        return []

    def _start(
        self, prepared: Sequence[Prepared], positions: Sequence[StreamPosition]
    ) -> Future[list[Kept]]:
        """Have a batch stored; positions go with its last door, when all the rest is stored."""

        def store() -> list[Kept]:
            rest = [self._parts.ingest.store(each) for each in prepared[:-1]]
            return [*rest, self._parts.ingest.store(prepared[-1], positions)]

        return self._writer.submit(store)

    def _settle(self) -> None:
        """Wait until the batch in hand is stored, as long as it takes, then commit it."""
        while (batch := self._in_hand) is not None and not self._stop.is_set():
            try:
                self._settled(batch, batch.stored.result(PATIENCE_S))
            except TimeoutError:
                self._pause("la base tarde à répondre")
                self._keep_place()
            except StoreError as error:
                self._wait(error)
                again = self._start(batch.prepared, batch.positions)
                self._in_hand = batch._replace(stored=again)
        if self._away and not self._stop.is_set():
            self._away = False
            self._consumer.resume(self._consumer.assignment())
            logger.info("Enregistrement repris")

    def _settle_for(self, seconds: float) -> None:
        """Commit the batch in hand if it is stored in time; else it will be read again."""
        if self._in_hand is not None:
            try:
                stored = self._in_hand.stored.result(seconds)
            except (TimeoutError, StoreError):
                return
            self._settled(self._in_hand, stored, wait=True)

    def _settled(self, batch: _InHand, stored: Sequence[Kept], *, wait: bool = False) -> None:
        self._in_hand = None
        for tally, letters in stored:
            self._summary.add(tally)
            if not self._letters.send(letters):
                return  # asked to stop first: these letters are read again
        # Inside a callback of Kafka's nothing may be consumed, nor waited for without end.
        told = self._letters.delivered(PATIENCE_S) if wait else self._letters.delivered()
        while not told:
            if wait or self._stop.is_set():
                return
            self._keep_place()
            told = self._letters.delivered()
        ours = (each for each in batch.positions if each.partition in self._next)
        self._stored |= {each.partition: each.next_offset for each in ours}
        self._commit(wait=wait)

    def _commit(self, *, wait: bool = False) -> None:
        """Tell Kafka what is stored of the partitions that were not lost meanwhile."""
        self._commit_at_s = float("inf")
        places = [TopicPartition(self._kafka.topic, *place) for place in self._stored.items()]
        try:
            if places and wait:
                self._consumer.commit(offsets=places, asynchronous=False)
            elif places:
                self._consumer.commit(offsets=places)
        except KafkaException as error:  # out of the group: positions are in the store anyway
            logger.info("Positions non validées auprès de Kafka : {}", said(error))

    def _heard_of_commit(self, error: KafkaError | None, _places: list[TopicPartition]) -> None:
        """Commit again what was refused, as it is during a rebalance: nothing more may come."""
        if error is not None:
            if error.code() in _FOR_GOOD:
                raise StreamError(f"Kafka refuse : {error.str()}")
            logger.info("Positions non validées auprès de Kafka : {}", error.str())
            self._commit_at_s = time.monotonic() + RETRY_S

    def _wait(self, error: CidpError) -> None:
        """Pause before another try, and stay in the group meanwhile."""
        self._pause(error)
        until_s = time.monotonic() + RETRY_S
        while time.monotonic() < until_s and not self._stop.is_set():
            self._keep_place()

    def _pause(self, reason: object) -> None:
        if not self._away:
            self._away = True
            self._consumer.pause(self._consumer.assignment())
            logger.warning("Enregistrement suspendu, Kafka garde les messages : {}", reason)

    def _keep_place(self) -> None:
        """Let the group and the store see that this consumer lives; what is read is put back."""
        self._feeder.tell(self._lag, alive=self._kafka_answers)
        for record in self._consumer.consume(1, 0.1):
            if self._is_message(record):
                self._consumer.seek(TopicPartition(*_place(record)))

    def _positions_after(self, brought: Brought) -> list[StreamPosition]:
        after: dict[int, int] = {}
        for message in chain.from_iterable(brought.values()):
            partition = message.partition or 0
            after[partition] = max(after.get(partition, 0), message.position + 1)
        # A rebalance may have taken a partition meanwhile: it is no longer ours to count.
        self._next |= {partition: at for partition, at in after.items() if partition in self._next}
        return [StreamPosition(self._kafka.topic, *position) for position in sorted(after.items())]

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        starts = self._starts(consumer, partitions)
        consumer.incremental_assign(starts)
        if self._away:
            consumer.pause(starts)
        if partitions:
            logger.info("Partitions reçues : {}", [each.partition for each in partitions])

    def _starts(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Give each partition the offset to begin at; waits for the store and for Kafka.

        Raises `StreamError` before the group would miss this consumer, which is then started again.
        """
        until_s = time.monotonic() + STARTS_S
        while partitions and not self._stop.is_set():
            try:
                known = self._parts.store.positions(self._kafka.topic)
                committed = consumer.committed(partitions, PATIENCE_S)
            except (StoreError, KafkaException) as error:
                if time.monotonic() > until_s:
                    raise StreamError(f"Positions inconnues : {said(error)}") from error
                away = self._outage if isinstance(error, KafkaException) else self._store_outage
                away.gone(f"positions inconnues pour l'instant ({said(error)})")
                self._stop.wait(RETRY_S)
                continue
            self._store_outage.back()
            starts = [
                TopicPartition(each.topic, each.partition, _start_of(each, known))
                for each in committed
            ]
            self._next |= {each.partition: max(0, each.offset) for each in starts}
            return starts
        return partitions

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._settle_for(PATIENCE_S)
        self._lost(_consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._next.pop(each.partition, None)
            self._stored.pop(each.partition, None)
        if partitions:
            logger.info("Partitions rendues : {}", [each.partition for each in partitions])

    def _lag(self) -> int | None:
        """Count what waits in this consumer's partitions, where Kafka has told their ends."""
        waiting: int | None = None
        for partition, position in self._next.items():
            place = TopicPartition(self._kafka.topic, partition)
            try:
                _, end = self._consumer.get_watermark_offsets(place, cached=True)
            except (KafkaException, RuntimeError):
                continue
            if end >= 0:
                waiting = (waiting or 0) + max(0, end - position)
        return waiting

    def _kafka_answers(self) -> bool:
        try:
            self._consumer.list_topics(self._kafka.topic, ANSWER_S)
        except KafkaException as error:
            self._outage.gone(said(error))
            return False
        self._outage.back()
        return True

    def _say_error(self, error: KafkaError) -> None:
        """Say an error, not each one; librdkafka tries again by itself what is not fatal."""
        if error.fatal() or error.code() in _FOR_GOOD:
            raise StreamError(f"Kafka refuse : {error.str()}")
        self._outage.gone(error.str())


_FOR_GOOD = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
)


class _Summary:
    """One line a minute of what became of the messages."""

    def __init__(self) -> None:
        self._counts = [0, 0, 0, 0]
        self._at_s = time.monotonic()

    def add(self, tally: Tally) -> None:
        self._counts = [a + b for a, b in zip(self._counts, tally, strict=True)]

    def say_sometimes(self, lag: Any) -> None:
        if time.monotonic() > self._at_s + SUMMARY_S:
            self.say(lag())

    def say(self, lag: int | None) -> None:
        if any(self._counts):
            logger.info(
                "{} événements enregistrés, {} doublons, {} conflits, {} refusés ; retard {}",
                *self._counts,
                "inconnu" if lag is None else lag,
            )
        self._counts = [0, 0, 0, 0]
        self._at_s = time.monotonic()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise StreamError(f"Kafka refuse : {said(error)}") from error


def _start_of(committed: TopicPartition, known: dict[int, int]) -> int:
    """Return where to begin: what only one side has passed is read again."""
    stored = known.get(committed.partition)
    if stored is None or committed.offset < 0:
        return OFFSET_BEGINNING
    return min(stored, committed.offset)


def _place(record: Record) -> tuple[str, int, int]:
    topic, partition, offset = record.topic(), record.partition(), record.offset()
    if topic is None or partition is None or offset is None:
        raise StreamError("Kafka a livré un message sans position.")
    return topic, partition, offset


def _text(raw: str | bytes | None) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""


def _by_door(records: Iterable[Record]) -> Brought:
    """Read where each record stood and what it may lack; its key binds what came by MQTT."""
    brought: Brought = {}
    for record in records:
        topic, partition, offset = _place(record)
        headers = record.headers()
        door = _BROUGHT.get(_text(dict(headers).get(DOOR_HEADER))) if headers else None
        sender = _text(record.key()) if door == "mqtt" else None
        kind, millis = record.timestamp()
        dated = door != "mqtt" and kind != TIMESTAMP_NOT_AVAILABLE
        micros = millis * 1000 if dated else None
        message = Message(offset, record.value(), topic, partition, micros, sender)
        brought.setdefault(door or "kafka", []).append(message)
    return brought


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="kafka_consumer", description="Enregistre la télémétrie que Kafka apporte."
    )
    add_reason(parser)
    parser.add_argument(
        "--instance",
        metavar="NOM",
        help="nom stable de ce consommateur : relancé, il reprend aussitôt ses partitions",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
