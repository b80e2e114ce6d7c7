"""Private brokers for a test session, gone with it whatever happens to pytest."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kafka_server
import mqtt_server
import pytest
from kafka_server import KafkaServer
from mqtt_server import MqttServer
from postgres import guarded


@contextmanager
def running_kafka() -> Iterator[KafkaServer]:
    """Run Kafka in a folder of its own; skip the test where it is not installed."""
    if (absent := kafka_server.why_absent()) is not None:
        pytest.skip(absent)
    folder = Path(tempfile.mkdtemp(prefix="camrail-kafka-"))
    with KafkaServer(folder) as server, guarded(server.pid, folder):
        try:
            yield server
        finally:
            server.kill()  # its parent alone can see it off


@contextmanager
def running_mosquitto() -> Iterator[MqttServer]:
    """Run Mosquitto in a folder of its own; skip the test where it is not installed."""
    if (absent := mqtt_server.why_absent()) is not None:
        pytest.skip(absent)
    folder = Path(tempfile.mkdtemp(prefix="camrail-mosquitto-"))
    with MqttServer(folder) as server, guarded(server.pid, folder):
        try:
            yield server
        finally:
            server.stop()
