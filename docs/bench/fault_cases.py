"""The ways in which a run is cut short, and what must hold afterwards."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import adbc_driver_postgresql.dbapi
from fault_desk import (
    LAUNCHER,
    LOADING,
    REPORTING,
    Desk,
    Digest,
    End,
    PostgresWarehouse,
    SqliteWarehouse,
    Warehouse,
    write_export,
)
from postgres_server import PostgresServer
from small_disk import small_disk

ONE_DAY: Final = ("--from", "2026-01-01", "--to", "2026-01-01")
"""Keeps the report of a load small: kills of the load are not about it."""
FULL: Final = "plein"
UNCHANGED: Final = "Rien n'a été modifié"
DONE, FAILED, INCOMPLETE = 0, 1, 3
_HOLDER: Final = (
    "import sqlite3, sys\n"
    "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "connection.execute('BEGIN EXCLUSIVE')\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()"
)
_LIMITED: Final = (
    "import resource, runpy, sys\n"
    "size = int(sys.argv[1])\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
    "sys.argv[:] = sys.argv[2:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


@dataclass(frozen=True)
class Outcome:
    """What one fault left; `fault` says what should not be, and is empty when all held.

    `tables` and `report` are "old", "new" or "torn"; `code` is None for a killed run.
    """

    moment: str
    tables: str
    report: str
    fault: str = ""
    code: int | None = None
    seconds: float = 0.0
    said: str = ""
    next_run_s: float | None = None
    more_files: int = 0


@dataclass(frozen=True)
class Scenario:
    """A saved state, and the digests after one and two undisturbed runs of the same command."""

    state: str
    report: bytes | None
    old: Digest
    new: Digest
    again: Digest


@dataclass(frozen=True)
class Killing:
    """Runs of one command that can be killed at any share of a window that `mark` opens."""

    desk: Desk
    export: Path
    options: tuple[str, ...]
    mark: str
    window_s: float
    scenarios: tuple[Scenario, ...]

    def at(self, share: float, first_load: bool = False) -> Outcome:
        """Kill one run at that share of the window, look, and run the command again."""
        scenario = self.scenarios[-1 if first_load else 0]
        desk = self.desk
        restored(desk, scenario)
        run = desk.start(self.export, *self.options)
        opened = run.said(self.mark)
        if opened is not None:
            time.sleep(max(opened + share * self.window_s - time.monotonic(), 0))
        in_transaction = desk.warehouse.in_transaction()
        is_writing = bool(desk.more_files())
        run.kill()
        end = run.wait()
        desk.warehouse.settle()
        tables, report = tables_state(desk, scenario), desk.report_state(scenario.report)
        moment = (
            load_moment(tables, in_transaction)
            if self.mark == LOADING
            else report_moment(report, is_writing)
        )
        fault = (
            ""
            if is_whole(tables, report)
            else shown(f"{tables} tables, {report} report: {end.said[-400:]}")
        )
        again, what = next_run(self, scenario, tables)
        return Outcome(
            moment,
            tables,
            report,
            fault or what,
            None,
            0.0,
            "",
            again.seconds,
            len(desk.more_files()),
        )


def load_moment(tables: str, in_transaction: bool) -> str:
    """Say where a kill of the load fell."""
    if tables == "new":
        return "after the commit"
    return "in the transaction" if in_transaction else "before the transaction"


def report_moment(report: str, is_writing: bool) -> str:
    """Say where a kill of the report fell."""
    if report == "new":
        return "with the report in place"
    return "with a draft on the disk" if is_writing else "before a draft stood on the disk"


def is_whole(tables: str, report: str) -> bool:
    """Tell whether what is left is a state that a reader may meet."""
    return "torn" not in (tables, report) and (tables, report) != ("old", "new")


def tables_state(desk: Desk, scenario: Scenario) -> str:
    """Compare the tables with those before and after an undisturbed run."""
    found = desk.warehouse.digest()
    states = {"old": scenario.old, "new": scenario.new}
    return next((name for name, digest in states.items() if found == digest), "torn")


def next_run(killing: Killing, scenario: Scenario, tables: str) -> tuple[End, str]:
    """Run the same command undisturbed; give its end, and what should not be."""
    desk = killing.desk
    end = desk.run(killing.export, *killing.options)
    expected = scenario.new if tables == "old" else scenario.again
    if end.code != DONE:
        return end, f"the next run ended with code {end.code}: {last_line(end)}"
    found = desk.warehouse.digest()
    if found != expected:
        different = [name for name in expected if found.get(name) != expected[name]]
        return end, f"the next run left other rows in {different}"
    if desk.report_state(scenario.report) != "new":
        return end, "the next run left no new report"
    return end, ""


def restored(desk: Desk, scenario: Scenario) -> None:
    """Put the warehouse and the report back."""
    desk.warehouse.restore(scenario.state)
    desk.put_back_report(scenario.report)


def last_line(end: End) -> str:
    """Give the last thing that a run said, fit for a table."""
    lines = end.said.strip().splitlines()
    return shown(re.sub(r"^[A-Z]+ *\| ", "", lines[-1])) if lines else ""


def shown(text: str) -> str:
    """Make a message fit for a table: on one line, files without the folders of this machine."""
    return " ".join(re.sub(r"(?<![\w:/])/\S+/", "", text).split()).replace("|", "/")


# --- Kills --------------------------------------------------------------------------------------


def kill_load(desk: Desk, rows: int, first_loads: bool = False) -> Killing:
    """Prepare kills of a load of `rows` lines, onto a tenth of them or also as a first load."""
    base = write_export(desk.folder / "base.csv", 0, rows // 10)
    export = write_export(desk.folder / "erp.csv", rows // 20, rows, revision=1)
    desk.warehouse.restore("absent")
    checked_run(desk, base, *ONE_DAY)
    desk.warehouse.save("base")
    existing, window_s = observed(desk, "base", desk.report.read_bytes(), export, ONE_DAY)
    scenarios = [existing]
    if first_loads:
        scenarios.append(observed(desk, "absent", None, export, ONE_DAY)[0])
    return Killing(desk, export, ONE_DAY, LOADING, window_s, tuple(scenarios))


def kill_report(desk: Desk, rows: int) -> Killing:
    """Prepare kills of the report of a warehouse of `rows` transactions."""
    base = write_export(desk.folder / "base.csv", 0, rows)
    export = write_export(desk.folder / "erp.csv", 0, 200)
    desk.warehouse.restore("absent")
    checked_run(desk, base)
    desk.warehouse.save("base")
    scenario, window_s = observed(desk, "base", desk.report.read_bytes(), export, (), REPORTING)
    return Killing(desk, export, (), REPORTING, window_s, (scenario,))


def observed(
    desk: Desk,
    state: str,
    report: bytes | None,
    export: Path,
    options: tuple[str, ...],
    mark: str = LOADING,
) -> tuple[Scenario, float]:
    """Run the command twice undisturbed from a saved state; give what is left and the window."""
    desk.warehouse.restore(state)
    desk.put_back_report(report)
    old = desk.warehouse.digest()
    run = desk.start(export, *options)
    opened, committed = run.said(mark), run.said(REPORTING)
    end = run.wait()
    closed = committed if mark == LOADING else time.monotonic()
    if end.code != DONE or opened is None or closed is None:
        raise RuntimeError(f"code {end.code}: {end.said}")
    new = desk.warehouse.digest()
    checked_run(desk, export, *options)
    return Scenario(state, report, old, new, desk.warehouse.digest()), closed - opened


def checked_run(desk: Desk, export: Path, *options: str) -> End:
    """Run a command that must end well."""
    end = desk.run(export, *options)
    if end.code != DONE:
        raise RuntimeError(f"code {end.code}: {end.said}")
    desk.warehouse.settle()
    return end


# --- Failures that the run itself tells ---------------------------------------------------------


def judged(
    moment: str, killing: Killing, scenario: Scenario, end: End, needs: str, code: int = FAILED
) -> Outcome:
    """Compare a failed run with what it must be, then let the next run complete."""
    desk = killing.desk
    tables, report = tables_state(desk, scenario), desk.report_state(scenario.report)
    wanted = "old" if code == FAILED else "new"
    fault = ""
    if (end.code, tables) != (code, wanted):
        fault = shown(f"code {end.code}, {tables} tables: {end.said[-400:]}")
    elif needs not in end.said or "Traceback" in end.said:
        fault = shown(f"the message does not say « {needs} »: {end.said[-400:]}")
    elif not is_whole(tables, report):
        fault = f"{report} report"
    return Outcome(moment, tables, report, fault, end.code, end.seconds, last_line(end))


def completed(killing: Killing, scenario: Scenario, outcome: Outcome) -> Outcome:
    """Add what the next run does."""
    end, what = next_run(killing, scenario, outcome.tables)
    return replace(outcome, next_run_s=end.seconds, fault=outcome.fault or what)


def locks(desk: Desk, rows: int, held_s: float = 3.0) -> list[Outcome]:
    """Hold the warehouse for a while, then for as long as a run lasts."""
    killing = kill_load(desk, rows)
    scenario = killing.scenarios[0]
    return [
        held_for_a_while(killing, scenario, held_s),
        held_for_ever(killing, scenario),
    ]


def held_for_a_while(killing: Killing, scenario: Scenario, held_s: float) -> Outcome:
    """The run waits for the other program, then succeeds."""
    desk = killing.desk
    restored(desk, scenario)
    with held(desk.warehouse) as free:
        run = desk.start(killing.export, *killing.options)
        run.said(LOADING)
        time.sleep(held_s)
        waited = not run.is_over()
        free()
        end = run.wait()
    moment = f"{name(desk)} held for {held_s:g} s"
    outcome = judged(moment, killing, scenario, end, "", DONE)
    return (
        outcome if waited else replace(outcome, fault=shown(f"it did not wait: {end.said[-400:]}"))
    )


def held_for_ever(killing: Killing, scenario: Scenario) -> Outcome:
    """The run gives up, says why, and changes nothing."""
    desk = killing.desk
    restored(desk, scenario)
    with held(desk.warehouse):
        end = desk.run(killing.export, *killing.options)
    outcome = judged(f"{name(desk)} held for ever", killing, scenario, end, "verrouillé")
    return completed(killing, scenario, outcome)


def name(desk: Desk) -> str:
    """Name the warehouse of a desk."""
    return "PostgreSQL" if isinstance(desk.warehouse, PostgresWarehouse) else "SQLite"


@contextmanager
def held(warehouse: Warehouse) -> Iterator[Callable[[], None]]:
    """Hold a warehouse from outside; the function given lets it go."""
    if isinstance(warehouse, PostgresWarehouse):
        with adbc_driver_postgresql.dbapi.connect(warehouse.url) as connection:
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE fact_transactions IN ACCESS EXCLUSIVE MODE")
            yield connection.rollback
        return
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, warehouse.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        if holder.stdout:
            holder.stdout.readline()
        yield lambda: (holder.communicate(), None)[1]


def stopped_server(
    desk: Desk, server: PostgresServer, rows: int, shares: Sequence[float]
) -> list[Outcome]:
    """Crash the server at each share of a load, and start it again."""
    killing = kill_load(desk, rows)
    return [stopped_at(killing, server, share) for share in sorted(shares)]


def stopped_at(killing: Killing, server: PostgresServer, share: float) -> Outcome:
    """Crash the server under one run."""
    desk, scenario = killing.desk, killing.scenarios[0]
    restored(desk, scenario)
    run = desk.start(killing.export, *killing.options)
    opened = run.said(LOADING) or time.monotonic()
    time.sleep(max(opened + share * killing.window_s - time.monotonic(), 0))
    server.stop("immediate")
    end = run.wait()
    server.start()
    desk.warehouse.settle()
    code = end.code if end.code in (DONE, INCOMPLETE) else FAILED
    needs = UNCHANGED if code == FAILED else ""
    moment = f"server stopped at {share:.0%} of the load"
    outcome = judged(moment, killing, scenario, end, needs, code)
    return completed(killing, scenario, outcome)


def full_disks(work: Path, machines: Path, rows: int) -> list[Outcome]:
    """Fill the disk under each thing that a run writes."""
    return [
        full_warehouse(work / "a", machines, rows),
        full_tablespace(work / "b", machines, rows),
        full_temporary(work / "c", machines, rows),
        full_reports(work / "d", machines, rows),
    ]


def full_warehouse(folder: Path, machines: Path, rows: int) -> Outcome:
    """Leave two megabytes beside the SQLite file."""
    with small_disk(folder / "disk") as resize:
        killing = kill_load(Desk(folder, SqliteWarehouse(folder / "disk" / "dwh"), machines), rows)
        scenario = killing.scenarios[0]
        restored(killing.desk, scenario)
        resize(used_bytes(folder / "disk") + (2 << 20))
        end = killing.desk.run(killing.export, *killing.options)
        outcome = judged("disk of the SQLite file", killing, scenario, end, FULL)
        resize(1 << 30)
        return completed(killing, scenario, outcome)


def full_tablespace(folder: Path, machines: Path, rows: int) -> Outcome:
    """Leave two megabytes in the tablespace of the PostgreSQL database."""
    with (
        small_disk(folder / "disk") as resize,
        PostgresServer(folder / "postgres") as server,
    ):
        server.tablespace("small", folder / "disk" / "space")
        server.execute("ALTER DATABASE template1 SET TABLESPACE small")
        desk = Desk(folder, PostgresWarehouse(server, "dwh"), machines)
        killing = kill_load(desk, rows)
        scenario = killing.scenarios[0]
        restored(desk, scenario)
        server.execute("CHECKPOINT")
        resize(used_bytes(folder / "disk") + (2 << 20))
        end = desk.run(killing.export, *killing.options)
        desk.warehouse.settle()
        resize(1 << 30)
        outcome = judged("disk of the PostgreSQL tables", killing, scenario, end, FULL)
        return completed(killing, scenario, outcome)


def full_temporary(folder: Path, machines: Path, rows: int) -> Outcome:
    """Leave 64 kB to temporary files: a run that needs more says so, whole either way."""
    with small_disk(folder / "disk") as resize:
        warehouse = SqliteWarehouse(folder / "dwh")
        killing = kill_load(Desk(folder, warehouse, machines), rows)
        scenario = killing.scenarios[0]
        resize(64 << 10)
        temporary = dict.fromkeys(("TMPDIR", "SQLITE_TMPDIR"), str(folder / "disk"))
        short = replace_environ(killing.desk, temporary)
        restored(killing.desk, scenario)
        end = short.run(killing.export)
        needs = "" if end.code == DONE else FULL
        outcome = judged("disk of temporary files", killing, scenario, end, needs, end.code)
        return completed(replace(killing, options=()), scenario, outcome)


def full_reports(folder: Path, machines: Path, rows: int) -> Outcome:
    """Leave 32 kB to the report."""
    with small_disk(folder / "disk") as resize:
        folder.mkdir(exist_ok=True)
        (folder / "reports").symlink_to(folder / "disk", target_is_directory=True)
        desk = Desk(folder, SqliteWarehouse(folder / "dwh"), machines)
        killing = kill_load(desk, rows)
        scenario = killing.scenarios[0]
        restored(desk, scenario)
        resize(used_bytes(folder / "disk") + (32 << 10))
        end = desk.run(killing.export)
        outcome = judged("disk of the report", killing, scenario, end, FULL, INCOMPLETE)
        if outcome.report != "old":
            outcome = replace(outcome, fault=outcome.fault or f"{outcome.report} report")
        resize(1 << 30)
        return completed(replace(killing, options=()), scenario, outcome)


def limited_desk(desk: Desk, file_bytes: int) -> Desk:
    """Give a desk whose runs can write no file longer than this (POSIX)."""
    launcher = ("-c", _LIMITED, str(file_bytes), str(LAUNCHER))
    return replace(desk, launcher=launcher)


def replace_environ(desk: Desk, changes: dict[str, str]) -> Desk:
    """Give a desk whose runs see other variables."""
    return replace(desk, environ=desk.environ | changes)


def used_bytes(folder: Path) -> int:
    """Add up the files below a folder, in whole blocks."""
    pages = (-(-path.stat().st_size // 4096) for path in folder.rglob("*") if path.is_file())
    return 4096 * sum(pages)
