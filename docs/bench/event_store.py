"""Measures the event store beside the bare statements, and writes event_store.md."""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from bench_page import Target, program_version
from measuring import Contender, alternated
from postgres_server import PostgresServer, binaries
from promoted import promoted_model
from sections import Found, Page, Section

MODULE: Final = "event_stores.py"
PACKAGES: Final = ("numpy", "msgspec", "onnxruntime", "psycopg", "pydantic")
BARE: Final = "bare statements"
SAVE: Final = "store alone"
INGEST: Final = "messages to store"
OVERLAPPED: Final = "messages to store, overlapped"
AGAIN: Final = "store alone, all known already"
PREPARE: Final = "decode, check and score alone"
INTRODUCTION: Final = """# The event store beside bare statements

Made by `docs/bench/event_store.py` with a fixed seed; raw figures in `event_store.json`.
Contenders alternate within one run, each in a process of its own and on a fresh database; the clock
covers the batches alone. Server and client share the machine's cores.

- *Bare statements*: batches that are ready in the database's own form, into the same table with
  its key, one transaction per batch. On PostgreSQL, COPY of ready binary rows into a temporary
  table, then `INSERT … SELECT … ON CONFLICT DO NOTHING` into the weekly partitions; on SQLite,
  `executemany` of ready tuples, WAL, `synchronous=FULL`. No hours, fleet, alerts or positions.
- *Store alone*: `EventStore.save` of ready columns: readings, hours, fleet, alerts, positions.
- *Messages to store*: JSON bytes through `IngestHandler`: decode, check, score with the promoted
  model of `bootstrap_local.py`, store. *Overlapped*: one batch is stored while the next one is
  prepared, as a consumer does.
- *All known already*: the same batches a second time, as after a crash."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen sections and write the page."""
    parser = PAGE.parser()
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=5_000)
    return PAGE.run(parser.parse_args(argv))


def measure_postgresql(chosen: argparse.Namespace) -> Found:
    """Measure on PostgreSQL."""
    with postgres(chosen.work) as server:
        return compared(
            chosen, server.url("events"), "bare_postgres", lambda: server.fresh_database("events")
        )


def measure_sqlite(chosen: argparse.Namespace) -> Found:
    """Measure on SQLite."""
    path = chosen.work / "events.sqlite"
    return compared(chosen, str(path), "bare_sqlite", lambda: removed(path))


def measure_fleet(chosen: argparse.Namespace) -> Found:
    """Time what a screen asks of 200 locomotives and 30 days, on both databases."""
    path = chosen.work / "fleet.sqlite"
    removed(path)
    found: Found = {"every_s": 120}
    with postgres(chosen.work) as server:
        server.fresh_database("fleet")
        for name, store in (("PostgreSQL", server.url("fleet")), ("SQLite", str(path))):
            fill = {"store": store, "days": 30, "every_s": found["every_s"]}
            filled = alternated([Contender(f"{name}, filled", MODULE, "fill", fill)], 1)
            found["readings"] = filled[f"{name}, filled"]["gave"][0]
            asked = Contender(name, MODULE, "read_fleet", {"store": store, "times": 21})
            found[name] = alternated([asked], 1)[name]["gave"][0]
    removed(path)
    return found


def compared(
    chosen: argparse.Namespace, store: str, bare: str, restore: Callable[[], None]
) -> Found:
    """Run every contender on `store`; give their events per second."""
    size = {"store": store, "events": chosen.events, "size": chosen.batch}
    scored = size | {"bundle": promoted_model(chosen.work)}

    def fresh() -> None:
        restore()
        if hasattr(os, "sync"):
            os.sync()

    contenders = [
        Contender(name, MODULE, function, arguments, fresh)
        for name, function, arguments in (
            (BARE, bare, size),
            (SAVE, "save", size),
            (OVERLAPPED, "ingest_overlapped", scored),
            (INGEST, "ingest", scored),
            (AGAIN, "save", size | {"again": True}),
            (PREPARE, "prepare", scored),
        )
    ]
    measures = alternated(contenders, chosen.rounds)
    counted = [measures[name]["contents"] for name in (BARE, SAVE, OVERLAPPED, INGEST, AGAIN)]
    if any(contents[0] != chosen.events for contents in counted):
        raise SystemExit(f"results differ: {counted}")
    rates = {
        name: [chosen.events / seconds for seconds in found["gave"]]
        for name, found in measures.items()
    }
    return {"events": chosen.events, "batch": chosen.batch, "events_per_s": rates}


@contextmanager
def postgres(work: Path) -> Iterator[PostgresServer]:
    """Run a durable server."""
    with PostgresServer(work / "postgres-events") as server:
        yield server


def removed(path: Path) -> None:
    """Remove a SQLite database and what may stand beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def programs() -> str:
    """Tell the version of PostgreSQL."""
    version = program_version([binaries() / "postgres", "--version"])
    return f"{version}, fsync on, shared_buffers 512 MB."


def shown_rates(found: Found) -> str:
    """Tell the size of the job, and tabulate the contenders."""
    job = f"{found['events']:,} events in batches of {found['batch']:,}."
    return f"{job}\n\n{rates_table(found['events_per_s'])}"


def rates_table(rates: dict[str, list[float]]) -> str:
    """Tabulate events per second, and their share of the bare statements', round by round."""
    lines = [
        "| | events/s: median (least to most) | of the bare statements | rounds |",
        "| --- | --- | --- | --- |",
    ]
    for name, found in rates.items():
        lines.append(
            f"| {name} | **{median(found):,.0f}** ({min(found):,.0f} to {max(found):,.0f}) "
            f"| {share(rates, name):.0%} | {len(found)} |"
        )
    return "\n".join(lines)


def share(rates: dict[str, list[float]], name: str) -> float:
    """Give the median, over the rounds, of a contender's rate as a share of the bare one's."""
    return median(ours / bare for ours, bare in zip(rates[name], rates[BARE], strict=True))


def targets(found: Found) -> list[Target]:
    """What a stream on two cores shall reach."""
    rates = found["events_per_s"]
    return [
        Target("messages to store, overlapped", median(rates[OVERLAPPED]), 50_000, False, "/s"),
        Target("of it, of the bare statements", share(rates, OVERLAPPED), 0.7, False),
        Target("store alone, of the bare statements", share(rates, SAVE), 0.7, False),
    ]


def shown_fleet(found: Found) -> str:
    """Tabulate the milliseconds of what a screen asks for."""
    lines = ["| | PostgreSQL, ms | SQLite, ms |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {found['PostgreSQL'][name]:.1f} | {found['SQLite'][name]:.1f} |"
        for name in found["PostgreSQL"]
    ]
    count = f"A reading every {found['every_s']} s: {found['readings']:,} readings."
    return "\n".join([count, "", *lines])


PAGE: Final = Page(
    "event_store",
    INTRODUCTION,
    PACKAGES,
    {
        "postgresql": Section("PostgreSQL", "", measure_postgresql, shown_rates, targets),
        "sqlite": Section("SQLite", "", measure_sqlite, shown_rates),
        "fleet": Section(
            "200 locomotives, 30 days",
            "Medians of 21 queries on a warm cache, inside one process, without HTTP.",
            measure_fleet,
            shown_fleet,
        ),
    },
    programs,
)

if __name__ == "__main__":
    raise SystemExit(main())
