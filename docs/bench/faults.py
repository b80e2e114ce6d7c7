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
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench_page import machine, program_version
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

HERE: Final = Path(__file__).parent
SEED: Final = 2026
LOAD_ROWS: Final = 200_000
REPORT_ROWS: Final = 100_000
WORKERS: Final = 2
UNFINISHED: Final = 4
Found = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """Where runs work, and how many are cut short."""

    work: Path
    kills: int
    report_kills: int
    stops: int
    rows: int
    progress: "Progress"


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


@dataclass(frozen=True)
class Case:
    """One way to cut runs short."""

    title: str
    text: str
    show: Callable[[Bench], list[Outcome]]


def main(argv: Sequence[str] | None = None) -> int:
    """Show the chosen cases and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help=f"cases, among {','.join(CASES)}")
    parser.add_argument("--kills", type=int, default=200, help="of the load, on each database")
    parser.add_argument("--report-kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=10, help="of the PostgreSQL server")
    parser.add_argument("--rows", type=int, default=LOAD_ROWS)
    parser.add_argument("--minutes", type=float, default=1e6, help="of kills, then go on later")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of faults.json, faults.md")
    chosen = parser.parse_args(argv)
    results = chosen.out / "faults.json"
    known: Found = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    held = True
    for name in chosen.only.split(",") if chosen.only else CASES:
        say(f"{name}: {CASES[name].title}")
        with tempfile.TemporaryDirectory(prefix="camrail-faults-") as folder:
            Path(folder).chmod(0o755)
            progress = Progress(chosen.out / f"faults-{name}.progress.json", chosen.minutes)
            bench = Bench(
                Path(folder), chosen.kills, chosen.report_kills, chosen.stops, chosen.rows, progress
            )
            try:
                outcomes = CASES[name].show(bench)
            except Unfinished as left:
                say(f"  {left}")
                return UNFINISHED
        known[name] = {
            "outcomes": [vars(outcome) for outcome in outcomes],
            "measured_on": f"{date.today():%Y-%m-%d}",
        }
        progress.forget()
        held = held and not any(outcome.fault for outcome in outcomes)
        results.write_text(json.dumps(known, indent=0, ensure_ascii=False), encoding="utf-8")
        (chosen.out / "faults.md").write_text(page(known), encoding="utf-8")
    return 0 if held else 1


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


def killed(bench: Bench, kind: str, count: int, make: Callable[[Desk], Killing]) -> list[Outcome]:
    """Kill `count` runs at points spread by the seed, two at a time; raises Unfinished."""
    shares = points(count)
    left = [point for point in range(count) if point not in bench.progress.outcomes]
    with desks(bench, kind) as places, ThreadPoolExecutor(WORKERS) as pool:
        prepared = list(pool.map(make, places))
        say(f"  window: {[round(killing.window_s, 2) for killing in prepared]} s")
        lanes = [
            pool.submit(lane, killing, shares, left[number::WORKERS], bench.progress)
            for number, killing in enumerate(prepared)
        ]
        for one in lanes:
            one.result()
    found = bench.progress.outcomes
    if len(found) < count:
        raise Unfinished(f"{len(found)} kills of {count}; the same command goes on")
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


def page(known: Found) -> str:
    """Write the whole page from what has been shown."""
    parts = [
        INTRODUCTION,
        machine(("pandas", "pyarrow", "adbc-driver-sqlite", "adbc-driver-postgresql")),
        program_version([binaries() / "postgres", "--version"]) + ".",
    ]
    for name, case in CASES.items():
        if name in known:
            found = known[name]
            outcomes = [Outcome(**outcome) for outcome in found["outcomes"]]
            table = summary(outcomes) if name.startswith("kill") else listing(outcomes)
            end = f"{found['measured_on']}: `--only {name}`."
            parts += [f"## {case.title}", case.text, table, end]
    return "\n\n".join(parts) + "\n"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Count the kills by where they fell and what they left."""
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


def listing(outcomes: Sequence[Outcome]) -> str:
    """List each outcome with its exit code and its message."""
    lines = ["| what happened | code | tables | s | what the run said | |", "| --- " * 6 + "|"]
    for outcome in outcomes:
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
    "kill-load-sqlite": Case(
        "Kill -9 during the load, SQLite",
        "Runs of an export of 200,000 lines (corrections, new rows, repeats, one faulty in a "
        "hundred), killed at points spread evenly, in random order, from the moment when the "
        "machine list is read to a tenth past the end of the load; every other run is the first "
        "load of a new warehouse. “In the transaction”: SQLite's journal stood on the disk.",
        lambda bench: killed(
            bench, "sqlite", bench.kills, lambda desk: kill_load(desk, bench.rows, first_loads=True)
        ),
    ),
    "kill-load-postgresql": Case(
        "Kill -9 during the load, PostgreSQL",
        "The same on PostgreSQL. “In the transaction”: the server saw one open just before.",
        lambda bench: killed(
            bench,
            "postgresql",
            bench.kills,
            lambda desk: kill_load(desk, bench.rows, first_loads=True),
        ),
    ),
    "kill-report-sqlite": Case(
        "Kill -9 during the report, SQLite",
        "Runs on a warehouse of 100,000 transactions, killed while they write their workbooks.",
        lambda bench: killed(
            bench, "sqlite", bench.report_kills, lambda desk: kill_report(desk, bench.rows // 2)
        ),
    ),
    "kill-report-postgresql": Case(
        "Kill -9 during the report, PostgreSQL",
        "The same on PostgreSQL.",
        lambda bench: killed(
            bench, "postgresql", bench.report_kills, lambda desk: kill_report(desk, bench.rows // 2)
        ),
    ),
    "full-disk": Case(
        "Full disk",
        "The warehouse, the temporary files, the report and the server's tablespace each stand on "
        "a tmpfs that is too small; after the failure it grows and the same command runs again.",
        show_full_disks,
    ),
    "locks": Case(
        "Warehouse held by another program",
        "Another process holds the SQLite file or the PostgreSQL table for three seconds, or for "
        "as long as the run lasts.",
        show_locks,
    ),
    "postgresql-stop": Case(
        "PostgreSQL stopped in mid-load",
        "`pg_ctl stop -m immediate` at random points of the load, then a restart.",
        show_stops,
    ),
}

if __name__ == "__main__":
    raise SystemExit(main())
