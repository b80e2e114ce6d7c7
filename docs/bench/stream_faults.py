"""Disturbs real streams and writes stream_faults.md: python docs/bench/stream_faults.py.

Needs the root requirements, PostgreSQL's programs, Mosquitto, Java and the jars of Apache Kafka in
the folder KAFKA_LIBS. `--only a,b` repeats some cases; those shown before stay in
stream_faults.json. All of it takes about an hour on two idle cores. The exit code is 1 when a case
does not hold.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from promoted import promoted_model
from sections import Found, Page, Section
from stream_cases import (
    bad_messages,
    killed_bridge,
    killed_consumer,
    on_full_disk,
    rebalanced,
    source_moves,
    stopped,
    store_away,
)
from stream_desk import Desk, desks

SEED: Final = 2026
Case = Callable[[Desk, argparse.Namespace], Found]
INTRODUCTION: Final = """# Streams that are disturbed

Made by `docs/bench/stream_faults.py`; raw figures in `stream_faults.json`. Apache Kafka 4.1.0
(KRaft, one node), Mosquitto and PostgreSQL (fsync on) on loopback, the platform's own programs as
processes.
*Rows* are what the store holds at the end, *distinct* the pairs of locomotive and instant among
them: a case holds when both are what was produced. `tests/faults/test_stream_faults.py` runs short
forms of the same cases.

Where API and dashboard are asked, `/health`, `/ready` and the dashboard are every half second:
*unanswered* must be 0. *Told missing* counts the answers of `/ready` that said so, and *missing
told* that a page drawn meanwhile did: a store that is gone is unavailable; one whose disk is full
still reads, so that what shows is stale (after 5 s here) and, on the strip, that messages wait.
*Last event after* counts from the moment when what was gone is back, while events still flow."""

CASES: Final[dict[str, tuple[str, Case]]] = {
    "kills": (
        "Consumer killed (SIGKILL) at random points",
        lambda desk, n: killed_consumer(desk, n.events, n.kills, SEED),
    ),
    "rebalances": (
        "A second and a third consumer come and go",
        lambda desk, n: rebalanced(desk, n.events, n.rebalances, SEED),
    ),
    "postgresql_30": (
        "PostgreSQL stopped (immediate) for 30 s, API and dashboard asked meanwhile",
        lambda desk, n: postgresql_away(desk, n.events, 30),
    ),
    "postgresql_120": (
        "PostgreSQL stopped (immediate) for 120 s, API and dashboard asked meanwhile",
        lambda desk, n: postgresql_away(desk, n.events, 120),
    ),
    "full_tablespace": (
        "Disk of PostgreSQL's tables full for 60 s, API and dashboard asked meanwhile",
        lambda desk, n: on_full_disk(desk, "postgresql", n.events, 60, 2_000),
    ),
    "full_sqlite": (
        "Disk of the SQLite file full for 60 s, API and dashboard asked meanwhile",
        lambda desk, n: on_full_disk(desk, "sqlite", n.events, 60, 2_000),
    ),
    "kafka_30": (
        "Kafka killed for 30 s",
        lambda desk, n: stopped(desk, n.events, desk.kafka.kill, desk.kafka.start, 30),
    ),
    "source": (
        "The platform starts with nothing, Kafka comes, then goes",
        lambda desk, n: source_moves(desk),
    ),
    "bridge": (
        "MQTT bridge killed, Mosquitto restarted, while clients publish",
        lambda desk, n: killed_bridge(desk, n.messages, 10, n.bridge_kills, SEED, restarts=2),
    ),
    "bad": (
        "Bad messages among good ones, corrected and replayed",
        lambda desk, n: bad_messages(desk, 10_000, 1_000, desk.folder),
    ),
}


def postgresql_away(desk: Desk, events: int, gone_s: float) -> Found:
    """Stop PostgreSQL as a crash does, and start it after `gone_s`."""
    return store_away(
        desk,
        events,
        lambda: desk.postgres.stop("immediate"),
        desk.postgres.start,
        gone_s,
        events / (gone_s * 2),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen cases and write the page; return the exit code."""
    parser = PAGE.parser()
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rebalances", type=int, default=20)
    parser.add_argument("--bridge-kills", type=int, default=20)
    parser.add_argument("--models", type=Path, help="registry with a promoted model")
    parser.set_defaults(all_hold=True)
    chosen = parser.parse_args(argv)
    PAGE.run(chosen)
    return 0 if chosen.all_hold else 1


def disturbed(case: Case) -> Callable[[argparse.Namespace], Found]:
    """Give what measures a case: on servers of its own, in a folder that is gone afterwards."""

    def measure(chosen: argparse.Namespace) -> Found:
        if chosen.models is None:
            promoted_model(chosen.work)
        with (
            tempfile.TemporaryDirectory(prefix="camrail-faults-") as folder,
            desks(Path(folder), chosen.models or chosen.work / "models") as desk_of,
        ):
            outcome = case(desk_of("disturbed"), chosen)
        chosen.all_hold &= outcome["holds"]
        return {"outcome": outcome}

    return measure


def told(found: Found) -> str:
    """Tell whether the case holds, and what there was."""
    holds = "✓" if found["outcome"]["holds"] else "✗"
    figures = [
        f"{name.replace('_', ' ')} {f'{value:,}' if type(value) is int else value}"
        for name, value in found["outcome"].items()
        if name != "holds"
    ]
    return f"{holds} {', '.join(figures)}."


PAGE: Final = Page(
    "stream_faults",
    INTRODUCTION,
    ("confluent-kafka", "paho-mqtt", "psycopg", "msgspec", "onnxruntime"),
    {name: Section(title, "", disturbed(case), told) for name, (title, case) in CASES.items()},
    rounds=0,
)

if __name__ == "__main__":
    sys.exit(main())
