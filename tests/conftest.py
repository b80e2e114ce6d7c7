"""What every test shares: property tests bounded by examples, and private servers, one of a kind.

A time limit would make property tests fail on noisy machines, and examples of the hour would make
one run fail where the next one passes: --hypothesis-profile=exploring looks for new ones.
"""

from collections.abc import Iterator

import pytest
from brokers import running_kafka, running_mosquitto
from hypothesis import HealthCheck, settings
from kafka_server import KafkaServer
from mqtt_server import MqttServer
from postgres import running_server
from postgres_server import PostgresServer

settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "unhurried", settings.get_profile("exploring"), derandomize=True, database=None
)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server; skips where PostgreSQL is not installed."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    """The session's Apache Kafka; skips where it is not installed."""
    with running_kafka() as server:
        yield server


@pytest.fixture(scope="session")
def mqtt_server() -> Iterator[MqttServer]:
    """The session's Mosquitto; skips where it is not installed."""
    with running_mosquitto() as server:
        yield server
