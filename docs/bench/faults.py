"""Cuts runs of the ETL short in every way and writes faults.md: python docs/bench/faults.py.

Needs the root requirements, PostgreSQL 15's programs (PG_BIN or the PATH) and, for the full disk, a
Linux where it may mount a tmpfs. Cases shown before stay in faults.json; `--only a,b` repeats some,
and `--minutes` stops kills after a while: the same command goes on with those that are left. All of
it takes about half an hour on two idle cores. The exit code is 1 when a case does not hold, 4 when
kills are left.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from bench_page import program_version
from fault_cases import (
    Killing,
    Outcome,
    full_disks,
    kill_load,
    kill_report,
    locks,
    stopped_server,
)
from fault_desk import Desk, PostgresWarehouse, SqliteWarehouse, Warehouse, write_machines
from measuring import say
from postgres_server import PostgresServer, binaries
from sections import Found, Page, Section

SEED: Final = 2026
LOAD_ROWS: Final = 200_000
WORKERS: Final = 2
UNFINISHED: Final = 4


class Bench(argparse.Namespace):
    """What was asked for: where runs work, and how many are cut short; the faults found so far."""

    work: Path
    out: Path
    kills: int
    report_kills: int
    stops: int
    rows: int
    minutes: float
    faults: int = 0


class Progress:
    """The kills of one case so far, kept in a file, so that another run can go on with the rest."""

    def __init__(self, path: Path, minutes: float) -> None:
        self._path = path
        self._deadline_s = time.monotonic() + 60 * minutes
        self._lock = threading.Lock()
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.outcomes = {int(point): Outcome(**outcome) for point, outcome in known.items()}

    @property
    def is_late(self) -> bool:
        """Tell whether no more kill should begin."""
        return time.monotonic() > self._deadline_s

    def keep(self, point: int, outcome: Outcome) -> None:
        """Note what the kill at a point left."""
        with self._lock:
            self.outcomes[point] = outcome
            known = {str(at): vars(found) for at, found in self.outcomes.items()}
            self._path.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")

    def forget(self) -> None:
        """Remove the file of a case that is whole."""
        self._path.unlink(missing_ok=True)


class Unfinished(Exception):
    """Kills of a case are left for another run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Show the chosen cases and write the page."""
    parser = PAGE.parser()
    parser.add_argument("--kills", type=int, default=200, help="of the load, on each database")
    parser.add_argument("--report-kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=10, help="of the PostgreSQL server")
    parser.add_argument("--rows", type=int, default=LOAD_ROWS)
    parser.add_argument("--minutes", type=float, default=1e6, help="of kills, then go on later")
    bench = parser.parse_args(argv, Bench())
    try:
        PAGE.run(bench)
    except Unfinished as left:
        say(f"  {left}")
        return UNFINISHED
    return 1 if bench.faults else 0


def shown_in_a_folder(show: Callable[[Bench], list[Outcome]]) -> Callable[[Bench], Found]:
    """Give what measures a case: `show` works in a folder that is gone afterwards."""

    def measure(bench: Bench) -> Found:
        with tempfile.TemporaryDirectory(prefix="faults-", dir=bench.work) as folder:
            Path(folder).chmod(0o755)  # PostgreSQL's account has to enter it
            outcomes = show(Bench(**vars(bench) | {"work": Path(folder)}))
        bench.faults += sum(bool(outcome.fault) for outcome in outcomes)
        return {"outcomes": [vars(outcome) for outcome in outcomes]}

    return measure


@contextmanager
def desks(bench: Bench, kind: str) -> Iterator[list[Desk]]:
    """Give a desk for each worker, on warehouses of one kind."""
    machines = write_machines(bench.work / "machines.json", 200)
    folders = [bench.work / f"desk{number}" for number in range(WORKERS)]
    if kind == "sqlite":
        yield [Desk(folder, SqliteWarehouse(folder / "dwh"), machines) for folder in folders]
        return
    with PostgresServer(bench.work / "postgres", fsync=False) as server:
        warehouses: list[Warehouse] = [
            PostgresWarehouse(server, f"dwh{number}") for number in range(WORKERS)
        ]
        yield [
            Desk(folder, warehouse, machines)
            for folder, warehouse in zip(folders, warehouses, strict=True)
        ]


def killed(bench: Bench, name: str, count: int, make: Callable[[Desk], Killing]) -> list[Outcome]:
    """Kill `count` runs at points spread by the seed, two at a time; raises Unfinished."""
    progress = Progress(bench.out / f"faults-{name}.progress.json", bench.minutes)
    kind = name.rpartition("-")[2]
    shares = points(count)
    left = [point for point in range(count) if point not in progress.outcomes]
    with desks(bench, kind) as places, ThreadPoolExecutor(WORKERS) as pool:
        prepared = list(pool.map(make, places))
        say(f"  window: {[round(killing.window_s, 2) for killing in prepared]} s")
        lanes = [
            pool.submit(lane, killing, shares, left[number::WORKERS], progress)
            for number, killing in enumerate(prepared)
        ]
        for one in lanes:
            one.result()
    found = progress.outcomes
    if len(found) < count:
        raise Unfinished(f"{len(found)} kills of {count}; the same command goes on")
    progress.forget()
    return [found[point] for point in range(count)]


def lane(
    killing: Killing, shares: Sequence[float], places: Sequence[int], progress: Progress
) -> None:
    """Kill runs one after the other on one desk, at the points that are left to it."""
    for number, point in enumerate(places, start=1):
        if progress.is_late:
            return
        outcome = killing.at(shares[point], first_load=point // WORKERS % 2 == 1)
        progress.keep(point, outcome)
        if outcome.fault:
            say(f"  FAULT: {outcome}")
        if number % 10 == 0:
            moments = Counter(found.moment for found in progress.outcomes.values())
            say(f"  {len(progress.outcomes)}/{len(shares)}: {dict(moments)}")


def points(count: int) -> list[float]:
    """Give seeded shares of the window, from just before it to just after it, in random order."""
    chance = random.Random(SEED)  # noqa: S311 (no secret)
    shares = [(number + chance.random()) / count * 1.1 for number in range(count)]
    chance.shuffle(shares)
    return shares


def show_kills_of_loads(kind: str, bench: Bench) -> list[Outcome]:
    """Kill loads, every other one the first of its warehouse."""
    kill = partial(kill_load, rows=bench.rows, first_loads=True)
    return killed(bench, f"kill-load-{kind}", bench.kills, kill)


def show_kills_of_reports(kind: str, bench: Bench) -> list[Outcome]:
    """Kill reports."""
    kill = partial(kill_report, rows=bench.rows // 2)
    return killed(bench, f"kill-report-{kind}", bench.report_kills, kill)


def show_stops(bench: Bench) -> list[Outcome]:
    """Stop the server at random points of a load."""
    machines = write_machines(bench.work / "machines.json", 200)
    with PostgresServer(bench.work / "postgres") as server:
        desk = Desk(bench.work / "desk", PostgresWarehouse(server, "dwh"), machines)
        return stopped_server(desk, server, bench.rows, points(bench.stops))


def show_locks(bench: Bench) -> list[Outcome]:
    """Hold the warehouse for three seconds, and for ever."""
    with desks(bench, "sqlite") as places:
        outcomes = locks(places[0], bench.rows // 20)
    with desks(bench, "postgresql") as places:
        return outcomes + locks(places[0], bench.rows // 20)


def show_full_disks(bench: Bench) -> list[Outcome]:
    """Fill the disk of each file that a run writes."""
    machines = write_machines(bench.work / "machines.json", 200)
    return full_disks(bench.work, machines, bench.rows // 2)


def programs() -> str:
    """Tell the version of PostgreSQL."""
    return program_version([binaries() / "postgres", "--version"]) + "."


def outcomes_of(found: Found) -> list[Outcome]:
    """Give the outcomes that are kept as figures."""
    return [Outcome(**outcome) for outcome in found["outcomes"]]


def summary(found: Found) -> str:
    """Count the kills by where they fell and what they left."""
    outcomes = outcomes_of(found)
    lines = [
        "| the kill fell | kills | tables old | tables new | report old | report new | torn "
        "| next run completed, s (median) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for moment in dict.fromkeys(outcome.moment for outcome in sorted(outcomes, key=_order)):
        some = [outcome for outcome in outcomes if outcome.moment == moment]
        tables, reports = Counter(o.tables for o in some), Counter(o.report for o in some)
        completed = [o.next_run_s for o in some if o.next_run_s is not None and not o.fault]
        took = f"{median(completed):.1f}" if completed else "-"
        lines.append(
            f"| {moment} | {len(some)} | {tables['old']} | {tables['new']} | {reports['old']} "
            f"| {reports['new']} | {tables['torn'] + reports['torn']} "
            f"| {len(completed)} of {len(some)}, {took} |"
        )
    faults = [outcome for outcome in outcomes if outcome.fault]
    verdict = f"✗ {len(faults)} faults: {faults[0].fault}" if faults else "✓ every one held."
    more = sum(outcome.more_files for outcome in outcomes)
    beside = (
        f"Beside the workbooks of a next run: {more} other files (a rejects workbook that stood "
        "there is never replaced; the next one takes a number)."
    )
    return "\n".join([*lines, "", f"{verdict} {beside}"])


def listing(found: Found) -> str:
    """List each outcome with its exit code and its message."""
    lines = ["| what happened | code | tables | s | what the run said | |", "| --- " * 6 + "|"]
    for outcome in outcomes_of(found):
        lines.append(
            f"| {outcome.moment} | {outcome.code} | {outcome.tables} | {outcome.seconds:.1f} "
            f"| {outcome.said} | {f'✗ {outcome.fault}' if outcome.fault else '✓'} |"
        )
    return "\n".join(lines)


def _order(outcome: Outcome) -> int:
    return (
        ("before the transaction", "in the transaction", "after the commit").index(outcome.moment)
        if outcome.moment.endswith(("transaction", "commit"))
        else 9
    )


INTRODUCTION: Final = """# Runs cut short

Made by `docs/bench/faults.py` with a fixed seed; each outcome is in `faults.json`. After every
fault, the digest of every table and the bytes of the report are compared with those before the run
and with those of a run that nothing disturbed; then the same command runs again, and must end with
code 0 and the digests of the undisturbed run. A report that is not the old one byte for byte must
be a complete workbook: every part of the archive reads back and every sheet opens. A shorter form
of each case runs in the tests (`tests/faults/`). Streams of telemetry that are disturbed (Kafka,
MQTT, the event store) are in [stream_faults.md](stream_faults.md)."""

CASES: Final = {
    "kill-load-sqlite": Section(
        "Kill -9 during the load, SQLite",
        "Runs of an export of 200,000 lines (corrections, new rows, repeats, one faulty in a "
        "hundred), killed at points spread evenly, in random order, from the moment when the "
        "machine list is read to a tenth past the end of the load; every other run is the first "
        "load of a new warehouse. “In the transaction”: SQLite's journal stood on the disk.",
        shown_in_a_folder(partial(show_kills_of_loads, "sqlite")),
        summary,
    ),
    "kill-load-postgresql": Section(
        "Kill -9 during the load, PostgreSQL",
        "The same on PostgreSQL. “In the transaction”: the server saw one open just before.",
        shown_in_a_folder(partial(show_kills_of_loads, "postgresql")),
        summary,
    ),
    "kill-report-sqlite": Section(
        "Kill -9 during the report, SQLite",
        "Runs on a warehouse of 100,000 transactions, killed while they write their workbooks.",
        shown_in_a_folder(partial(show_kills_of_reports, "sqlite")),
        summary,
    ),
    "kill-report-postgresql": Section(
        "Kill -9 during the report, PostgreSQL",
        "The same on PostgreSQL.",
        shown_in_a_folder(partial(show_kills_of_reports, "postgresql")),
        summary,
    ),
    "full-disk": Section(
        "Full disk",
        "The warehouse, the temporary files, the report and the server's tablespace each stand on "
        "a tmpfs that is too small; after the failure it grows and the same command runs again.",
        shown_in_a_folder(show_full_disks),
        listing,
    ),
    "locks": Section(
        "Warehouse held by another program",
        "Another process holds the SQLite file or the PostgreSQL table for three seconds, or for "
        "as long as the run lasts.",
        shown_in_a_folder(show_locks),
        listing,
    ),
    "postgresql-stop": Section(
        "PostgreSQL stopped in mid-load",
        "`pg_ctl stop -m immediate` at random points of the load, then a restart.",
        shown_in_a_folder(show_stops),
        listing,
    ),
}
PAGE: Final = Page(
    "faults",
    INTRODUCTION,
    ("pandas", "pyarrow", "adbc-driver-sqlite", "adbc-driver-postgresql"),
    CASES,
    programs,
    rounds=0,
)

if __name__ == "__main__":
    raise SystemExit(main())
