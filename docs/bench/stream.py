"""Measures how fast a backlog in Kafka is scored and stored, and writes stream.md.

Needs the root requirements, PostgreSQL's programs, Java and the jars of Apache Kafka in KAFKA_LIBS.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench_page import Target, machine, program_version, targets_table
from kafka_server import KafkaServer
from measuring import HERE, Contender, alternated, say
from mqtt_server import MqttServer
from postgres_server import PostgresServer, binaries
from store import promoted_model
from stream_desk import Desk

BARE: Final = "bare COPY and upsert"
OURS: Final = "the platform's consumer"
READ: Final = "reading the topic alone"
PACKAGES: Final = ("confluent-kafka", "psycopg", "msgspec", "onnxruntime", "numpy")
INTRODUCTION: Final = """# A backlog in Kafka, received, scored and stored

Made by `docs/bench/stream.py`; raw figures in `stream.json`. Apache Kafka 4.1.0 (KRaft, one node,
four partitions) and PostgreSQL (fsync on) share the machine's cores with what is measured.
Contenders alternate within one run, each in a process of its own and on a fresh database.

- *Bare COPY and upsert*: ready binary rows into the same table with its key, one transaction for
  5,000, nothing else: the limit.
- *The platform's consumer*: `cidp.kafka_consumer` with the promoted model, from its partitions to
  the last event stored: read, check, score, readings, hours, fleet, alerts, positions.
- *Reading the topic alone*: the same client library hands the messages over, nothing is done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "camrail-bench")
    chosen = parser.parse_args(argv)
    chosen.work.mkdir(parents=True, exist_ok=True)
    promoted_model(chosen.work)
    found = measured(chosen)
    (HERE / "stream.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (HERE / "stream.md").write_text(page(found), encoding="utf-8")
    return 0


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Fill a topic once, then let the contenders alternate; give their events per second."""
    with tempfile.TemporaryDirectory(prefix="camrail-stream-") as text:
        folder = Path(text)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        for name in ("kafka", "mqtt"):
            (folder / name).mkdir()
        with PostgresServer(folder / "postgres") as server, KafkaServer(folder / "kafka") as kafka:
            mqtt = MqttServer(folder / "mqtt")
            models = chosen.work / "models"
            desk = Desk(folder / "desk", models, kafka, server, mqtt, "backlog")
            desk.make_topics()
            say("filling the topic")
            desk.produce(0, chosen.events)
            size = {"store": server.url("events"), "events": chosen.events, "size": 5_000}
            stream = size | {
                "servers": kafka.servers,
                "topic": desk.topic,
                "models": str(models),
            }

            def fresh() -> None:
                server.fresh_database("events")
                if hasattr(os, "sync"):
                    os.sync()

            measures = alternated(
                [
                    Contender(BARE, "streams.py", "bare_postgres", size, fresh),
                    Contender(OURS, "streams.py", "ours", stream, fresh),
                    Contender(READ, "streams.py", "read_alone", stream),
                ],
                chosen.rounds,
            )
    if measures[OURS]["contents"][0] != chosen.events:
        raise SystemExit(f"results differ: {measures[OURS]['contents']}")
    return {
        "events": chosen.events,
        "load": [round(load, 1) for load in os.getloadavg()],
        "measured_on": f"{date.today():%Y-%m-%d}",
        "events_per_s": {
            name: [chosen.events / seconds for seconds in each["gave"]]
            for name, each in measures.items()
        },
    }


def page(found: dict[str, Any]) -> str:
    """Write the page."""
    rates = found["events_per_s"]
    lines = ["| | events/s: median (least to most) | rounds |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | **{median(each):,.0f}** ({min(each):,.0f} to {max(each):,.0f}) | {len(each)} |"
        for name, each in rates.items()
    ]
    share = median(a / b for a, b in zip(rates[OURS], rates[BARE], strict=True))
    targets = [
        Target("received, scored, stored", median(rates[OURS]), 50_000, False, "/s"),
        Target("of bare COPY and upsert", share, 0.7, False),
    ]
    return (
        "\n\n".join(
            [
                INTRODUCTION,
                machine(PACKAGES),
                f"{program_version([binaries() / 'postgres', '--version'])}, fsync on.",
                f"## {found['events']:,} events",
                "\n".join(lines),
                targets_table(targets),
                f"Measured on {found['measured_on']}, with a load average of"
                f" {', '.join(map(str, found['load']))} at the end (1, 5, 15 minutes). Above 4"
                " on two cores, other programs ran beside it and only the ratios tell anything.",
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
