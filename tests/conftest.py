"""What every test shares: property tests bounded by examples, and one private PostgreSQL server.

A time limit would make property tests fail on noisy machines.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from postgres import running_server
from postgres_server import PostgresServer

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server; skips where PostgreSQL is not installed."""
    with running_server() as server:
        yield server
