"""The topic of dead letters, which tells other programs what the store keeps as well."""

import threading
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Record
from loguru import logger

from cidp.event_batch import DeadLetter
from cidp.event_store import MAX_PAYLOAD_BYTES
from cidp.kafka_client import produce, producer_options, said
from cidp.settings import Settings

DELIVERY_S = 1.0


class LetterTopic:
    """The topic of dead letters, where each one's headers say why and from where."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._topic = settings.kafka.dead_letter_topic
        self._producer = Producer(producer_options(settings))
        self._stop = stop

    def send(self, letters: Sequence[DeadLetter]) -> bool:
        """Hand letters over, cut as the store cuts them; False when asked to stop before."""
        for message, reason in letters:
            payload = message.payload or b""
            headers: list[tuple[str, str | bytes | None]] = [
                ("reason", reason),
                ("topic", message.topic),
                ("partition", str(message.partition)),
                ("offset", str(message.position)),
                ("bytes", str(len(payload))),
            ]
            kept = None if message.payload is None else payload[:MAX_PAYLOAD_BYTES]
            more = {"headers": headers, "on_delivery": self._say}
            try:
                if not produce(self._producer, self._stop, self._topic, kept, **more):
                    return False
            except KafkaException as error:
                self._say_absent(said(error))
        return True

    def delivered(self, seconds: float = DELIVERY_S) -> bool:
        """Wait until Kafka has them all, so many seconds at most."""
        return not (len(self._producer) and self._producer.flush(seconds))

    def _say(self, error: KafkaError | None, _record: Record) -> None:
        if error is not None:
            self._say_absent(error.str())

    def _say_absent(self, why: str) -> None:
        logger.error("Lettre morte absente du topic {}, gardée en base : {}", self._topic, why)
