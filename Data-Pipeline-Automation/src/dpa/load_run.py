"""The steps of one run's load, inside a transaction that another module holds."""

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from dpa.ahead import fetched_ahead
from dpa.calendar_days import calendar_days
from dpa.columns import GRAM_DECIMALS
from dpa.database import Database
from dpa.given_back import TAKEN, GivenBack, refuse_taken, take
from dpa.parts import CheckedPart
from dpa.prepared_part import PreparedPart, prepare
from dpa.sql_files import SQL_ROOT, named_statements
from dpa.transform import DailyPart, combine_daily_stats
from dpa.volumes import NO_DOUBT, DoubtfulVolumes

PARTS_AHEAD: Final = 2
"""Parts that are checked while the warehouse ingests another."""

Lot = Mapping[str, str | None]
"""The columns of `dim_lot` that are known before the load, but the key and the file's name."""


@dataclass
class Loaded:
    """What a load read and changed: counts of rows and of transactions; tonnes.

    `read = inserted + corrected + rejected + duplicates`. Of the machines of the rows,
    `unknown_machines` are in no list so far, `remembered_machines` only in an earlier one;
    `moved_machines` are those whose site this list changes, `newly_attached` counts transactions
    of earlier runs whose machine this list is the first to know. `open_rejects` are those of the
    whole warehouse. `doubtful` volumes can be read in two ways.
    `commit_was_checked` when the answer to COMMIT was lost, and the run found to be there.
    """

    inserted: int = 0
    corrected: int = 0
    duplicates: int = 0
    rejected: int = 0
    read: int = 0
    skipped: int = 0
    blank_lines: int = 0
    total_volume: float = 0.0
    newly_attached: int = 0
    future_rows: int = 0
    defaulted: Counter[str] = field(default_factory=Counter)
    open_rejects: int = 0
    doubtful: DoubtfulVolumes = NO_DOUBT
    commit_was_checked: bool = False
    rejects_by_rule: Counter[str] = field(default_factory=Counter)
    moved_machines: list[str] = field(default_factory=list)
    unknown_machines: list[str] = field(default_factory=list)
    remembered_machines: list[str] = field(default_factory=list)


class LoadRun:
    """One run: `begin`, then `load_parts`, then `finish`."""

    def __init__(self, database: Database, lot: Lot, given_back: GivenBack | None = None) -> None:
        self._database = database
        self._lot = lot
        self._given_back = given_back
        self._steps = named_statements(SQL_ROOT / "load.sql")
        self._started_s = time.monotonic()
        self._lot_key = self._last_key("dim_lot", "lot_key") + 1
        self._loaded = Loaded()

    def begin(self, machines: pd.DataFrame, only_adds: bool = False) -> None:
        """Write the lot and the machine list, which `only_adds` machines or changes known ones too.

        Raises RejectsClosed.
        """
        self._listed = frozenset(machines["machine_id"])
        for step in ("touched", "staged_rejects", "resubmitted"):
            self._step(step)
        if self._given_back:
            take(self._database, self._steps, self._given_back)
        self._database.ingest("dim_lot", self._lot_row())
        self._upsert_machines(machines, only_adds)
        self._attach_newly_known()

    def load_parts(self, parts: Iterable[CheckedPart]) -> None:
        """Ingest the parts as they come: straight into an empty fact table, else to be merged."""
        with closing(self._prepared(parts)) as prepared:
            if self._database.rows("SELECT 1 FROM fact_transactions LIMIT 1"):
                self._merge(prepared)
            else:
                self._fill(prepared)

    def finish(self) -> Loaded:
        """Write and close the rejects, then the counts of the run; its checks refuse a lost row."""
        self._step("upsert_rejects", self._lot_key)
        if not self._loaded.skipped:
            self._step("close_accepted_rejects", self._lot_key)
        self._step("close_resubmitted", self._lot_key)
        self._loaded.open_rejects = int(self._database.value(self._steps["open_rejects"]))
        self._close_lot()
        return self._loaded

    def _step(self, name: str, *values: object) -> None:
        self._database.execute(self._steps[name], *values)

    def _count(self, table: str) -> int:
        return int(self._database.value(f"SELECT COUNT(*) FROM {table}"))  # noqa: S608 (our names)

    def _last_key(self, table: str, key: str) -> int:
        query = f"SELECT COALESCE(MAX({key}), 0) FROM {table}"  # noqa: S608 (our names)
        return int(self._database.value(query))

    def _lot_row(self) -> pa.Table:
        started = pa.array([_instant(self._lot)], pa.timestamp("s", "UTC"))
        own = {
            "lot_key": pa.array([self._lot_key], pa.int32()),
            "transactions_file": [PurePath(str(self._lot["transactions_path"])).name],
            "started_at": self._database.instants(started),
        }
        given = {name: pa.array([value], pa.string()) for name, value in self._lot.items()}
        return pa.table({**given, **own})

    def _upsert_machines(self, machines: pd.DataFrame, only_adds: bool) -> None:
        self._step("machine_list")
        self._database.ingest(
            "machine_list",
            pa.table(
                {
                    "position": pa.array(np.arange(len(machines), dtype=np.int32)),
                    "machine_id": pa.array(machines["machine_id"], pa.string()),
                    "site_location": pa.array(machines["site_location"], pa.string()),
                    "installation_year": pa.array(
                        machines["installation_year"].astype("Int32"), pa.int32()
                    ),
                }
            ),
            temporary=True,
        )
        if only_adds:
            self._step("leave_known_machines")
        self._step("add_sites")
        moved = self._database.rows(self._steps["moved_machines"])
        self._loaded.moved_machines = [machine for (machine,) in moved]
        self._step("update_machines")
        self._step("add_machines")

    def _attach_newly_known(self) -> None:
        self._step("newly_known")
        self._loaded.newly_attached = self._count("newly_known")
        if self._loaded.newly_attached:
            self._step("touch_newly_known")
            self._step("attach_newly_known")

    def _prepared(self, parts: Iterable[CheckedPart]) -> Generator[PreparedPart, None, None]:
        """Give the parts as rows to ingest, prepared in a thread, and count what they hold."""
        machines = self._database.table(
            "SELECT machine_id, site_location, machine_key, site_key FROM dim_machine "
            "WHERE machine_key <> -1"
        ).to_pandas()
        work = partial(
            prepare,
            machines=machines,
            lot_key=self._lot_key,
            started_at=_instant(self._lot),
            instants=self._database.instants,
        )
        met: set[str] = set()
        unknown: set[str] = set()
        for prepared in fetched_ahead(map(work, parts), PARTS_AHEAD):
            self._tally(prepared)
            self._database.ingest("staged_rejects", prepared.rejects, temporary=True)
            met |= prepared.machines
            unknown |= prepared.unknown
            yield prepared
        self._loaded.unknown_machines = sorted(unknown)
        self._loaded.remembered_machines = sorted(met - unknown - self._listed)

    def _tally(self, prepared: PreparedPart) -> None:
        loaded, part = self._loaded, prepared.part
        loaded.read += part.read
        loaded.rejected += len(part.rejects)
        loaded.duplicates += part.duplicates
        loaded.skipped += part.skipped
        loaded.blank_lines += part.blank_lines
        loaded.future_rows += prepared.future_rows
        loaded.doubtful += part.doubtful
        loaded.defaulted.update(part.defaulted)
        loaded.rejects_by_rule.update(prepared.rejects_by_rule)

    def _fill(self, parts: Iterator[PreparedPart]) -> None:
        """Ingest into the empty fact table, whose indexes are made afterwards."""
        stats: list[DailyPart] = []
        with self._database.bulk_loading() as ingest:
            for prepared in parts:
                ingest(self._keyed(prepared.facts))
                self._loaded.inserted += prepared.facts.num_rows
                if prepared.stats:
                    stats.append(prepared.stats)
            if stats:
                daily = combine_daily_stats(stats)
                self._extend_calendar(int(daily["date_key"].min()), int(daily["date_key"].max()))
        if stats:
            self._loaded.total_volume = round(float(daily["total_volume"].sum()), GRAM_DECIMALS)
            self._database.ingest("aggr_daily_site_stats", self._aggregates(daily))

    def _keyed(self, facts: pa.Table) -> pa.Table:
        """Give new facts their keys."""
        first = self._loaded.inserted + 1
        keys = np.arange(first, first + facts.num_rows, dtype=np.int32)
        return facts.append_column("transaction_key", pa.array(keys))

    def _aggregates(self, daily: pd.DataFrame) -> pa.Table:
        sites = dict(self._database.rows("SELECT site_location, site_key FROM dim_site"))
        integers = ("date_key", "total_alerts", "active_machines", "transaction_count")
        return pa.table(
            {
                **{name: pa.array(daily[name].to_numpy(np.int32)) for name in integers},
                "site_key": pa.array(daily["site_location"].map(sites).to_numpy(np.int32)),
                "day": pa.array(pd.to_datetime(daily["date_key"].astype("str")).dt.date),
                "site_location": pa.array(daily["site_location"], pa.string()),
                "total_volume": pa.array(daily["total_volume"].to_numpy(np.float64)),
            }
        )

    def _merge(self, parts: Iterator[PreparedPart]) -> None:
        """Stage the rows, leave out those that change nothing, then correct and add."""
        self._step("staging")
        for prepared in parts:
            self._database.ingest("staging", prepared.facts, temporary=True)
        staged = self._count("staging")
        self._database.analyze("staging")
        self._step("known")
        self._step("known_index")
        self._step("drop_identical")
        self._step("forget_identical")
        self._database.analyze("known")
        self._loaded.duplicates += staged - self._count("staging")
        if self._given_back:
            refused = refuse_taken(self._database, self._steps, self._given_back)
            self._loaded.rejected += refused
            self._loaded.rejects_by_rule.update({TAKEN: refused} if refused else {})
        kept, corrected = self._count("staging"), self._count("known")
        self._loaded.corrected, self._loaded.inserted = corrected, kept - corrected
        self._change_facts()

    def _change_facts(self) -> None:
        first, last, volume = self._database.rows(
            "SELECT MIN(date_key), MAX(date_key), COALESCE(SUM(volume_transferred), 0.0) "
            "FROM staging"
        )[0]
        self._loaded.total_volume = round(float(volume), GRAM_DECIMALS)
        if first is not None:
            self._extend_calendar(first, last)
            self._step("audit", self._lot_key)
            for step in (
                "touch_changed",
                "shift_sums",
                "correct_in_place",
                "correct_moved",
                "add_facts",
            ):
                self._step(step)
        self._database.analyze("touched")
        self._step("forget_touched")
        self._step("aggregate_touched")

    def _extend_calendar(self, first_key: int, last_key: int) -> None:
        """Add the whole years that are missing between the days known and those of this run."""
        known = self._database.rows("SELECT MIN(annee), MAX(annee) FROM dim_date")[0]
        years = [first_key // 10_000, last_key // 10_000]
        wanted = [year for year in (*years, *known) if year is not None]
        days = calendar_days(min(wanted), max(wanted))
        if known[0] is not None:
            year = days["annee"].to_numpy()
            days = days.filter(pa.array((year < known[0]) | (year > known[1])))
        self._database.ingest("dim_date", days)

    def _close_lot(self) -> None:
        loaded = self._loaded
        self._step(
            "close_lot",
            loaded.read,
            loaded.inserted + loaded.corrected,
            loaded.inserted,
            loaded.corrected,
            loaded.rejected,
            loaded.duplicates,
            loaded.skipped,
            loaded.blank_lines,
            loaded.total_volume,
            round(time.monotonic() - self._started_s, 3),
            self._lot_key,
        )


def _instant(lot: Lot) -> pd.Timestamp:
    return pd.Timestamp(str(lot["started_at"])).tz_convert("UTC")
