"""This program's own stages, called as `dpa.pipeline` calls them."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from dpa import warehouse
from dpa.checking import checked_parts
from dpa.dwh_url import DwhUrl
from dpa.excel_report import write_report
from dpa.filters import Filters
from dpa.machine_source import read_machines
from dpa.mapping import Mapping
from dpa.parts import LoadedPart
from dpa.pipeline import open_engine
from dpa.report_data import read_report
from dpa.settings import SAMPLE_MACHINES, Settings
from dpa.sources import read_transactions

WAIT_S = 60.0


def load(erp: str, machines: str, dwh: str) -> dict[str, Any]:
    """Read, check, join and load an export: a whole run but for its workbooks."""
    with open_engine(Settings()) as engine:
        source = read_transactions(Path(erp), Mapping(), None)
        return _loaded(source, machines, dwh, checked_parts(source, engine, None))


def contents(**arguments: Any) -> list[Any] | None:
    """Count what the warehouse, or the CSV of aggregates, holds."""
    if "erp" not in arguments:
        return None
    if "out" in arguments:
        return _totals(Path(arguments["out"]))
    with warehouse.reading(DwhUrl.parse(arguments["dwh"]), WAIT_S) as reader:
        facts = reader.rows(
            "SELECT COUNT(*), CAST(SUM(volume_transferred) AS BIGINT), SUM(critical_alert) "
            "FROM fact_transactions"
        )
        stats = reader.rows("SELECT COUNT(*), SUM(active_machines) FROM aggr_daily_site_stats")
    return [*facts[0], *stats[0]]


def report(dwh: str, report: str) -> dict[str, Any]:
    """Write the finished report of the latest run of a warehouse."""
    url = DwhUrl.parse(dwh)
    with warehouse.reading(url, WAIT_S) as reader:
        run_id = reader.rows("SELECT run_id FROM dim_lot ORDER BY lot_key DESC LIMIT 1")[0][0]
    data = read_report(url, run_id, Filters(), WAIT_S)
    write_report(Path(report), data, datetime.now(UTC))
    return {"bytes": Path(report).stat().st_size}


def read_workbook(workbook: str) -> int:
    """Read the rows of a workbook, as text cells with their provenance."""
    source = read_transactions(Path(workbook), Mapping(), None)
    return sum(part.read().rows for part in source.parts)


def overview(erp: str, machines: str, out: str, scheduler: str | None = None) -> None:
    """Join and aggregate an export without a warehouse, on Dask workers if there is a scheduler."""
    from dpa.overview import write_overview

    settings = Settings(
        erp=Path(erp),
        machines=machines,
        engine="dask" if scheduler else "pandas",
        scheduler=scheduler,
    )
    write_overview(settings, Path(out))


def stages(erp: str, machines: str, dwh: str) -> dict[str, float]:
    """Give the seconds of each stage, one after the other, which a run overlaps."""
    clock = _Laps()
    source = read_transactions(Path(erp), Mapping(), None)
    clock.lap("open: digest, header, dialect")
    raw = [LoadedPart(part.read()) for part in source.parts]
    clock.lap("read: bytes to text cells")
    with open_engine(Settings()) as engine:
        checked = list(checked_parts(replace(source, parts=raw), engine, None))
    clock.lap("check: trim, convert, rules, repeats")
    _loaded(source, machines, dwh, iter(checked))
    clock.lap("load: keys, ingest, indexes, foreign keys, aggregates, commit")
    return clock.laps


class _Laps:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def lap(self, name: str) -> None:
        now_s = time.perf_counter()
        self.laps[name] = now_s - self._last_s
        self._last_s = now_s


def _loaded(source: Any, machines: str, dwh: str, parts: Any) -> dict[str, Any]:
    cache = Path(machines).with_suffix(".cache")
    fleet = read_machines(machines, cache, SAMPLE_MACHINES, None)
    started = datetime.now(UTC)
    lot = {
        "run_id": f"{started:%Y%m%dT%H%M%S.%f}-{os.getpid()}",
        "started_at": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "version": "bench",
        "kind": "chargement",
        "transactions_path": str(source.path),
        "transactions_sha256": source.sha256,
        "transactions_sheet": source.sheet,
        "machines_path": fleet.source.path,
        "machines_sha256": fleet.source.sha256,
        "mapping_path": None,
        "mapping_sha256": None,
    }
    loaded = warehouse.load(DwhUrl.parse(dwh), lot, fleet.table, parts, WAIT_S)
    counts = ("read", "inserted", "corrected", "duplicates", "rejected")
    return {name: getattr(loaded, name) for name in counts}


def _totals(path: Path) -> list[Any]:
    stats = pd.read_csv(path, sep=";", decimal=",")
    sums = stats[["total_volume", "total_alerts", "active_machines"]].sum().round()
    return [len(stats), *sums.tolist()]
