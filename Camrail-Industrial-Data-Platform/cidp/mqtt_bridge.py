"""Telemetry from MQTT, handed to Kafka or stored directly, acknowledged only then.

The broker keeps the session: what was not acknowledged when this process, Kafka or the database
went away is delivered again.
"""

import argparse
import queue
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Record
from loguru import logger
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from cidp.assembly import Parts, assemble
from cidp.cli import FrenchParser
from cidp.errors import StreamError
from cidp.event_batch import Message
from cidp.event_store import MAX_PAYLOAD_BYTES
from cidp.feeds import Feeder, add_reason
from cidp.kafka_client import DOOR_HEADER, make_topics, produce, producer_options, said
from cidp.micro_batches import BatchWriter, Waiting
from cidp.mqtt_client import mqtt_address, persistent_client
from cidp.outage_log import OutageLog
from cidp.program import run_until_stopped
from cidp.settings import Settings

TOPICS = "camrail/+/telemetry"
POLL_S = 0.1
FLUSH_S = 5.0
PATIENCE_S = 5.0
"""Time that a connection may take before one says that nobody answers."""
BATCH_S = 0.005
WAITING = 10_000

Done = Callable[[], object]


def main(argv: Sequence[str] | None = None) -> int:
    """Bring over what MQTT delivers until asked to stop; return the exit code."""
    chosen = _parser().parse_args(argv)
    return run_until_stopped(
        "mqtt_bridge",
        lambda settings, stop: run(settings, stop, chosen.reason, direct=chosen.direct),
    )


def run(settings: Settings, stop: threading.Event, reason: str, *, direct: bool) -> None:
    """Bring over until `stop` is set; raises `SettingsError`, or `StreamError` once refused.

    Without Kafka in the settings, or when `direct`, events are stored here.
    """
    address = mqtt_address(settings)
    parts = assemble(settings)
    client = persistent_client(settings)  # refuses bad settings before any thread runs
    to_kafka = settings.kafka.servers and not direct
    way: Way = ToKafka(settings, stop) if to_kafka else Direct(parts, stop)
    feeder = Feeder(parts.store, "mqtt", reason, parts.now)
    bridge = Bridge(client, way)
    logger.info("MQTT {} : {} vers {}", address, TOPICS, way.name)
    try:
        bridge.run(stop, feeder)
    finally:
        way.close()
        bridge.close()
        feeder.end()
        parts.store.close()


class Way(ABC):
    """Where messages go from here; `done` is called once the message is safe there."""

    name: str

    @abstractmethod
    def send(self, topic: str, payload: bytes, done: Done) -> None:
        """Take a message; blocks while too many are under way."""

    @abstractmethod
    def wait(self) -> None:
        """Let what is under way proceed for a moment."""

    @abstractmethod
    def close(self) -> None:
        """Finish what is under way, within seconds."""


class ToKafka(Way):
    """To the telemetry's topic, by locomotive, marked as having come by MQTT."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        make_topics(settings)
        self._stop = stop
        self.name = f"Kafka {settings.kafka.servers}"
        self._topic = settings.kafka.topic
        self._outage = OutageLog("Kafka")
        self._producer = Producer(producer_options(settings) | {"error_cb": self._say})
        self._refused: str | None = None

    def _say(self, error: KafkaError) -> None:
        self._outage.gone(error.str())

    def send(self, topic: str, payload: bytes, done: Done) -> None:
        def delivered(error: KafkaError | None, _record: Record) -> None:
            if error is None:
                self._outage.back()
                done()
            else:
                self._refused = error.str()

        try:
            produce(
                self._producer,
                self._stop,
                self._topic,
                payload[:MAX_PAYLOAD_BYTES],  # what is longer is no event, even whole
                key=loco_of(topic),
                headers=[(DOOR_HEADER, "mqtt")],
                on_delivery=delivered,
            )
        except KafkaException as error:
            self._refused = said(error)

    def wait(self) -> None:
        self._producer.poll(POLL_S)
        if self._refused:
            raise StreamError(f"Kafka refuse : {self._refused}")

    def close(self) -> None:
        self._producer.flush(FLUSH_S)


class Direct(Way):
    """To the ingest handler of this process, in micro-batches."""

    name = "la base d'événements"

    def __init__(self, parts: Parts, stop: threading.Event) -> None:
        self._parts = parts
        self._stop = stop
        self._waiting: Waiting = queue.Queue(WAITING)
        self._under_way: deque[Done] = deque()
        writer = BatchWriter(
            self._waiting, parts.ingest, stop, "mqtt", batch_s=BATCH_S, stored=self._finish
        )
        self._thread = threading.Thread(target=writer.run)
        parts.model.start()
        self._thread.start()

    def send(self, topic: str, payload: bytes, done: Done) -> None:
        # MQTT tells no position: the same message again, to the same topic, is the same letter.
        message = Message(0, payload, topic, 0, None, loco_of(topic))
        self._under_way.append(done)
        while not self._stop.is_set():
            try:
                return self._waiting.put(message, timeout=POLL_S)
            except queue.Full:
                continue

    def _finish(self, batch: Sequence[Message]) -> None:
        for _ in batch:
            self._under_way.popleft()()

    def wait(self) -> None:
        self._stop.wait(POLL_S)
        if not self._thread.is_alive() and not self._stop.is_set():
            raise StreamError("L'enregistrement s'est arrêté.")

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._parts.model.stop()


class Bridge:
    """Receives with QoS 1 and acknowledges what its way has taken to safety."""

    def __init__(self, client: Client, way: Way) -> None:
        self._client = client
        self._way = way
        self._connection = 0
        self._connected = False
        self._outage = OutageLog("MQTT")
        self._since_s = time.monotonic()
        self._refused: str | None = None
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def run(self, stop: threading.Event, feeder: Feeder) -> None:
        """Bring over until `stop` is set; raises `StreamError` when the broker refuses."""
        self._client.loop_start()
        while not stop.is_set():
            self._way.wait()
            feeder.tell(alive=lambda: self._connected)
            if self._connected:
                self._outage.back()  # paho's thread may have said so before it was noted
            elif time.monotonic() > self._since_s + PATIENCE_S:
                self._outage.gone("personne ne répond, nouvel essai sans fin")
            if self._refused:
                raise StreamError(f"MQTT refuse : {self._refused}")

    def close(self) -> None:
        """Leave; the broker keeps the session."""
        self._connected = False
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: Client, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            self._refused = str(reason)
            return
        self._connection += 1
        self._connected = True
        if not self._outage.back():
            logger.info("MQTT répond")
        client.subscribe(TOPICS, qos=1)

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if self._connected:
            self._since_s = time.monotonic()
            self._outage.gone(f"connexion rompue ({reason})")
        self._connected = False

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _more: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused = f"abonnement à {TOPICS}"

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        mid, qos, connection = message.mid, message.qos, self._connection

        def acknowledge() -> None:
            # After a new connection the number may be another message's; this one comes again.
            if connection == self._connection:
                client.ack(mid, qos)

        self._way.send(message.topic, bytes(message.payload), acknowledge)


def loco_of(topic: str) -> str:
    """Return the locomotive that a topic is of."""
    return topic.split("/")[1]


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="mqtt_bridge",
        description="Porte la télémétrie de MQTT à Kafka, ou à la base d'événements sans Kafka.",
    )
    parser.add_argument(
        "--direct", action="store_true", help="enregistre ici, même si Kafka est réglé"
    )
    add_reason(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
