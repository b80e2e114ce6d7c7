"""Measures the ETL against its peers and writes etl.md: python docs/bench/etl.py [--only a,b].

Needs the root requirements and docs/bench/requirements.txt, PostgreSQL 15's programs (PG_BIN or the
PATH) and Java 17. Sections already measured stay in etl.json, from which the page is written, so
that a section can be measured again alone. Data go to the folder of --work; the sections follow
each other in about half an hour on two cores.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench_page import Target, measures_table, program_version
from erp_files import Fleet, Ledger, write_soiled, write_workbook
from loopback import free_port
from measuring import Contender, alternated, environment, gathered, say, typical
from postgres_server import PostgresServer, binaries
from sections import Found, Page, Section

MILLION: Final = 1_000_000
DAYS_OF_THREE_YEARS: Final = 3 * 365
YEARLY: Final = Ledger(rows_per_day=MILLION / 365)
DENSE: Final = Ledger(rows_per_day=10 * MILLION / DAYS_OF_THREE_YEARS)
MONTH_ROWS: Final = 30 * 10 * MILLION // DAYS_OF_THREE_YEARS
SQLITE_LEFTOVERS: Final = ("", "-wal", "-shm", "-journal")
PACKAGES: Final = (
    "pandas",
    "pyarrow",
    "adbc-driver-sqlite",
    "adbc-driver-postgresql",
    "polars",
    "duckdb",
    "psycopg",
    "openpyxl",
    "XlsxWriter",
    "fastexcel",
    "python-calamine",
    "distributed",
    "pyspark",
)


class Bench(argparse.Namespace):
    """Where data go, how many rows the largest table has, and how often each job runs."""

    work: Path
    rounds: int
    scale: float

    def rows(self, full: int) -> int:
        """Give the number of rows at this scale."""
        return max(int(full * self.scale), 100)

    def file(self, name: str, make: Callable[[Path], None]) -> Path:
        """Give a data file, made the first time; its name holds its size."""
        path = self.work / name
        if not path.exists():
            say(f"  making {name}")
            make(path)
        return path

    def machines(self) -> Path:
        """Give the list of 2,000 machines."""
        return self.file("machines.json", Fleet().write)

    def export(self, ledger: Ledger, rows: int) -> Path:
        """Give an export of so many rows."""
        name = f"erp-{ledger.rows_per_day:.0f}-{rows}.csv"
        return self.file(name, lambda path: ledger.write(path, rows))

    @contextlib.contextmanager
    def postgres(self) -> Iterator[PostgresServer]:
        """Run a durable server."""
        with PostgresServer(self.work / "postgres") as server:
            yield server


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen sections and write the page."""
    parser = PAGE.parser()
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows, for a trial")
    return PAGE.run(parser.parse_args(argv, Bench()))


def programs() -> str:
    """Tell the versions of PostgreSQL and Java."""
    postgres = program_version([binaries() / "postgres", "--version"])
    java = program_version(["java", "-version"])
    return f"{postgres}, fsync on, shared_buffers 512 MB. {java}."


def jobs(found: Found) -> str:
    """Tabulate the rounds of each contender."""
    return measures_table(found["measures"])


def ratio(found: Found, numerator: str, denominator: str) -> float:
    """Divide the median seconds of two contenders."""
    measures = found["measures"]
    return typical(measures[numerator]) / typical(measures[denominator])


def peak(found: Found, name: str) -> float:
    """Give the largest memory of a contender, MB."""
    return float(max(found["measures"][name]["peak_mb"]))


def removed(path: Path) -> None:
    """Remove a database file and what may stand beside it."""
    for suffix in SQLITE_LEFTOVERS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def copied(source: Path, target: Path) -> None:
    """Put a copy in place, written to the disk before the clock starts."""
    removed(target)
    shutil.copyfile(source, target)
    synced()


def synced() -> None:
    """Empty the system's write cache, so that no job pays for an earlier one."""
    if hasattr(os, "sync"):
        os.sync()


def same_contents(found: Found, *names: str) -> None:
    """Stop when two contenders did not do the same job."""
    seen = {name: found["measures"][name]["contents"] for name in names}
    expected = [float(value) for value in next(iter(seen.values()))]
    for name, values in seen.items():
        close = [
            abs(float(a) - b) <= 1 + 1e-9 * abs(b) for a, b in zip(values, expected, strict=False)
        ]
        if not all(close):
            raise SystemExit(f"results differ: {name} {values}, wanted {expected}")


# --- CSV into SQLite ----------------------------------------------------------------------------


def measure_sqlite_load(bench: Bench) -> Found:
    """Load a million rows into fresh files."""
    erp, machines = bench.export(YEARLY, bench.rows(MILLION)), bench.machines()
    dwh = bench.work / "load.db"

    def contender(name: str, module: str, function: str, source: Path = erp) -> Contender:
        arguments = {"erp": str(source), "machines": str(machines), "dwh": str(dwh)}
        return Contender(name, module, function, arguments, lambda: (removed(dwh), synced())[0])

    soiled = bench.file(f"soiled-{erp.name}", lambda path: write_soiled(path, erp, 100))
    contenders = [
        contender("ours", "ours.py", "load"),
        contender("ours, one row in 100 faulty", "ours.py", "load", soiled),
        contender("pandas as usually written", "pandas_plain.py", "load"),
        contender("Polars + ADBC", "polars_adbc.py", "load"),
        contender("DuckDB, own file, key and index", "duckdb_own.py", "load"),
        contender("DuckDB, own file, no key", "duckdb_own.py", "load_bare"),
    ]
    found = {"measures": alternated(contenders, bench.rounds)}
    same_contents(found, "pandas as usually written", "ours", "Polars + ADBC")
    same_contents(found, "ours", "DuckDB, own file, key and index", "DuckDB, own file, no key")
    return found


def targets_sqlite_load(found: Found) -> list[Target]:
    """Compare with pandas, Polars and DuckDB."""
    keyed, bare = "DuckDB, own file, key and index", "DuckDB, own file, no key"
    return [
        Target(
            "times as fast as plain pandas",
            ratio(found, "pandas as usually written", "ours"),
            4,
            False,
        ),
        Target("times as fast as Polars", ratio(found, "Polars + ADBC", "ours"), 0.9, False),
        Target("time, of DuckDB's with key and index", ratio(found, "ours", keyed), 2, True),
        Target("time, of DuckDB's without any key", ratio(found, "ours", bare), 2, True),
        Target("peak memory", peak(found, "ours"), 700, True, "MB"),
    ]


# --- CSV into PostgreSQL ------------------------------------------------------------------------


def measure_postgres_load(bench: Bench) -> Found:
    """Load the same rows into PostgreSQL, and COPY them bare."""
    erp, machines = bench.export(YEARLY, bench.rows(MILLION)), bench.machines()
    facts = bench.work / f"facts-{erp.stem}.copy"
    with bench.postgres() as server:
        url = server.url("bench")

        def fresh() -> None:
            server.fresh_database("bench")
            synced()

        ours = Contender(
            "ours",
            "ours.py",
            "load",
            {"erp": str(erp), "machines": str(machines), "dwh": url},
            fresh,
        )
        if not facts.exists():
            alternated([ours], 1)
            exported(url, facts)
        copies = [
            Contender(name, "postgres_copy.py", function, {"file": str(file), "dwh": url}, fresh)
            for name, function, file in (
                ("COPY of the fact rows, key, index", "copy_fact_rows", facts),
                ("COPY of the ERP's file, key, index", "copy_erp_file", erp),
            )
        ]
        return {"measures": alternated([ours, *copies], bench.rounds)}


def exported(url: str, path: Path) -> None:
    """Let PostgreSQL write its fact rows to a file, in COPY's own format."""
    import psycopg

    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY fact_transactions TO STDOUT") as copy,
        path.open("wb") as out,
    ):
        for block in copy:
            out.write(block)


def targets_postgres_load(found: Found) -> list[Target]:
    """Compare with a bare COPY."""
    copy = "COPY of the fact rows, key, index"
    return [
        Target("time, of a bare COPY of the same rows", ratio(found, "ours", copy), 1.5, True),
        Target("peak memory", peak(found, "ours"), 700, True, "MB"),
    ]


# --- The report ---------------------------------------------------------------------------------


def measure_report(bench: Bench) -> Found:
    """Write the report of 100,000 and of a million transactions."""
    report = bench.work / "report.xlsx"

    def contender(name: str, module: str, function: str, dwh: Path) -> Contender:
        arguments = {"dwh": str(dwh), "report": str(report)}
        return Contender(name, module, function, arguments, lambda: report.unlink(missing_ok=True))

    small = loaded_sqlite(bench, YEARLY, bench.rows(MILLION // 10))
    large = loaded_sqlite(bench, YEARLY, bench.rows(MILLION))
    measures = alternated(
        [
            contender("ours, 100,000", "ours.py", "report", small),
            contender("pandas + openpyxl, 100,000", "excel_plain.py", "dump", small),
        ],
        bench.rounds,
    )
    many = contender("ours, 1,000,000", "ours.py", "report", large)
    return {"measures": measures | alternated([many], max(bench.rounds // 2, 1))}


def loaded_sqlite(bench: Bench, ledger: Ledger, rows: int) -> Path:
    """Give a warehouse that holds an export of so many rows."""
    erp, machines = bench.export(ledger, rows), bench.machines()

    def make(path: Path) -> None:
        draft = path.with_name("draft.db")
        removed(draft)
        arguments = {"erp": str(erp), "machines": str(machines), "dwh": str(draft)}
        alternated([Contender(f"loading {rows}", "ours.py", "load", arguments)], 1)
        draft.rename(path)

    return bench.file(f"{erp.stem}.db", make)


def targets_report(found: Found) -> list[Target]:
    """Compare with pandas + openpyxl, and bound the memory."""
    return [
        Target(
            "times as fast as pandas + openpyxl's plain dump",
            ratio(found, "pandas + openpyxl, 100,000", "ours, 100,000"),
            6,
            False,
        ),
        Target("peak memory, 1,000,000", peak(found, "ours, 1,000,000"), 700, True, "MB"),
    ]


# --- Reading a workbook -------------------------------------------------------------------------


def measure_excel_read(bench: Bench) -> Found:
    """Read a workbook of 100,000 rows."""
    rows = bench.rows(MILLION // 10)
    book = bench.file(f"erp-{rows}.xlsx", lambda path: write_workbook(path, YEARLY, rows))
    contenders = [
        Contender(name, module, function, {"workbook": str(book)})
        for name, module, function in (
            ("ours", "ours.py", "read_workbook"),
            ("pandas + openpyxl", "excel_plain.py", "read_openpyxl"),
            ("calamine alone, to Arrow", "excel_plain.py", "read_calamine_arrow"),
            ("calamine alone, to Python lists", "excel_plain.py", "read_calamine_rows"),
        )
    ]
    return {"measures": alternated(contenders, bench.rounds)}


def targets_excel_read(found: Found) -> list[Target]:
    """Compare with openpyxl and with calamine alone."""
    return [
        Target(
            "times as fast as pandas + openpyxl",
            ratio(found, "pandas + openpyxl", "ours"),
            8,
            False,
        ),
        *(
            Target(f"time, of {name}", ratio(found, "ours", name), 1.5, True)
            for name in ("calamine alone, to Python lists", "calamine alone, to Arrow")
        ),
    ]


# --- Upserts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UpsertCase:
    """One table size, and how far back the corrected rows lie."""

    name: str
    known: int
    among: int
    share_of_rounds: float = 1.0


def upsert_cases(bench: Bench) -> list[UpsertCase]:
    """List what is compared: a month back at both sizes, and the worst case."""
    small, large = bench.rows(MILLION), bench.rows(10 * MILLION)
    month = min(bench.rows(MONTH_ROWS), small)
    return [
        UpsertCase("1 M, last month", small, month),
        UpsertCase("10 M, last month", large, month),
        UpsertCase("10 M, all three years", large, large, share_of_rounds=0.4),
    ]


def upsert_file(bench: Bench, case: UpsertCase) -> Path:
    """Give the export that corrects and adds."""
    count = bench.rows(MILLION // 10)
    name = f"upsert-{case.known}-{case.among}-{count}.csv"
    return bench.file(name, lambda path: DENSE.write_upsert(path, case.known, count, case.among))


def measured_upsert(
    bench: Bench, case: UpsertCase, dwh: str, restore: Callable[[], None]
) -> dict[str, Any]:
    """Alternate our run with the bare statement on the rows that our run wrote."""
    erp, machines = upsert_file(bench, case), bench.machines()
    staged = bench.work / "upsert.arrow"
    ours = Contender(
        f"ours, {case.name}",
        "ours.py",
        "load",
        {"erp": str(erp), "machines": str(machines), "dwh": dwh},
        restore,
    )
    bare = Contender(
        f"bare, {case.name}",
        "upsert_bare.py",
        "upsert",
        {"rows": str(staged), "dwh": dwh},
        restore,
    )
    alternated([ours], 1)
    export = Contender("export", "upsert_bare.py", "export_lot", {"rows": str(staged), "dwh": dwh})
    alternated([export], 1)
    stages = Contender(f"ours by stages, {case.name}", "ours.py", "stages", ours.arguments, restore)
    return alternated([ours, bare, stages], max(round(bench.rounds * case.share_of_rounds), 1))


def measure_upsert_sqlite(bench: Bench) -> Found:
    """Upsert into copies of a SQLite file."""
    dwh = bench.work / "upsert.db"
    measures: Found = {}
    for case in upsert_cases(bench):
        base = loaded_sqlite(bench, DENSE, case.known)
        measures |= measured_upsert(
            bench,
            case,
            str(dwh),
            lambda base=base: copied(base, dwh),  # type: ignore[misc]
        )
    return {"measures": measures}


def measure_upsert_postgres(bench: Bench) -> Found:
    """Upsert into copies of a PostgreSQL database."""
    measures: Found = {}
    with bench.postgres() as server:
        for case in upsert_cases(bench):
            base = loaded_postgres(bench, server, case.known)

            def restore(base: str = base) -> None:
                server.copy_database(base, "bench")
                synced()

            measures |= measured_upsert(bench, case, server.url("bench"), restore)
    return {"measures": measures}


def loaded_postgres(bench: Bench, server: PostgresServer, rows: int) -> str:
    """Give the name of a database that holds so many rows, vacuumed and analysed."""
    name = f"base_{rows}"
    if not server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
        erp, machines = bench.export(DENSE, rows), bench.machines()
        server.fresh_database("draft")
        arguments = {"erp": str(erp), "machines": str(machines), "dwh": server.url("draft")}
        alternated([Contender(f"loading {rows}", "ours.py", "load", arguments)], 1)
        server.execute("VACUUM ANALYZE", "draft")
        server.execute(f"ALTER DATABASE draft RENAME TO {name}")
    return name


def targets_upsert(found: Found) -> list[Target]:
    """Compare with the bare statement, and the large table with the small one."""
    return [
        Target(
            "time, of a bare staged upsert, 10 M",
            ratio(found, "ours, 10 M, last month", "bare, 10 M, last month"),
            2,
            True,
        )
    ]


def notes_upsert(found: Found) -> str:
    """Tell the growth and the worst case."""
    growth = ratio(found, "ours, 10 M, last month", "ours, 1 M, last month")
    bare_growth = ratio(found, "bare, 10 M, last month", "bare, 1 M, last month")
    load_s = median(
        seconds
        for laps in found["measures"]["ours by stages, 10 M, last month"]["gave"]
        for stage, seconds in laps.items()
        if stage.startswith("load")
    )
    bare_s = typical(found["measures"]["bare, 10 M, last month"])
    scattered = ratio(found, "ours, 10 M, all three years", "bare, 10 M, all three years")
    return (
        f"Of our run on 10 million rows the load alone, audit and aggregates included, takes "
        f"{load_s:.2f} s, {load_s / bare_s:.2f} times the bare statement; the rest reads and "
        "checks the export. "
        f"From 1 to 10 million rows our run takes {growth:.2f} times as long, the bare statement "
        f"{bare_growth:.2f} times. With the 50,000 corrections scattered over all three years, so "
        "that every day's aggregates are recomputed, our run takes "
        f"{scattered:.2f} times the bare statement."
    )


# --- Dask, DuckDB, Spark ------------------------------------------------------------------------


def measure_dask(bench: Bench) -> Found:
    """Join and aggregate ten million rows on a scheduler and two worker processes."""
    erp, machines = bench.export(DENSE, bench.rows(10 * MILLION)), bench.machines()
    small = bench.export(DENSE, 1_000)

    def arguments(source: Path, name: str) -> dict[str, Any]:
        return {"erp": str(source), "machines": str(machines), "out": str(bench.work / name)}

    measures: dict[str, Found] = {}
    starts: list[float] = []
    first_jobs: list[float] = []
    for number in range(1, bench.rounds + 1):
        say(f"  round {number}")
        began = time.perf_counter()
        with dask_cluster() as (scheduler, pids):
            starts.append(time.perf_counter() - began)
            first = arguments(small, "first.csv") | {"scheduler": scheduler}
            warm = alternated([Contender("first job", "ours.py", "overview", first)], 1)
            first_jobs.append(typical(warm["first job"]))
            ours = arguments(erp, "ours.csv") | {"scheduler": scheduler}
            contender = Contender("ours, Dask", "ours.py", "overview", ours, others=pids)
            gathered(measures, alternated([contender], 1))
        others = [
            Contender("ours, one process", "ours.py", "overview", arguments(erp, "local.csv")),
            Contender("DuckDB", "duckdb_own.py", "aggregate", arguments(erp, "duckdb.csv")),
            Contender("Spark local[2]", "spark_pandas.py", "overview", arguments(erp, "spark.csv")),
        ]
        gathered(measures, alternated(others, 1))
    found = {"measures": measures, "cluster_start_s": starts, "first_job_s": first_jobs}
    same_contents(found, *measures)
    return found


@contextlib.contextmanager
def dask_cluster() -> Iterator[tuple[str, list[int]]]:
    """Run a scheduler and two workers of one thread; give the address and the process ids."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
    commands = [
        ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)],
        *[[*worker, "--local-directory", tempfile.gettempdir()]] * 2,
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *command, "--no-dashboard"],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        from distributed import Client

        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, [process.pid for process in processes]
    finally:
        # A worker asked to end would wait for a scheduler that is gone.
        for process in processes:
            process.kill()
            process.wait()


def targets_dask(found: Found) -> list[Target]:
    """Compare with DuckDB and Spark, and bound the memory of all processes."""
    return [
        Target("time, of DuckDB's", ratio(found, "ours, Dask", "DuckDB"), 1.5, True),
        Target("times as fast as Spark", ratio(found, "Spark local[2]", "ours, Dask"), 4, False),
        Target("peak memory of all processes", peak(found, "ours, Dask"), 1536, True, "MB"),
    ]


def notes_dask(found: Found) -> str:
    """Tell what is outside the measured time."""
    start = sorted(found["cluster_start_s"])[len(found["cluster_start_s"]) // 2]
    first = sorted(found["first_job_s"])[len(found["first_job_s"]) // 2]
    threads = ratio(found, "ours, one process", "DuckDB")
    return (
        f"The scheduler and the workers start in {start:.1f} s, and a first job of 1,000 rows, in "
        f"which the workers import, takes {first:.1f} s: both before the clock starts. So do "
        "Spark's session and a first job of its own, under “imports”. The same checks in "
        f"the threads of one process take {threads:.2f} times as long as "
        "DuckDB: two workers and a scheduler beside the client gain nothing where two cores are "
        "already busy, and wait for whatever else runs on them."
    )


# --- Where the time goes ------------------------------------------------------------------------


def measure_profile(bench: Bench) -> Found:
    """Time the stages one by one, and what limits each."""
    erp, machines = bench.export(YEARLY, bench.rows(MILLION)), bench.machines()
    dwh, staged = bench.work / "profile.db", bench.work / "profile.arrow"

    def fresh() -> None:
        removed(dwh)
        synced()

    run = {"erp": str(erp), "machines": str(machines), "dwh": str(dwh)}
    rows = {"rows": str(staged), "dwh": str(dwh)}
    laps: list[dict[str, float]] = []
    measures: Found = {}
    for _ in range(bench.rounds):
        stages = alternated([Contender("stage by stage", "ours.py", "stages", run, fresh)], 1)
        laps += stages["stage by stage"]["gave"]
        alternated([Contender("export", "upsert_bare.py", "export_lot", rows)], 1)
        contenders = [
            Contender("a run, stages overlapped", "ours.py", "load", run, fresh),
            Contender("limit: pyarrow to text", "limits.py", "read_as_text", {"erp": str(erp)}),
            Contender("limit: pyarrow, typed", "limits.py", "read_typed", {"erp": str(erp)}),
            Contender("limit: ADBC ingest, 2 indexes", "limits.py", "ingest", rows, fresh),
        ]
        gathered(measures, stages | alternated(contenders, 1))
    return {"measures": measures, "laps": laps}


def notes_profile(found: Found) -> str:
    """Tabulate the stages beside their limits."""
    measures = found["measures"]
    text = typical(measures["limit: pyarrow to text"])
    typed = typical(measures["limit: pyarrow, typed"])
    write = typical(measures["limit: ADBC ingest, 2 indexes"])
    limits = {
        "open": "—",
        "read": f"pyarrow alone, to text: {text:.2f} s",
        "check": f"pyarrow alone, text to types, without a rule: {max(typed - text, 0):.2f} s",
        "load": f"bare ADBC ingest of the same rows and two indexes: {write:.2f} s",
    }
    lines = ["| stage, alone | s | what it cannot beat |", "| --- | --- | --- |"]
    for name in found["laps"][0]:
        seconds = sorted(lap[name] for lap in found["laps"])[len(found["laps"]) // 2]
        lines.append(f"| {name} | {seconds:.2f} | {limits[name.partition(':')[0]]} |")
    return "\n".join(lines)


INTRODUCTION: Final = """# The ETL against its peers

Made by `docs/bench/etl.py` with fixed seeds; raw figures in `etl.json`. Contenders alternate within
one run, each job in a process of its own. The clock covers the job: the start of the interpreter
and the imports are shown apart. Peak memory is the resident memory of the process and its children.
Each comparison checks that the contenders give the same counts and sums. The peers' code is in
`docs/bench/peers/`.

Other programs ran on the machine meanwhile, at a lower priority: seconds are longer and spread
wider than on an idle one. Compare the contenders of a section with each other, not one section with
another."""

SECTIONS: Final[dict[str, Section]] = {
    "sqlite-load": Section(
        "1,000,000 transactions, 2,000 machines, CSV into SQLite",
        "Ours reads the file, checks every cell against every rule, looks for repeats and "
        "conflicts over the whole file, joins, and writes in one transaction the star schema with "
        "integer keys, verified foreign keys, indexes, the aggregates, and the file, sheet, line "
        "and run of each row. Plain pandas leaves out checks, integer keys, dimensions and "
        "lineage, and has the two indexes. Polars has the integer keys, the join and the indexes, "
        "and leaves out checks, foreign keys, rejects and lineage. DuckDB has the join, the flag, "
        "the aggregates and, in one of its forms, the unique key and the index; it leaves out "
        "checks, dimensions and lineage.",
        measure_sqlite_load,
        jobs,
        targets_sqlite_load,
        lambda found: (
            "Without any key DuckDB has columns to compress, on both cores, and nothing to sort. "
            "SQLite stores row after row on one core and then sorts two indexes: the last section "
            "tells what that takes by itself (“limit: ADBC ingest, 2 indexes”)."
        ),
    ),
    "postgres-load": Section(
        "The same into PostgreSQL",
        "The bare COPY sends rows that an earlier run of ours exported, fourteen columns ready in "
        "COPY's own format, then makes a primary key on the identifier and an index on day and "
        "site; it neither reads nor checks nor joins, and has no foreign key, dimension or "
        "aggregate. The other COPY takes the five columns of the ERP's file as they came. Same "
        "server, durable, same settings.",
        measure_postgres_load,
        jobs,
        targets_postgres_load,
        lambda found: (
            "Beyond the bare COPY, the server makes a second key and verifies five foreign keys, "
            "for each of which it reads the million rows again (there is no way to have them taken "
            "for valid); before the first row is sent, the schema is made, and the whole file has "
            "been read and checked, since a repeat may stand in its last line."
        ),
    ),
    "report": Section(
        "The finished report",
        "Ours queries the warehouse and writes all sheets with tables, formats, charts and print "
        "set-up. The peer queries the view of transactions and writes plain cells on one sheet.",
        measure_report,
        jobs,
        targets_report,
    ),
    "excel-read": Section(
        "Reading a workbook of 100,000 rows",
        "Ours finds the sheet and the header row, and gives text cells with their line numbers and "
        "the file's digest, as the checks want them. pandas gives typed columns. Calamine alone "
        "gives columns or lists, with no digest, header search or line.",
        measure_excel_read,
        jobs,
        targets_excel_read,
        lambda found: (
            "To Arrow, calamine cuts numbers at nine decimals, and 12.5 typed as a number can no "
            "longer be told from a text (decision record 0013): ours has to read typed values, "
            "which is what the Python lists hold. It also unpacks the archive once within bounds "
            "before any parser sees it."
        ),
    ),
    "upsert-sqlite": Section(
        "100,000 rows, half corrections, half new, into SQLite",
        "Ours reads and checks the export, tells new rows, corrections and repeats apart, keeps "
        "the old values in the audit table, and recomputes the aggregates of the touched days. "
        "The bare statement gets the very rows that our run wrote, keys included, from an Arrow "
        "file, on a copy of the same table with foreign keys off: it has nothing to read, check, "
        "join, audit or aggregate. The corrections lie in the last month, as late corrections do. "
        "Each round starts from a fresh copy of the file.",
        measure_upsert_sqlite,
        jobs,
        targets_upsert,
        notes_upsert,
    ),
    "upsert-postgres": Section(
        "The same into PostgreSQL",
        "Each round starts from a copy of the database.",
        measure_upsert_postgres,
        jobs,
        targets_upsert,
        notes_upsert,
    ),
    "dask": Section(
        "10,000,000 rows joined and aggregated on two worker processes",
        "`main_pipeline.py apercu --engine dask --scheduler tcp://…`: every cell checked against "
        "every rule, joined, flagged, aggregated by day and site. DuckDB and Spark do no check; "
        "Spark runs the same pandas functions for the join, the flag and the partial sums on each "
        "of its batches.",
        measure_dask,
        jobs,
        targets_dask,
        notes_dask,
    ),
    "profile": Section(
        "Where the time of the 1,000,000-row run goes",
        "The stages are timed one after the other; a run overlaps reading and checking with "
        "writing, on two cores.",
        measure_profile,
        jobs,
        notes=notes_profile,
    ),
}
PAGE: Final = Page("etl", INTRODUCTION, PACKAGES, SECTIONS, programs)

if __name__ == "__main__":
    raise SystemExit(main())
