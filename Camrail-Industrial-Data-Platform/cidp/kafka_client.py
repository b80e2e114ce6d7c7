"""How Kafka is spoken to: the settings of its clients, its topics, and whether it answers."""

import threading
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from loguru import logger

from cidp.errors import SettingsError, StreamError
from cidp.settings import KAFKA_PASSWORD, Settings

DOOR_HEADER = "camrail-door"
"""Header of a record that came to Kafka from elsewhere: the door by which its event counts."""
ADMIN_S = 10.0
ROOM_S = 0.2


def client_options(settings: Settings) -> dict[str, Any]:
    """Return what every client of librdkafka is given; raises `SettingsError` without a server."""
    kafka = settings.kafka
    if not kafka.servers.strip():
        raise SettingsError(
            "Kafka n'est pas réglé : posez CAMRAIL_KAFKA=hôte:9092 (ou kafka.servers)."
        )
    options: dict[str, Any] = {
        "bootstrap.servers": kafka.servers,
        "client.id": "camrail-cidp",
        "security.protocol": kafka.security,
        "log_level": 2,  # what matters comes by error callbacks
        "reconnect.backoff.max.ms": 2_000,
        "topic.metadata.refresh.interval.ms": 10_000,
    }
    if kafka.user:
        if not settings.secrets.get(KAFKA_PASSWORD):
            raise SettingsError(f"Kafka : le compte {kafka.user} demande {KAFKA_PASSWORD}.")
        options |= {
            "sasl.mechanism": kafka.mechanism,
            "sasl.username": kafka.user,
            "sasl.password": settings.secrets[KAFKA_PASSWORD],
        }
    if kafka.ca_file:
        options["ssl.ca.location"] = str(kafka.ca_file)
    return options


def producer_options(settings: Settings) -> dict[str, Any]:
    """Return the options of a producer that keeps trying, in order and without repeats."""
    return client_options(settings) | {
        "enable.idempotence": True,
        "message.timeout.ms": 0,
        "linger.ms": 5,
        "compression.type": "lz4",
    }


def produce(
    producer: Producer, stop: threading.Event, topic: str, payload: bytes | None, **more: Any
) -> bool:
    """Hand a message over, waiting for room; False when asked to stop before.

    `more` is what `Producer.produce` takes besides. Raises `KafkaException` for a message that is
    not taken.
    """
    while True:
        try:
            producer.produce(topic, payload, **more)
        except BufferError:
            if stop.is_set():
                return False
            producer.poll(ROOM_S)
        else:
            producer.poll(0)
            return True


def require_kafka(settings: Settings, timeout_s: float) -> None:
    """Raise `StreamError`, with what to do, unless a broker answers within `timeout_s`."""
    try:
        AdminClient(client_options(settings)).list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise StreamError(
            f"Kafka ne répond pas à {settings.kafka.servers} ({said(error)}) : démarrez-le, ou"
            " corrigez CAMRAIL_KAFKA, le compte et le certificat."
        ) from error


def kafka_answers(settings: Settings, timeout_s: float) -> bool:
    """Tell whether a broker answers within `timeout_s`."""
    try:
        require_kafka(settings, timeout_s)
    except StreamError:
        return False
    return True


def make_topics(settings: Settings) -> None:
    """Make the topics that are absent; where that is not allowed, somebody else made them."""
    kafka = settings.kafka
    wanted = {kafka.topic: kafka.partitions, kafka.dead_letter_topic: 1}
    admin = AdminClient(client_options(settings))
    try:
        present = admin.list_topics(timeout=ADMIN_S).topics
        absent = [NewTopic(name, count) for name, count in wanted.items() if name not in present]
        for name, made in (admin.create_topics(absent) if absent else {}).items():
            made.result(ADMIN_S)
            logger.info("Topic {} créé", name)
    except (KafkaException, TimeoutError) as error:
        logger.warning("Topics à créer par ailleurs, si ce n'est fait : {}", said(error))


def said(error: BaseException) -> str:
    """Return what a Kafka error says, without its address in memory."""
    first = error.args[0] if error.args else error
    return first.str() if hasattr(first, "str") else str(first)
