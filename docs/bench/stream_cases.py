"""What happens to a stream of telemetry: kills, rebalances, servers that go, bad messages."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
from confluent_kafka import Producer
from loopback import free_port
from measuring import PLATFORM
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from small_disk import small_disk, used_bytes_of
from stream_desk import PATIENCE_S, Desk, NotReached, end, until
from stream_witness import STALE, UNAVAILABLE, Witness

Found = dict[str, Any]
Place = tuple[int, int]  # partition and offset
READS = "Partitions reçues"
CONNECTED = "MQTT répond"
PAUSED = "Enregistrement suspendu"
LOADING, UP = "ETL en cours", "La plateforme CAMRAIL est en marche"
LEFT_BYTES = 262_144
CYCLE_S = 6.0
"""About what it takes to start a program and to kill it."""


def counted(desk: Desk, produced: int, **more: Any) -> Found:
    """Wait for the last event; tell what there is then, and whether it is what was produced."""
    refused = more.pop("letters", 0)
    try:
        desk.wait_for_rows(produced)
        until(lambda: desk.rows()[2] >= refused, PATIENCE_S)
        time.sleep(1)  # for what would be stored twice
    except NotReached:
        pass
    rows, distinct, letters = desk.rows()
    holds = rows == distinct == produced and letters == refused
    return {"produced": produced, "rows": rows, "distinct": distinct, "holds": holds} | more


def killed_consumer(desk: Desk, events: int, kills: int, seed: int) -> Found:
    """Kill the consumer again and again while events flow."""
    rng = random.Random(seed)  # noqa: S311 (a reproducible run)
    desk.make_topics()
    with desk.producing(events, events / (kills * CYCLE_S)):
        for _ in range(kills):
            killed(desk, "kafka_consumer", READS, rng, "--instance", "one")
    with desk.running("kafka_consumer", "--instance", "one"):
        return counted(desk, events, kills=kills)


def killed(desk: Desk, module: str, at_work: str, rng: random.Random, *words: str) -> None:
    """Kill a program: one in five while it starts, the others soon after they say `at_work`."""
    before = desk.said(at_work)
    with desk.running(module, *words) as process:
        if rng.random() < 0.2:
            time.sleep(rng.uniform(0.5, 3.0))
        else:
            until(lambda: desk.said(at_work) > before, PATIENCE_S, lambda: at_work)
            time.sleep(rng.uniform(0.0, 2.0))
        process.kill()


def rebalanced(desk: Desk, events: int, changes: int, seed: int) -> Found:
    """Let a second and a third consumer come and go, now in order, now killed."""
    rng = random.Random(seed)  # noqa: S311 (a reproducible run)
    desk.make_topics()
    with (
        desk.running("kafka_consumer"),
        desk.producing(events, events / (changes * CYCLE_S)),
        ExitStack() as running,
    ):
        guests: list[subprocess.Popen[bytes]] = []
        for change in range(changes):
            if len(guests) < 2 and (not guests or rng.random() < 0.5):
                before = desk.said(READS)
                guests.append(running.enter_context(desk.running("kafka_consumer")))
                until(lambda before=before: desk.said(READS) > before, PATIENCE_S)
            else:
                guest = guests.pop(0)
                guest.kill() if change % 2 else guest.terminate()
                guest.wait()
            time.sleep(rng.uniform(1.0, 4.0))
    with desk.running("kafka_consumer"):
        return counted(desk, events, changes=changes)


def stopped(
    desk: Desk, events: int, stop: Callable[[], object], start: Callable[[], object], gone_s: float
) -> Found:
    """Stop a server while events flow, and start it after `gone_s`."""
    desk.make_topics()
    with desk.running("kafka_consumer", "--instance", "one") as consumer:
        until(lambda: desk.said(READS) > 0, PATIENCE_S, lambda: READS)
        with desk.producing(events, events / (gone_s * 2)):
            time.sleep(gone_s / 2)
            stop()
            try:
                time.sleep(gone_s)
            finally:
                start()
            began_s = time.monotonic()
        return recovered(desk, consumer, began_s, counted(desk, events, gone_s=gone_s))


def recovered(desk: Desk, consumer: subprocess.Popen[bytes], began_s: float, found: Found) -> Found:
    """Add how long after `began_s` the last event was there, and whether the consumer lives."""
    found["last_event_after_s"] = round(time.monotonic() - began_s, 1)
    found["consumer_lives"] = consumer.poll() is None
    found["holds"] = found["holds"] and found["consumer_lives"]
    return found


def store_away(
    desk: Desk,
    events: int,
    away: Callable[[], object],
    back: Callable[[], object],
    gone_s: float,
    rate: float,
    missing: str = UNAVAILABLE,
) -> Found:
    """Take the store away for `gone_s`, at least, while events flow and people look.

    `away` is called when a third of the events are stored, before the last three fifths are sent,
    so that some are never stored yet. The API and the dashboard have to answer all the time, and
    the strip of the latter to say what is `missing`.
    """
    desk.make_topics()
    with (
        Witness(desk.environ) as witness,
        desk.running("kafka_consumer", "--instance", "one") as consumer,
    ):
        until(lambda: desk.said(READS) > 0, PATIENCE_S, lambda: READS)
        sooner = events * 2 // 5
        with desk.producing(sooner, rate), ExitStack() as flowing:
            until(lambda: desk.rows()[0] > events // 3, PATIENCE_S, lambda: f"{desk.rows()}")
            away()
            began_s = time.monotonic()
            try:
                flowing.enter_context(desk.producing(events - sooner, rate, sooner))
                until(lambda: desk.said(PAUSED) > 0, PATIENCE_S, lambda: PAUSED)
                missing_told = witness.says(missing)
                until(lambda: witness.told_missing > 0, PATIENCE_S, lambda: "/ready")
                time.sleep(max(0.0, began_s + gone_s - time.monotonic()))
                gone_s = round(time.monotonic() - began_s, 1)
            finally:
                back()
            began_s = time.monotonic()
        found = recovered(desk, consumer, began_s, counted(desk, events, gone_s=gone_s))
        ready_again = witness.recovers()
        found |= witness.found() | {"missing_told": missing_told, "ready_again": ready_again}
        found["holds"] = (
            found["holds"]
            and missing_told
            and ready_again
            and witness.lives
            and not witness.unanswered
        )
    return found


def on_full_disk(desk: Desk, kind: str, events: int, gone_s: float, rate: float) -> Found:
    """Leave no room on the disk of either store while events flow, and give it some later."""
    disk = desk.folder / f"disk_{desk.name}"
    with small_disk(disk) as resize:
        if kind == "postgresql":
            desk.on_disk(disk / "space")
        else:
            desk.on_sqlite(disk / "events.sqlite")
        try:
            found = store_away(
                desk,
                events,
                lambda: resize(used_bytes_of(disk) + LEFT_BYTES),
                lambda: resize(1 << 30),
                gone_s,
                rate,
                STALE,
            )
        finally:
            if kind == "postgresql":
                desk.off_disk()
    return found | {"full_for_s": found.pop("gone_s")}


def source_moves(desk: Desk) -> Found:
    """Start the platform with nothing, let Kafka come while it loads for the first time, and go.

    The load waits for its warehouse, which is held until Kafka is read.
    """
    desk.kafka.kill()
    port, warehouse = free_port(), desk.folder / "dwh.sqlite"
    held = sqlite3.connect(warehouse, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    try:
        with running_platform(desk, port, warehouse) as (platform, said):
            reached_s(port, "simulator")
            until(lambda: LOADING in said.read_text(encoding="utf-8"), 240, lambda: LOADING)
            desk.kafka.start()
            to_kafka_s = reached_s(port, "kafka")
            was_loading = UP not in said.read_text(encoding="utf-8")
            held.close()
            until(lambda: UP in said.read_text(encoding="utf-8"), 240, lambda: UP)
            desk.kafka.kill()
            back_s = reached_s(port, "simulator")
            lives = platform.poll() is None
    finally:
        held.close()
        desk.kafka.start()
    return {
        "to_kafka_s": round(to_kafka_s, 1),
        "while_the_first_load_ran": was_loading,
        "back_s": round(back_s, 1),
        "holds": lives and was_loading and max(to_kafka_s, back_s) < 30,
    }


@contextmanager
def running_platform(
    desk: Desk, port: int, warehouse: Path
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Run the whole platform with places of its own; give its process and what it says."""
    places = {
        "API_PORT": str(port),
        "DASHBOARD_PORT": str(free_port()),
        "CAMRAIL_MQTT": "",
        "CAMRAIL_JOBS_DIR": str(desk.folder / "jobs"),
        "DPA_DWH": str(warehouse),
        "DPA_BUSY_TIMEOUT_S": "300",
        "DPA_REPORT": str(desk.folder / "reports" / "rapport.xlsx"),
        "DPA_LOG_DIR": str(desk.folder / "logs"),
    }
    said = desk.folder / f"{desk.name}.txt"
    with said.open("wb") as output:
        platform = subprocess.Popen(
            [sys.executable, "run_platform.py"],
            cwd=PLATFORM,
            env=dict(desk.environ) | places,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield platform, said
    finally:
        end(platform)


def reached_s(port: int, mode: str) -> float:
    """Wait until telemetry comes from there; give the seconds that it took."""
    return until(lambda: mode_at(port) == mode, 240, lambda: f"{mode_at(port)}")


def mode_at(port: int) -> str | None:
    """Where `/ready` says that telemetry comes from."""
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/ready", timeout=10)
        return str(answer.json()["source"]["mode"])
    except (requests.RequestException, ValueError):
        return None


def killed_bridge(
    desk: Desk, messages: int, clients: int, kills: int, seed: int, restarts: int = 0
) -> Found:
    """Kill the MQTT bridge, and restart the broker, while clients publish with QoS 1."""
    rng = random.Random(seed)  # noqa: S311 (a reproducible run)
    desk.make_topics()
    with desk.running("mqtt_bridge"):  # the broker knows its session, and keeps what comes for it
        until(lambda: desk.said(CONNECTED) > 0, PATIENCE_S, lambda: CONNECTED)
    pace_s = kills * CYCLE_S * clients / messages
    threads = [
        threading.Thread(target=publish, args=(desk, range(first, messages, clients), pace_s))
        for first in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        with desk.running("kafka_consumer", "--instance", "one"):
            for number in range(kills):
                killed(desk, "mqtt_bridge", CONNECTED, rng)
                if number < restarts:
                    desk.mqtt.stop()
                    desk.mqtt.start()
            with desk.running("mqtt_bridge"):
                for thread in threads:
                    thread.join()
                return counted(desk, messages, kills=kills, clients=clients, restarts=restarts)
    finally:
        for thread in threads:
            thread.join()


def publish(desk: Desk, numbers: range, pace_s: float) -> None:
    """Publish the events of these numbers with QoS 1, until the broker has taken each of them."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{desk.name}-sensor-{numbers.start}",
        clean_session=False,
    )
    client.max_inflight_messages_set(100)
    client.reconnect_delay_set(1, 1)
    acknowledged: list[int] = []
    client.on_publish = lambda _client, _data, mid, _reason, _more: acknowledged.append(mid)
    client.connect_async("127.0.0.1", desk.mqtt.port)
    client.loop_start()
    try:
        for number in numbers:
            topic = f"camrail/{desk.event(number)['loco_id']}/telemetry"
            client.publish(topic, desk.payload(number), qos=1)
            time.sleep(pace_s)
        until(
            lambda: len(acknowledged) >= len(numbers),
            PATIENCE_S,
            lambda: f"{len(acknowledged)} of {len(numbers)}",
        )
    finally:
        client.disconnect()
        client.loop_stop()


BAD: list[Callable[[dict[str, Any]], bytes | None]] = [
    lambda event: b"not json",
    lambda event: json.dumps([event]).encode(),
    lambda event: None,
    lambda event: b"\xff\xfe" + json.dumps(event).encode("utf-16-le"),
    lambda event: json.dumps(event | {"pressure": "5"}).encode(),
    lambda event: json.dumps(event | {"vibration": 1e6}).encode(),
    lambda event: json.dumps(event | {"timestamp": "2001-01-01T00:00:00Z"}).encode(),
    lambda event: json.dumps(event | {"timestamp": "2101-01-01T00:00:00Z"}).encode(),
    lambda event: json.dumps(event | {"speed": 80}).encode(),
    lambda event: json.dumps({k: v for k, v in event.items() if k != "flow_rate"}).encode(),
]
"""Ways to spoil an event."""


def bad_messages(desk: Desk, good: int, bad: int, folder: Path) -> Found:
    """Put bad messages among good ones; then correct and replay all of them."""
    desk.make_topics()
    spoiled = produced_with_bad(desk, good, bad)
    path = folder / f"{desk.name}.ndjson"
    with desk.running("kafka_consumer", "--instance", "one"):
        first = counted(desk, good, letters=bad)
    exported = desk.run("dead_letters", "export", str(path))
    if exported.returncode:
        raise NotReached(exported.stderr)
    places = corrected(path, lambda place: desk.payload(spoiled[place]).decode())
    replayed = desk.run("dead_letters", "replay", "--file", str(path))
    again = desk.run("dead_letters", "replay", "--file", str(path))
    rows, distinct, letters = desk.rows()
    return {
        "good": good,
        "bad": bad,
        "letters": letters,
        "places_right": places == set(spoiled),
        "stored_after_replay": rows - good,
        "holds": first["holds"]
        and places == set(spoiled)
        and rows == distinct == good + bad
        and (replayed.returncode, again.returncode) == (0, 1),  # closed letters are refused,
    }


def produced_with_bad(desk: Desk, good: int, bad: int) -> dict[Place, int]:
    """Send `bad` spoiled events, then `good` ones; give the place and number of those spoiled."""
    producer = Producer({"bootstrap.servers": desk.kafka.servers, "log_level": 0})
    spoiled: dict[Place, int] = {}

    def note(number: int) -> Callable[[Any, Any], None]:
        def at(_error: object, record: Any) -> None:
            spoiled[record.partition(), record.offset()] = number

        return at

    for number in range(good + bad):
        event = desk.event(number)
        if number < bad:
            message = BAD[number % len(BAD)](event)
            producer.produce(desk.topic, message, event["loco_id"], on_delivery=note(number))
        else:
            producer.produce(desk.topic, json.dumps(event), event["loco_id"])
        producer.poll(0)
    producer.flush(PATIENCE_S)
    return spoiled


def corrected(path: Path, right: Callable[[Place], str]) -> set[Place]:
    """Give each exported letter the payload that is `right`; tell the places that had a reason."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    places = {(line["partition"], line["position"]) for line in lines if line["reason"]}
    for line in lines:
        line.pop("payload_base64", None)
        line["payload"] = right((line["partition"], line["position"]))
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return places
