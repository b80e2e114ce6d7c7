"""A backlog in Kafka, stored by our consumer, and read by a bare one."""

import threading
import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from peers.event_stores import bare_postgres, contents, store_of

from cidp.assembly import assemble
from cidp.kafka_consumer import StreamConsumer
from cidp.settings import KafkaSettings, ModelSettings, Settings, StoreSettings

__all__ = ["bare_postgres", "contents", "ours", "read_alone"]


class _Timed(StreamConsumer):
    """Notes when it gets its partitions."""

    began_s = 0.0

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        super()._assigned(consumer, partitions)
        self.began_s = time.perf_counter()


def _settings(servers: str, topic: str, store: str, models: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(servers=servers, topic=topic, group=str(uuid.uuid4())),
        store=StoreSettings(url=store),
        model=ModelSettings(folder=Path(models)),
    )


def ours(servers: str, topic: str, store: str, models: str, events: int, **_: Any) -> float:
    """Give the seconds from the partitions to the last event stored."""
    parts = assemble(_settings(servers, topic, store, models))
    parts.model.refresh()
    stop = threading.Event()
    consumer = _Timed(parts, stop, "banc")
    thread = threading.Thread(target=consumer.run)
    thread.start()
    watched = store_of(store)
    while sum(watched.positions(topic).values()) < events:
        time.sleep(0.02)
    ended_s = time.perf_counter()
    stop.set()
    thread.join()
    return ended_s - consumer.began_s


def read_alone(servers: str, topic: str, events: int, size: int, **_: Any) -> float:
    """Give the seconds in which the same client hands over the messages."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": str(uuid.uuid4()),
            "fetch.queue.backoff.ms": 50,  # as the platform's: a full queue is filled again at once
        }
    )
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    first = consumer.consume(1, 30)
    began_s = time.perf_counter()
    read = len(first)
    while read < events:
        read += sum(record.value() is not None for record in consumer.consume(size, 1))
    seconds = time.perf_counter() - began_s
    consumer.close()
    return seconds
