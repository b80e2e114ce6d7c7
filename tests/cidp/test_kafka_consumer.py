"""What Kafka brings is stored once, whatever stops on the way."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka_topics import committed, consuming, count, everything_in, produce, reading, table
from waiting import until

from cidp import kafka_consumer
from cidp.assembly import Parts
from cidp.errors import SettingsError
from cidp.event_store import MAX_PAYLOAD_BYTES
from cidp.feeds import running_feeds
from cidp.kafka_client import client_options, make_topics
from cidp.kafka_consumer import StreamConsumer
from cidp.settings import KafkaSettings, Settings

pytestmark = pytest.mark.kafka
LARGE = {"compression.type": "lz4", "message.max.bytes": 10_000_000}


def test_events_are_stored_once_and_bad_messages_say_why_and_where(
    fed: Parts, kafka: KafkaSettings
) -> None:
    produce(kafka, *(reading(n, f"L{n % 5}") for n in range(50)), key="k")
    bad = [b"not json", b"[]", None, b"\xff", reading(0, pressure=99), reading(1, pressure="5")]
    bad += [reading(0, "L0", vibration=3.0)]
    produce(kafka, *bad, key="k")
    produce(kafka, reading(0, "L0"), reading(1, "L1", timestamp=None), key="k")
    with consuming(fed):
        until(lambda: count(fed) == 51 and committed(kafka) == 59)
        (feed,) = until(lambda: running_feeds(fed.store, fed.now()))
        assert (feed.door, feed.reason) == ("kafka", "demandé")
    dead = table(fed, "SELECT position, reason, payload FROM dead_letters ORDER BY position")
    assert [position for position, _, _ in dead] == list(range(50, 57))
    assert "conflit" in dead[-1][1]
    assert sum(fed.store.positions(kafka.topic).values()) == committed(kafka)
    stamped = table(fed, "SELECT timestamp FROM readings WHERE timestamp LIKE '%T11:59:00%'")
    assert stamped == [("2026-03-01T11:59:00.000000Z",)]
    told = everything_in(kafka, kafka.dead_letter_topic, 7)
    assert [letter.value() or b"" for letter in told] == [payload for _, _, payload in dead]
    headers = dict(told[0].headers() or [])
    assert headers["topic"] == kafka.topic.encode()
    assert headers["offset"] == b"50"
    assert headers["reason"] == b"body : JSON invalide"
    assert running_feeds(fed.store, fed.now()) == []


def test_what_came_by_mqtt_or_from_the_simulator_counts_as_such(
    fed: Parts, kafka: KafkaSettings
) -> None:
    produce(kafka, reading(1, "L1"), reading(2, "L2"), key="L1", door="mqtt")
    produce(kafka, reading(3, "L1", timestamp=None), key="L1", door="mqtt")
    produce(kafka, reading(4), door="simulator")
    produce(kafka, reading(5), door="http")
    with consuming(fed):
        until(lambda: committed(kafka) == 5)
    sources = table(fed, "SELECT source, count(*) FROM readings GROUP BY source ORDER BY source")
    assert sources == [("kafka", 1), ("mqtt", 1), ("simulator", 1)]
    reasons = [reason for (reason,) in table(fed, "SELECT reason FROM dead_letters ORDER BY id")]
    assert reasons == [
        "loco_id : l'expéditeur ne peut parler que de L1",
        "timestamp : champ obligatoire absent",
    ]


def test_a_message_too_large_for_the_letters_is_cut_and_the_topic_goes_on(
    fed: Parts, kafka: KafkaSettings
) -> None:
    large = Producer({"bootstrap.servers": kafka.servers, "log_level": 0} | LARGE)
    large.produce(kafka.topic, b"[" + b" " * 5_000_000 + b"]", "k")
    assert large.flush(120) == 0
    produce(kafka, reading(0), key="k")
    with consuming(fed):
        until(lambda: committed(kafka) == 2)
    assert count(fed) == 1
    assert table(fed, "SELECT payload_bytes FROM dead_letters") == [(5_000_002,)]
    (letter,) = everything_in(kafka, kafka.dead_letter_topic, 1)
    assert len(letter.value() or b"") == MAX_PAYLOAD_BYTES
    assert dict(letter.headers() or [])["bytes"] == b"5000002"


def test_a_locked_store_pauses_and_nothing_is_lost(
    fed: Parts, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_consumer, "RETRY_S", 0.1)
    waits: list[object] = []
    monkeypatch.setattr(
        StreamConsumer,
        "_wait",
        lambda self, error, wait=StreamConsumer._wait: (waits.append(error), wait(self, error)),
    )
    with consuming(fed):
        produce(kafka, reading(0))
        until(lambda: count(fed) == 1)
        other = sqlite3.connect(fed.settings.store.address.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        produce(kafka, *(reading(n, f"L{n % 7}") for n in range(1, 400)))
        until(lambda: len(waits) > 2)
        other.execute("ROLLBACK")
        other.close()
        until(lambda: count(fed) == 400 and committed(kafka) == 400)
    assert sum(fed.store.positions(kafka.topic).values()) == 400


def test_a_restored_database_gets_again_what_it_lacks(fed: Parts, kafka: KafkaSettings) -> None:
    with consuming(fed):
        produce(kafka, *(reading(n) for n in range(10)))
        until(lambda: committed(kafka) == 10)
    with fed.store.session() as session:  # as a backup taken after the fourth message has it
        session.run("DELETE FROM readings WHERE timestamp >= :at", at="2026-03-01T11:00:04")
        session.run("UPDATE stream_positions SET next_offset = 4 WHERE next_offset = 10")
    with consuming(fed):
        until(lambda: count(fed) == 10)


def test_a_topic_made_anew_is_read_from_its_beginning(
    fed: Parts, on_kafka: Settings, kafka: KafkaSettings
) -> None:
    with consuming(fed):
        produce(kafka, *(reading(n) for n in range(10)))
        until(lambda: committed(kafka) == 10)
    admin = AdminClient(client_options(on_kafka))
    admin.delete_topics([kafka.topic])[kafka.topic].result(120)
    until(lambda: kafka.topic not in admin.list_topics(timeout=120).topics)
    make_topics(on_kafka)
    produce(kafka, *(reading(n) for n in range(10, 25)))
    with consuming(fed):
        until(lambda: count(fed) == 25)


def test_consumers_share_the_partitions_and_store_each_event_once(
    fed: Parts, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[list[int]] = []
    assigned = StreamConsumer._assigned

    def noted(ours: StreamConsumer, consumer: Consumer, places: list[TopicPartition]) -> None:
        shares.append([place.partition for place in places])
        assigned(ours, consumer, places)

    monkeypatch.setattr(StreamConsumer, "_assigned", noted)
    with consuming(fed):
        until(lambda: any(shares))
        for start in (0, 500):
            produce(kafka, *(reading(n, "L1") for n in range(start, start + 250)), key="a")
            produce(kafka, *(reading(n, "L2") for n in range(start, start + 250)), key="c")
            before = len(shares)
            with consuming(fed):
                until(lambda before=before: any(shares[before:]))
        until(lambda: count(fed) == 1000 and committed(kafka) == 1000)
    assert table(fed, "SELECT count(*) FROM dead_letters") == [(0,)]


def test_positions_that_a_rebalance_refuses_are_committed_though_nothing_more_comes(
    fed: Parts, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(Consumer):
        """Has its first commit refused."""

        def __init__(self, options: dict[str, Any]) -> None:
            super().__init__(options)
            self.heard_of_commit = options["on_commit"]
            self.refusals = [KafkaError(KafkaError.REBALANCE_IN_PROGRESS)]

        def commit(self, **options: Any) -> Any:
            if self.refusals:
                return self.heard_of_commit(self.refusals.pop(), options["offsets"])
            return super().commit(**options)

    monkeypatch.setattr(kafka_consumer, "Consumer", Refused)
    with consuming(fed):
        produce(kafka, *(reading(n) for n in range(10)))
        until(lambda: count(fed) == 10)
        until(lambda: committed(kafka) == 10)


def test_without_a_server_the_setting_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = settings.model_copy(update={"kafka": KafkaSettings()})
    with pytest.raises(SettingsError, match="CAMRAIL_KAFKA"):
        kafka_consumer.run(nowhere, threading.Event(), "demandé")
    monkeypatch.delenv("CAMRAIL_KAFKA", raising=False)
    monkeypatch.setenv("CAMRAIL_LOGS_DIR", str(tmp_path))
    assert kafka_consumer.main([]) == 1
