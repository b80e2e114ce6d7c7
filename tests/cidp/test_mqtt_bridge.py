"""What MQTT delivers is acknowledged once it is safe, in Kafka or in the store, and stored once."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from kafka_topics import committed, consuming, count, reading, table
from mqtt_server import MqttServer
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from waiting import until

from cidp import micro_batches, mqtt_bridge
from cidp.assembly import Parts
from cidp.errors import NoModel, SettingsError, StreamError
from cidp.event_batch import Message
from cidp.feeds import Feeder, running_feeds
from cidp.mqtt_bridge import Bridge, Direct, ToKafka, Way
from cidp.mqtt_client import MqttAddress, mqtt_answers, persistent_client
from cidp.settings import KafkaSettings, MqttSettings, Settings

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def settings(
    settings: Settings, mqtt_server: MqttServer, request: pytest.FixtureRequest
) -> Settings:
    """A session of this test's own, that the broker knows, and nothing left from other tests."""
    mqtt = MqttSettings(url=mqtt_server.url, client_id=request.node.name)
    ours = settings.model_copy(update={"mqtt": mqtt})
    client = persistent_client(ours)
    subscribed = threading.Event()
    client.on_connect = lambda *_: client.subscribe(mqtt_bridge.TOPICS, qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.loop_start()
    try:
        assert subscribed.wait(120)
    finally:
        client.disconnect()
        client.loop_stop()
    return ours


@contextmanager
def bridging(settings: Settings, way: Way, feeder: Feeder) -> Iterator[None]:
    stop = threading.Event()
    bridge = Bridge(persistent_client(settings), way)
    thread = threading.Thread(target=bridge.run, args=(stop, feeder))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(120)
        way.close()
        bridge.close()
    assert not thread.is_alive()


def publish(settings: Settings, *messages: tuple[str, bytes]) -> None:
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"{settings.mqtt.client_id}-sensors")
    address = MqttAddress.parse(settings.mqtt.url)
    client.connect(address.host, address.port)
    client.loop_start()
    for topic, payload in messages:
        client.publish(topic, payload, qos=1).wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def of(loco_id: str, second: int) -> tuple[str, bytes]:
    return f"camrail/{loco_id}/telemetry", reading(second, loco_id)


BAD = [
    ("camrail/L1/telemetry", reading(1, "L2")),
    ("camrail/L1/telemetry", reading(2, "L1", timestamp=None)),
    ("camrail/L1/telemetry", b"?"),
    ("camrail/L1/telemetry", b""),
    ("camrail//telemetry", reading(3, "L1")),
    ("camrail/L1/telemetry", b'{"loco_id": "' + b"x" * 100_000),
]


def test_without_kafka_events_are_stored_here_and_bad_messages_kept_once(
    settings: Settings, parts: Parts
) -> None:
    feeder = Feeder(parts.store, "mqtt", "demandé", parts.now)
    publish(settings, *(of("L1", n) for n in range(30)), *BAD)  # nobody listens yet
    with bridging(settings, Direct(parts, threading.Event()), feeder):
        publish(settings, *(of("L2", n) for n in range(30)), BAD[0])
        until(lambda: count(parts) == 60)
        until(lambda: table(parts, "SELECT count(*) FROM dead_letters")[0][0] == len(BAD))
        (feed,) = until(lambda: running_feeds(parts.store, parts.now()))
        assert feed.door == "mqtt"
    assert table(parts, "SELECT DISTINCT source FROM readings") == [("mqtt",)]
    letters = table(parts, "SELECT topic, reason, payload_bytes FROM dead_letters ORDER BY id")
    assert letters[0] == (
        BAD[0][0],
        "loco_id : l'expéditeur ne peut parler que de L1",
        len(BAD[0][1]),
    )
    assert letters[1][1] == "timestamp : champ obligatoire absent"
    assert letters[-1][2] == len(BAD[-1][1])


def test_what_was_not_stored_was_not_acknowledged(
    settings: Settings, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_S", 0.05)
    tried = threading.Event()

    def away(*_: object) -> None:
        tried.set()
        raise NoModel("pas encore")

    feeder = Feeder(parts.store, "mqtt", "demandé", parts.now)
    with monkeypatch.context() as patched:
        patched.setattr(parts.ingest, "prepare", away)
        with bridging(settings, Direct(parts, threading.Event()), feeder):
            publish(settings, *(of("L1", n) for n in range(50)))
            assert tried.wait(120)
    assert count(parts) == 0
    with bridging(settings, Direct(parts, threading.Event()), feeder):
        until(lambda: count(parts) == 50)


@pytest.mark.kafka
def test_through_kafka_events_keep_their_door_and_their_locomotive(
    on_kafka: Settings, fed: Parts, kafka: KafkaSettings
) -> None:
    feeder = Feeder(fed.store, "mqtt", "demandé", fed.now)
    publish(on_kafka, *(of(f"L{n % 3}", n) for n in range(90)), *BAD)
    with consuming(fed), bridging(on_kafka, ToKafka(on_kafka, threading.Event()), feeder):
        until(lambda: committed(kafka) == 90 + len(BAD))
    assert table(fed, "SELECT source, count(*) FROM readings GROUP BY source") == [("mqtt", 90)]
    reasons = [letter[0] for letter in table(fed, "SELECT reason FROM dead_letters ORDER BY id")]
    assert len(reasons) == len(BAD)
    assert "timestamp : champ obligatoire absent" in reasons
    with bridging(on_kafka, Direct(fed, threading.Event()), feeder):  # all was acknowledged
        publish(on_kafka, of("L9", 0))
        until(lambda: count(fed) == 91)


@pytest.mark.parametrize(
    "url", ["", "h:1883", "http://h", "mqtt://", "mqtt://h:port", "mqtt://u:secret@h"]
)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="CAMRAIL_MQTT_PASSWORD") as refused:
        MqttAddress.parse(url)
    assert "secret" not in str(refused.value)


def test_accounts_ports_and_tls_are_read_from_the_address(
    settings: Settings, tmp_path: Path
) -> None:
    assert MqttAddress.parse("mqtt://h") == ("h", 1883, False, None)
    assert MqttAddress.parse("mqtts://pont%40ab@h") == ("h", 8883, True, "pont@ab")
    assert mqtt_answers(settings, 120)
    nobody = settings.model_copy(update={"mqtt": MqttSettings(url="mqtts://u@127.0.0.1:9")})
    assert not mqtt_answers(nobody, 0.2)
    with pytest.raises(SettingsError, match="le compte u demande"):
        persistent_client(nobody)
    lost = MqttSettings(url="mqtts://h", ca_file=tmp_path / "ca.pem")
    with pytest.raises(StreamError, match="ca_file"):
        persistent_client(settings.model_copy(update={"mqtt": lost}))


def test_the_program_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CAMRAIL_MQTT", raising=False)
    monkeypatch.setenv("CAMRAIL_LOGS_DIR", str(tmp_path))
    assert mqtt_bridge.main([]) == 1
    assert "posez CAMRAIL_MQTT" in (tmp_path / "mqtt_bridge.log").read_text(encoding="utf-8")


def test_a_missing_password_is_refused_before_any_thread_runs(
    settings: Settings, mqtt_server: MqttServer
) -> None:
    url = mqtt_server.url.replace("mqtt://", "mqtt://u@")
    nobody = settings.model_copy(update={"mqtt": MqttSettings(url=url)})
    before = set(threading.enumerate())
    with pytest.raises(SettingsError, match="le compte u demande"):
        mqtt_bridge.run(nobody, threading.Event(), "demandé", direct=True)
    assert set(threading.enumerate()) <= before


def test_a_batch_waits_no_longer_than_it_may(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = 0.0
    monkeypatch.setattr(micro_batches, "POLL_S", 60.0)
    monkeypatch.setattr(micro_batches, "time", SimpleNamespace(monotonic=lambda: clock_s))
    parts.model.refresh()
    waiting: micro_batches.Waiting = queue.Queue()
    waiting.put(Message(0, reading(0), "camrail/LOCO_001/telemetry", 0, None, "LOCO_001"))
    polls: list[float] = []

    def get(timeout: float) -> Message | None:
        nonlocal clock_s
        polls.append(timeout)
        if waiting.empty():
            clock_s += timeout
        return waiting.get_nowait()

    feed = micro_batches.BatchWriter(
        SimpleNamespace(get=get),  # type: ignore[arg-type]
        parts.ingest,
        threading.Event(),
        "mqtt",
        batch_s=1.0,
        stored=lambda _: waiting.put(None),
    )
    feed.run()
    assert polls == [60.0, 1.0, 60.0]
