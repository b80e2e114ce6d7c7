"""Topics of a test's own on the session's Kafka: what is put in, what a consumer stores of it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import Message as Record
from kafka_server import KafkaServer

from cidp.assembly import Parts
from cidp.kafka_consumer import StreamConsumer
from cidp.settings import KafkaSettings

PATIENCE_S = 120.0
NOW_MS = round(datetime(2026, 3, 1, 11, 59, tzinfo=UTC).timestamp() * 1000)


def reading(second: int = 0, loco_id: str = "LOCO_001", **changes: Any) -> bytes:
    """Write an event of the minute before the tests' noon; None takes a field away."""
    event = {
        "loco_id": loco_id,
        "timestamp": f"2026-03-01T11:{second // 60 % 60:02}:{second % 60:02}Z",
        "flow_rate": 500.0,
        "pressure": 5.0,
        "vibration": 2.0,
        "temperature": 45.0,
    } | changes
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def topics_of(server: KafkaServer, name: str, **changes: Any) -> KafkaSettings:
    """Name topics and a group that no other test uses."""
    return KafkaSettings(
        servers=server.servers,
        topic=f"{name}.telemetry",
        dead_letter_topic=f"{name}.dead",
        group=name,
        **{"partitions": 2, **changes},
    )


def produce(
    kafka: KafkaSettings,
    *payloads: bytes | None,
    key: str = "LOCO_001",
    door: str | None = None,
    at_ms: int = NOW_MS,
) -> None:
    """Put messages into the topic, and wait until they are there."""
    producer = Producer({"bootstrap.servers": kafka.servers, "linger.ms": 5, "log_level": 0})
    for payload in payloads:
        producer.produce(
            kafka.topic,
            payload,
            key,
            headers=[("camrail-door", door)] if door else None,
            timestamp=at_ms,
        )
    assert producer.flush(PATIENCE_S) == 0


def everything_in(kafka: KafkaSettings, topic: str, count: int) -> list[Record]:
    """Wait for the first `count` messages of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.servers,
            "log_level": 0,
            "group.id": f"{topic}.reader",
            "auto.offset.reset": "earliest",
        }
    )
    partitions = consumer.list_topics(topic, PATIENCE_S).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    found: list[Record] = []
    while len(found) < count:
        more = consumer.consume(count - len(found), PATIENCE_S)
        assert more, f"{len(found)} of {count} messages"
        found += more
    consumer.close()
    return found


def committed(kafka: KafkaSettings) -> int:
    """Add up what the group has committed."""
    consumer = Consumer(
        {"bootstrap.servers": kafka.servers, "log_level": 0, "group.id": kafka.group}
    )
    places = [TopicPartition(kafka.topic, number) for number in range(kafka.partitions)]
    found = sum(max(0, place.offset) for place in consumer.committed(places, PATIENCE_S))
    consumer.close()
    return found


@contextmanager
def consuming(parts: Parts) -> Iterator[None]:
    """Run a consumer in a thread."""
    parts.model.refresh()
    stop = threading.Event()
    thread = threading.Thread(target=StreamConsumer(parts, stop, "demandé").run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def table(parts: Parts, query: str) -> list[tuple[Any, ...]]:
    """Read the store."""
    with parts.store.session(writes=False) as session:
        return session.rows(query)


def count(parts: Parts) -> int:
    """Count the readings that are stored."""
    return int(table(parts, "SELECT count(*) FROM readings")[0][0])
