"""Measures Kafka, MQTT and the store at work together, and writes stream.md.

Needs the root requirements, PostgreSQL's programs, Java, the jars of Apache Kafka in KAFKA_LIBS,
Mosquitto with its clients, kcat, and the environments of `peers/streams_environments.sh`.
"""

import argparse
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import paho.mqtt.client as mqtt
import psutil
import psycopg
from bench_page import Target, program_version
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from kafka_server import KafkaServer
from measuring import Contender, alternated, say
from mqtt_server import MqttServer
from paho.mqtt.enums import CallbackAPIVersion
from postgres_server import PostgresServer, binaries
from promoted import promoted_model
from sections import Found, Page, Section
from stream_desk import LOCOS, Desk, until

BARE: Final = "bare COPY and upsert"
OURS: Final = "the platform's consumer"
QUIX: Final = "Quix Streams"
FASTSTREAM: Final = "FastStream, in batches"
ONE: Final = "one message at a time, `to_sql`"
READ: Final = "reading the topic alone"
BRIDGE: Final = "the platform's bridge"
PIPE: Final = "`mosquitto_sub` into `kcat`"
BATCH: Final = 10_000
OFFERED: Final = 5_000
LATENCY_MS: Final = 150
POLL_S: Final = 0.002
TOPICS: Final = "camrail/+/telemetry"
PACKAGES: Final = (
    "confluent-kafka", "paho-mqtt", "psycopg", "msgspec", "onnxruntime", "numpy",
)  # fmt: skip
INTRODUCTION: Final = """# Telemetry from brokers to the store

Made by `docs/bench/stream.py`; raw figures in `stream.json`. Apache Kafka 4.1.0 (KRaft, one node),
Mosquitto and PostgreSQL (fsync on) share the machine's cores with what is measured. Contenders
alternate within one run, each in a process of its own and on a fresh database. The code of the
peers is in `docs/bench/peers/`."""


@dataclass
class Servers:
    """Servers that run, a registry with a promoted model, and a folder for the cases."""

    folder: Path
    models: Path
    kafka: KafkaServer
    postgres: PostgresServer
    mqtt: MqttServer

    def desk(self, name: str) -> Desk:
        """Make the topics' names, group and schema of a case."""
        return Desk(self.folder / name, self.models, self.kafka, self.postgres, self.mqtt, name)


@contextmanager
def servers(chosen: argparse.Namespace) -> Iterator[Servers]:
    """Run the servers while the block runs."""
    promoted_model(chosen.work)
    with tempfile.TemporaryDirectory(prefix="camrail-stream-") as text, ExitStack() as stack:
        folder = Path(text)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        for name in ("kafka", "mqtt"):
            (folder / name).mkdir()
        yield Servers(
            folder,
            chosen.work / "models",
            stack.enter_context(KafkaServer(folder / "kafka")),
            stack.enter_context(PostgresServer(folder / "postgres")),
            stack.enter_context(MqttServer(folder / "mqtt", inflight=1000)),
        )


def measure_backlog(chosen: argparse.Namespace) -> Found:
    """Fill a topic once, then let the contenders alternate; give their events per second."""
    with servers(chosen) as running:
        desk = running.desk("backlog")
        desk.make_topics()
        say("filling the topic")
        desk.produce(0, chosen.events)
        measures = alternated(backlog_contenders(chosen, running, desk), chosen.rounds)
    for name in (OURS, QUIX, FASTSTREAM):
        if measures[name]["contents"][0] != chosen.events:
            raise SystemExit(f"{name}: results differ: {measures[name]['contents']}")
    return {
        "events": chosen.events,
        "some": chosen.some,
        "events_per_s": {
            name: [(chosen.some if name == ONE else chosen.events) / gave for gave in each["gave"]]
            for name, each in measures.items()
        },
        "versions": {
            name: package_version(peer_python(chosen, environment), package)
            for name, environment, package in (
                ("Quix Streams", "quix", "quixstreams"),
                ("FastStream", "faststream", "faststream"),
                ("pandas", "one-by-one", "pandas"),
            )
        },
        "postgres": program_version([binaries() / "postgres", "--version"]),
    }


def backlog_contenders(chosen: argparse.Namespace, running: Servers, desk: Desk) -> list[Contender]:
    """Return what takes the backlog, each into a fresh database."""
    server = running.postgres
    into = {"store": server.url("events"), "events": chosen.events}
    kafka = {"servers": running.kafka.servers, "topic": desk.topic}
    ours = into | kafka | {"models": str(running.models)}
    peer = into | kafka | {"bundle": promoted_model(chosen.work)}

    def fresh() -> None:
        server.fresh_database("events")
        if hasattr(os, "sync"):
            os.sync()

    def own(name: str, environment: str, more: Found) -> Contender:
        """Return a peer that has an environment and a module of its own."""
        module = environment.replace("-", "_")
        python = peer_python(chosen, environment)
        return Contender(name, f"streams_{module}.py", module, peer | more, fresh, python=python)

    return [
        Contender(BARE, "streams.py", "bare_postgres", into | {"size": BATCH}, fresh),
        Contender(OURS, "streams.py", "ours", ours, fresh),
        # A checkpoint writes each of the four partitions apart.
        own(QUIX, "quix", {"size": 4 * BATCH}),
        own(FASTSTREAM, "faststream", {"size": BATCH}),
        own(ONE, "one-by-one", {"events": chosen.some}),
        Contender(READ, "streams.py", "read_alone", kafka | into | {"size": BATCH}),
    ]


def peer_python(chosen: argparse.Namespace, environment: str) -> str:
    """Give the interpreter of a peer's environment."""
    return str(chosen.peers / f"bench-{environment}" / "bin" / "python")


def package_version(python: str, package: str) -> str:
    """Ask another environment for a package's version."""
    code = f"from importlib.metadata import version; print(version('{package}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def rates_table(rates: dict[str, list[float]]) -> str:
    """Tabulate events per second."""
    lines = ["| | events/s: median (least to most) | rounds |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | **{median(each):,.0f}** ({min(each):,.0f} to {max(each):,.0f}) | {len(each)} |"
        for name, each in rates.items()
    ]
    return "\n".join(lines)


def times(rates: dict[str, list[float]], ours: str, other: str) -> float:
    """Give how many times as fast ours is, round by round, in the median."""
    return median(a / b for a, b in zip(rates[ours], rates[other], strict=True))


def shown_backlog(found: Found) -> str:
    """Write what the contenders reached."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"{versions}. {found['postgres']}.\n\n{rates_table(found['events_per_s'])}"


def backlog_targets(found: Found) -> list[Target]:
    """Tell what the backlog must reach."""
    rates = found["events_per_s"]
    return [
        Target("received, scored, stored", median(rates[OURS]), 50_000, False, "/s"),
        Target("of bare COPY and upsert", times(rates, OURS, BARE), 0.7, False),
        Target("of Quix Streams", times(rates, OURS, QUIX), 1.8, False),
        Target("of FastStream, in batches", times(rates, OURS, FASTSTREAM), 1.5, False),
        Target("of one message at a time, `to_sql`", times(rates, OURS, ONE), 100, False),
    ]


@dataclass
class Watch:
    """Notes when the store has which positions, until it is told to end."""

    desk: Desk
    seen: list[tuple[float, dict[int, int]]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask every few milliseconds."""
        with psycopg.connect(self.desk.store, autocommit=True) as connection:
            asked = "SELECT partition, next_offset FROM stream_positions WHERE topic = %s"
            while not self.over.wait(POLL_S):
                found = dict(connection.execute(asked, [self.desk.topic]).fetchall())
                self.seen.append((time.perf_counter(), found))


class Sender:
    """Sends events to a desk's topic, and notes when the one at each position was sent."""

    def __init__(self, desk: Desk) -> None:
        self.sent: dict[tuple[int, int], float] = {}
        self._desk = desk
        self._producer = Producer({"bootstrap.servers": desk.kafka.servers, "log_level": 0})

    def send(self, number: int) -> None:
        """Send one event; it is noted once Kafka has it."""
        began_s = time.perf_counter()

        def delivered(error: KafkaError | None, record: Message) -> None:
            if error is not None:
                raise SystemExit(f"Kafka: {error.str()}")
            self.sent[record.partition() or 0, record.offset() or 0] = began_s

        event, key = self._desk.payload(number), f"LOCO_{number % LOCOS:03}"
        self._producer.produce(self._desk.topic, event, key, on_delivery=delivered)

    def offer(self, numbers: range, per_s: int) -> float:
        """Send events at a steady rate; give the seconds that it took."""
        began_s = time.perf_counter()
        for number in numbers:
            self.send(number)
            self._producer.poll(0)
            if number % 10 == 0:
                time.sleep(max(0.0, began_s + number / per_s - time.perf_counter()))
        return time.perf_counter() - began_s

    def flush(self) -> None:
        """Wait until Kafka has everything."""
        self._producer.flush()


def measure_latency(chosen: argparse.Namespace) -> Found:
    """Offer events at a steady rate; give the time from each one's sending to its being stored."""
    warm, count = OFFERED * 2, OFFERED * chosen.seconds
    with servers(chosen) as running:
        desk = running.desk("latency")
        desk.make_topics()
        sender = Sender(desk)
        with desk.running("kafka_consumer"):
            sender.send(0)
            sender.flush()
            desk.wait_for_rows(1)
            watch = Watch(desk)
            watching = threading.Thread(target=watch.run)
            watching.start()
            sender.sent.clear()
            began_s = time.perf_counter()
            took_s = sender.offer(range(1, warm + count), OFFERED)
            sender.flush()
            desk.wait_for_rows(warm + count)
            time.sleep(0.1)
            watch.over.set()
            watching.join()
    laps = np.sort(1000 * _laps(sender.sent, watch.seen, after_s=began_s + warm / OFFERED))
    shares = (50, 95, 99, 99.9, 100)
    return {
        "events": len(laps),
        "offered_per_s": (warm + count) / took_s,
        "ms": dict(zip(map(str, shares), np.percentile(laps, shares).tolist(), strict=True)),
    }


def _laps(
    sent: dict[tuple[int, int], float], seen: list[tuple[float, dict[int, int]]], after_s: float
) -> Any:
    """Give the seconds from sending until the position was seen beyond the event."""
    laps = []
    for partition in {key[0] for key in sent}:
        offsets = sorted(key[1] for key in sent if key[0] == partition)
        ends = np.array([found.get(partition, 0) for _, found in seen])
        at_s = np.array([at for at, _ in seen])
        places = np.searchsorted(ends, np.array(offsets), side="right")
        starts = np.array([sent[partition, offset] for offset in offsets])
        laps.append((at_s[places] - starts)[starts >= after_s])
    return np.concatenate(laps)


def shown_latency(found: Found) -> str:
    """Write the shares of the laps."""
    heads = " | ".join(f"{share} %" for share in found["ms"])
    cells = " | ".join(f"{lap:.0f} ms" for lap in found["ms"].values())
    return (
        f"{found['events']:,} events at {found['offered_per_s']:,.0f}/s, stored within:\n\n"
        f"| {heads} |\n|{' --- |' * len(found['ms'])}\n| {cells} |"
    )


def latency_targets(found: Found) -> list[Target]:
    """Tell what the latency must keep."""
    return [
        Target("events offered", found["offered_per_s"], OFFERED * 0.99, False, "/s"),
        Target("99 % stored within", found["ms"]["99"], LATENCY_MS, True, "ms"),
    ]


def measure_partitions(chosen: argparse.Namespace) -> Found:
    """Store a backlog of 1, 2 and 4 partitions with as many consumers; tell who was busy."""
    with servers(chosen) as running:
        cases = {str(number): _case(running, number, chosen.many) for number in (1, 2, 4)}
    return {"events": chosen.many, "cases": cases, "cores": os.cpu_count()}


def _case(running: Servers, number: int, events: int) -> Found:
    desk = running.desk(f"partitions{number}")
    desk.make_topics(number)
    say(f"{number} partitions")
    desk.produce(0, events)
    with ExitStack() as stack:
        own = [stack.enter_context(desk.running("kafka_consumer")).pid for _ in range(number)]
        busy = Busy(
            {
                "consumers": own,
                "PostgreSQL": [running.postgres.pid],
                "Kafka": [running.kafka.pid],
            }
        )
        until(lambda: stored(desk) >= events * 3 // 10, 120)
        first, first_s, before = stored(desk), time.perf_counter(), busy.seconds()
        until(lambda: stored(desk) >= events * 9 // 10, 120)
        last, last_s, after = stored(desk), time.perf_counter(), busy.seconds()
        desk.wait_for_rows(events)
    seconds = last_s - first_s
    return {
        "events_per_s": (last - first) / seconds,
        "busy": {name: (after[name] - before[name]) / seconds for name in before},
    }


def stored(desk: Desk) -> int:
    """Count what the positions in the store have passed; 0 before a consumer has made it."""
    asked = "SELECT coalesce(sum(next_offset), 0) FROM stream_positions"
    with psycopg.connect(desk.store) as connection, suppress(psycopg.errors.UndefinedTable):
        row = connection.execute(asked).fetchone()
        return int(row[0]) if row else 0
    return 0


@dataclass
class Busy:
    """Programs and their children, by name."""

    programs: dict[str, list[int]]

    def seconds(self) -> dict[str, float]:
        """Give the seconds of processors that each has taken."""
        return {
            name: sum(_cpu_s(process) for pid in pids for process in _family(pid))
            for name, pids in self.programs.items()
        }


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def shown_partitions(found: Found) -> str:
    """Tabulate the curve, and the processors that each part kept busy."""
    lines = [
        "| partitions | events/s | cores: consumers | PostgreSQL | Kafka | together |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for number, case in found["cases"].items():
        busy = case["busy"]
        cells = " | ".join(f"{share:.2f}" for share in [*busy.values(), sum(busy.values())])
        lines.append(f"| {number} | **{case['events_per_s']:,.0f}** | {cells} |")
    most = max(found["cases"].values(), key=lambda case: case["events_per_s"])["busy"]
    told = (
        f"At its best the {max(most, key=most.__getitem__)} take the most, and all together"
        f" {sum(most.values()):.1f} of the machine's {found['cores']} cores."
    )
    return "\n".join([*lines, "", told])


def measure_bridge(chosen: argparse.Namespace) -> Found:
    """Let a queue of MQTT messages be brought to Kafka, by the bridge and by a pipe of tools."""
    found: Found = {"messages": chosen.messages, "messages_per_s": {BRIDGE: [], PIPE: []}}
    with servers(chosen) as running:
        for number in range(chosen.rounds):
            for name, kind in ((BRIDGE, "bridge"), (PIPE, "pipe")):
                desk = running.desk(f"{kind}{number}")
                desk.make_topics()
                client_id = f"{desk.name}-bridge"
                _queue(running.mqtt.port, client_id, desk, chosen.messages)
                with _bringing(desk, running, client_id, piped=kind == "pipe"):
                    rate = _arrival_rate(desk, chosen.messages)
                found["messages_per_s"][name].append(rate)
                say(f"  {number + 1}/{chosen.rounds} {name}: {rate:,.0f} /s")
    return found


def _queue(port: int, client_id: str, desk: Desk, count: int) -> None:
    """Leave messages in the session of a client that is away."""
    reader = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False)
    subscribed = threading.Event()
    reader.on_subscribe = lambda *_: subscribed.set()
    reader.connect("127.0.0.1", port)
    reader.loop_start()
    reader.subscribe(TOPICS, qos=1)
    subscribed.wait(30)
    reader.disconnect()
    reader.loop_stop()
    writer = mqtt.Client(CallbackAPIVersion.VERSION2)
    writer.max_queued_messages_set(0)
    writer.max_inflight_messages_set(1000)
    writer.connect("127.0.0.1", port)
    writer.loop_start()
    last = [
        writer.publish(f"camrail/LOCO_{number % LOCOS:03}/telemetry", desk.payload(number), 1)
        for number in range(count)
    ]
    for info in last:
        info.wait_for_publish(120)
    writer.disconnect()
    writer.loop_stop()


@contextmanager
def _bringing(desk: Desk, running: Servers, client_id: str, *, piped: bool) -> Iterator[None]:
    if not piped:
        with desk.running("mqtt_bridge"):
            yield
        return
    reading = subprocess.Popen(
        f"mosquitto_sub -p {running.mqtt.port} -i {client_id} -c -q 1 -t {TOPICS}".split(),
        stdout=subprocess.PIPE,
    )
    writing = subprocess.Popen(
        ["kcat", "-P", "-b", running.kafka.servers, "-t", desk.topic],
        stdin=reading.stdout,
    )
    try:
        yield
    finally:
        reading.terminate()
        reading.wait()
        writing.wait(30)


def _arrival_rate(desk: Desk, count: int) -> float:
    """Give the messages per second between a tenth and nine tenths of them.

    The pipe keeps its last lines until it ends, so that not all can be waited for.
    """
    reader = Consumer({"bootstrap.servers": desk.kafka.servers, "group.id": "ends", "log_level": 0})
    partitions = reader.list_topics(desk.topic, 10).topics[desk.topic].partitions

    def arrived() -> int:
        places = [TopicPartition(desk.topic, number) for number in partitions]
        return sum(reader.get_watermark_offsets(place, 10)[1] for place in places)

    until(lambda: arrived() >= count // 10, 120, lambda: f"{arrived()} arrived")
    first, first_s = arrived(), time.perf_counter()
    until(lambda: arrived() >= count * 9 // 10, 120, lambda: f"{arrived()} arrived")
    last, last_s = arrived(), time.perf_counter()
    reader.close()
    return (last - first) / (last_s - first_s)


def bridge_text(found: Found) -> str:
    """Write both rates and their ratio."""
    rates = found["messages_per_s"]
    return (
        f"{rates_table(rates)}\n\nThe bridge reaches {times(rates, BRIDGE, PIPE):.2f} times the"
        " rate of the pipe."
    )


SECTIONS: Final[dict[str, Section]] = {
    "backlog": Section(
        "A backlog of 200,000 events in four partitions",
        """- *Bare COPY and upsert*: ready binary rows into the table of readings with its key, one
  transaction for 10,000, nothing else: the limit.
- *The platform's consumer*: `cidp.kafka_consumer` with the promoted model and its own settings
  (10,000 events in a transaction), from its partitions to the last event stored: read, check,
  score, readings, hours, fleet, alerts, positions.
- *Quix Streams*, *FastStream*: their consumers decode the JSON; the platform's own model and store
  do the rest, 10,000 events in a transaction, positions included. They check nothing.
- *One message at a time*: `json.loads`, one prediction, a `DataFrame` of one row, `to_sql`, one
  commit; the rate over a few thousand messages, into a table without a key.
- *Reading the topic alone*: the same client library hands the messages over, nothing is done.""",
        measure_backlog,
        shown_backlog,
        backlog_targets,
    ),
    "latency": Section(
        "From sending to stored, at 5,000 events a second",
        """One consumer, four partitions. The clock of an event starts before it is given to the
producer and stops when another connection sees its position in the store, which is asked for every
2 ms. The first two seconds do not count.""",
        measure_latency,
        shown_latency,
        latency_targets,
    ),
    "partitions": Section(
        "1, 2 and 4 partitions, with as many consumers",
        """A backlog in Kafka; the rate between three and nine tenths of it stored, by when every
consumer has long had its partitions, and the cores that each part kept busy meanwhile.""",
        measure_partitions,
        shown_partitions,
    ),
    "bridge": Section(
        "MQTT to Kafka",
        """A queue of QoS 1 messages in a session of Mosquitto (`max_inflight_messages 1000`) is
brought to Kafka; the rate between a tenth and nine tenths of them. The pipe is the limit: it
acknowledges before Kafka has a message, and gives none its locomotive as key.""",
        measure_bridge,
        bridge_text,
    ),
}
PAGE: Final = Page("stream", INTRODUCTION, PACKAGES, SECTIONS)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen sections and write the page."""
    parser = PAGE.parser()
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--many", type=int, default=1_500_000, help="events of the partitions")
    parser.add_argument("--some", type=int, default=500, help="events taken one by one")
    parser.add_argument("--seconds", type=int, default=30, help="of the steady rate")
    parser.add_argument("--messages", type=int, default=50_000, help="of the bridge")
    parser.add_argument("--peers", type=Path, default=Path("/opt"), help="peers' environments")
    return PAGE.run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
