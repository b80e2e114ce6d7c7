"""Nothing is lost and nothing doubled when parts of a stream go; docs/bench has the full counts."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import kafka_server
import mqtt_server
import pytest
from postgres_server import binaries
from small_disk import why_no_disk
from stream_cases import (
    bad_messages,
    killed_bridge,
    killed_consumer,
    on_full_disk,
    rebalanced,
    stopped,
    store_away,
)
from stream_desk import PATIENCE_S, Desk, desks
from tiny_bundle import write_bundle

from cidp.registry import Registry

pytestmark = [pytest.mark.kafka, pytest.mark.mosquitto, pytest.mark.postgresql]


@pytest.fixture(scope="module")
def desk_of() -> Iterator[Callable[[str], Desk]]:
    absent = kafka_server.why_absent() or mqtt_server.why_absent()
    if not (binaries() / "postgres").exists():
        absent = "no PostgreSQL"
    if absent:
        pytest.skip(absent)
    with tempfile.TemporaryDirectory(prefix="camrail-stream-") as text:
        folder = Path(text)
        models = folder / "models"
        Registry(models).promote(write_bundle(models / "instant"))
        with desks(folder, models) as made:
            yield made


def test_a_consumer_that_is_killed_again_and_again(desk_of: Callable[[str], Desk]) -> None:
    found = killed_consumer(desk_of("kills"), 5_000, 2, 1)
    assert found["holds"], str(found)


def test_consumers_that_come_and_go(desk_of: Callable[[str], Desk]) -> None:
    found = rebalanced(desk_of("rebalances"), 2_000, 3, 1)
    assert found["holds"], str(found)


def test_a_kafka_that_is_killed(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("kafka")
    found = stopped(desk, 2_000, desk.kafka.kill, desk.kafka.start, 3.0)
    assert found["holds"], str(found)


def test_a_consumer_that_is_asked_to_stop_while_kafka_is_away(
    desk_of: Callable[[str], Desk],
) -> None:
    desk = desk_of("farewell")
    desk.make_topics()
    desk.produce(0, 100_000)
    with desk.running("kafka_consumer") as consumer:
        desk.wait_for_rows(1)
        desk.kafka.kill()
        try:
            consumer.terminate()
            assert consumer.wait(PATIENCE_S) == 0
        finally:
            desk.kafka.start()


def test_a_database_that_is_stopped(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("database")
    found = store_away(
        desk, 3_000, lambda: desk.postgres.stop("immediate"), desk.postgres.start, 3.0, 200
    )
    assert found["holds"], str(found)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_disk_that_is_full(desk_of: Callable[[str], Desk], kind: str) -> None:
    if (absent := why_no_disk()) is not None:
        pytest.skip(absent)
    found = on_full_disk(desk_of(f"full_{kind}"), kind, 10_000, 3.0, 1_000)
    assert found["holds"], str(found)


def test_a_bridge_that_is_killed(desk_of: Callable[[str], Desk]) -> None:
    found = killed_bridge(desk_of("bridge"), 1_000, 2, 1, 1, restarts=1)
    assert found["holds"], str(found)


def test_bad_messages_that_are_corrected_and_replayed(
    desk_of: Callable[[str], Desk], tmp_path: Path
) -> None:
    found = bad_messages(desk_of("bad"), 200, 40, tmp_path)
    assert found["holds"], str(found)
