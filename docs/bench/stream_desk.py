"""Real Kafka, PostgreSQL and Mosquitto, and programs of the platform at work on them."""

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka_server import KafkaServer
from measuring import PLATFORM, environment
from mqtt_server import MqttServer
from postgres_server import PostgresServer

LOCOS: Final = 200
PATIENCE_S: Final = 240.0
STALE_AFTER_S: Final = 5
_COUNTED: Final = """
SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT loco_id, timestamp FROM readings) AS keys),
    (SELECT count(*) FROM dead_letters)
FROM readings
"""


class NotReached(Exception):
    """What was waited for did not come; the text says what was there instead."""


@dataclass
class Desk:
    """Servers that run, a folder, a registry with a promoted model, and a name for one case.

    The case has topics, a group and a schema of its own.
    """

    folder: Path
    models: Path
    kafka: KafkaServer
    postgres: PostgresServer
    mqtt: MqttServer
    name: str

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.postgres.execute(f'CREATE SCHEMA "{self.name}"')
        self.store = f"{self.postgres.url('postgres')}?options=-csearch_path%3D{self.name}"
        self.topic = f"{self.name}.telemetry"
        # An hour ago, to the second: each event has its own instant from there on.
        self.since = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        config = {
            "kafka": {
                "topic": self.topic,
                "dead_letter_topic": f"{self.name}.dead",
                "group": self.name,
            },
            "telemetry": {"stale_after_s": STALE_AFTER_S},
            "mqtt": {"client_id": f"{self.name}-bridge"},
        }
        self.config = self.folder / f"{self.name}.yaml"
        self.config.write_text(json.dumps(config), encoding="utf-8")
        (self.folder / f"{self.name}.log").touch()

    @property
    def environ(self) -> Mapping[str, str]:
        """What a program of the platform is given."""
        return environment() | {
            "CAMRAIL_CONFIG": str(self.config),
            "CAMRAIL_KAFKA": self.kafka.servers,
            "CAMRAIL_MQTT": self.mqtt.url,
            "CAMRAIL_EVENT_STORE": self.store,
            "CAMRAIL_MODELS_DIR": str(self.models),
            "CAMRAIL_LOGS_DIR": str(self.folder / "logs"),
        }

    def start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a program of the platform."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"cidp.{module}", *words],
                cwd=PLATFORM,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @contextmanager
    def running(self, module: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program of the platform until the block ends."""
        process = self.start(module, *words)
        try:
            yield process
        finally:
            end(process)

    def run(self, module: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the platform to its end."""
        return subprocess.run(
            [sys.executable, "-m", f"cidp.{module}", *words],
            cwd=PLATFORM,
            env=dict(self.environ),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def said(self, text: str) -> int:
        """Count the lines of this case's log that hold a text."""
        return (self.folder / f"{self.name}.log").read_text(encoding="utf-8").count(text)

    def event(self, number: int) -> dict[str, Any]:
        """Return the event of a number: its own instant of one of the locomotives."""
        instant = self.since + timedelta(milliseconds=10 * (number // LOCOS))
        return {
            "loco_id": f"LOCO_{number % LOCOS:03}",
            "timestamp": instant.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "flow_rate": 500.0 + number % 7,
            "pressure": 5.0,
            "vibration": 2.0 + number % 5 / 10,
            "temperature": 45.0,
        }

    def payload(self, number: int) -> bytes:
        """Write the event of a number as a producer does."""
        return json.dumps(self.event(number)).encode()

    def make_topics(self, partitions: int = 4) -> None:
        """Make the topic, before anybody reads from it."""
        admin = AdminClient({"bootstrap.servers": self.kafka.servers, "log_level": 0})
        for made in admin.create_topics([NewTopic(self.topic, partitions)]).values():
            made.result(30)

    def produce(self, first: int, count: int, rate: float | None = None) -> None:
        """Send `count` events, at `rate` a second if given, and wait until Kafka has them."""
        producer = Producer(
            {
                "bootstrap.servers": self.kafka.servers,
                "log_level": 0,
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        began_s = time.monotonic()
        for number in range(first, first + count):
            event = self.event(number)
            producer.produce(self.topic, json.dumps(event), event["loco_id"])
            if rate and number % 50 == 0:
                due_s = began_s + (number - first) / rate
                while (left_s := due_s - time.monotonic()) > 0:
                    producer.poll(left_s)  # which comes back as soon as something was delivered
            elif number % 1000 == 0:
                producer.poll(0)
        if producer.flush(PATIENCE_S):
            raise NotReached("Kafka did not take every event")

    @contextmanager
    def producing(self, count: int, rate: float | None, first: int = 0) -> Iterator[None]:
        """Send events while the block runs, and to the last one after it."""
        thread = threading.Thread(target=self.produce, args=(first, count, rate))
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def on_disk(self, folder: Path) -> None:
        """Have the tables of this case on the disk of `folder`, in a tablespace of its own."""
        self.postgres.tablespace(self.name, folder)
        self.store += f"%20-cdefault_tablespace%3D{self.name}"

    def off_disk(self) -> None:
        """Remove the tables of this case and their tablespace, before their disk goes."""
        self.postgres.execute(f'DROP SCHEMA "{self.name}" CASCADE')
        self.postgres.drop_tablespace(self.name)

    def on_sqlite(self, file: Path) -> None:
        """Have the tables of this case in a SQLite file."""
        self.store = str(file)

    def rows(self) -> tuple[int, int, int]:
        """Count the readings, the distinct ones, and the dead letters; -1 while nobody answers."""
        try:
            with self._connected() as connection:
                found = connection.execute(_COUNTED).fetchone()
        except (psycopg.Error, sqlite3.Error):
            return -1, -1, -1
        return tuple(found) if found else (-1, -1, -1)

    def _connected(self) -> AbstractContextManager[Any]:
        if "://" in self.store:
            return psycopg.connect(self.store, connect_timeout=2)
        return closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True))

    def wait_for_rows(self, count: int, seconds: float = PATIENCE_S) -> tuple[int, int, int]:
        """Wait until there are so many readings."""
        until(lambda: self.rows()[0] >= count, seconds, lambda: f"{self.rows()} of {count}")
        return self.rows()


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to stop, and kill it when it does not."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(
    reached: Callable[[], bool], seconds: float, told: Callable[[], str] = lambda: ""
) -> float:
    """Wait, and give the seconds that it took; raises `NotReached`."""
    began_s = time.monotonic()
    while not reached():
        if time.monotonic() - began_s > seconds:
            raise NotReached(told())
        time.sleep(0.1)
    return time.monotonic() - began_s


@contextmanager
def desks(folder: Path, models: Path) -> Iterator[Callable[[str], Desk]]:
    """Run the three servers; give a function that makes the desk of a case."""
    for name in ("kafka", "mqtt"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL runs as another user
    with (
        PostgresServer(folder / "postgres") as postgres,
        KafkaServer(folder / "kafka") as kafka,
        MqttServer(folder / "mqtt", inflight=1000) as mqtt,
    ):
        yield lambda name: Desk(folder / "desk", models, kafka, postgres, mqtt, name)
