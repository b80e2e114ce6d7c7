"""From raw telemetry and work orders to labelled rows, with an account of every row read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from pmd import labels
from pmd.errors import InvalidOption, UnusableFile
from pmd.quality import LINE, Checked, check_maintenance, check_telemetry
from pmd.sensors import SENSOR_NAMES
from pmd.telemetry_file import Source, Table, read_table

HORIZON = "horizon_hours"
"""The column that tells processed telemetry, whose labels are ready, from raw telemetry."""

KNOWN_AFTERWARDS = ("failed_at", "failure_type", "failure")
"""The columns that only the future tells: never features."""

TELEMETRY_COLUMNS = ("timestamp", "loco_id", *SENSOR_NAMES)
MAINTENANCE_COLUMNS = ("loco_id", "opened_at", "closed_at", "failure_type", "status")


@dataclass(frozen=True, slots=True)
class Account:
    """Where each row of the raw file went: `read` is the sum of `kept` to `unobserved`.

    Of the kept rows `positives` have a failure within the horizon, out of `failures` recorded.
    """

    read: int
    kept: int
    rejected: int
    duplicates: int
    in_repair: int
    unobserved: int
    failures: int
    positives: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows in service whose label is known, ordered by locomotive and time.

    `failed_at` and `failure_type` of `rows` tell which failure a label 1 announces.
    `rejects` has one row per line that could not be used, of either of the files in `sources`.
    """

    rows: pd.DataFrame
    rejects: pd.DataFrame
    account: Account
    sources: tuple[Source, ...]


def label_telemetry(
    raw: Path, maintenance: Path | None, horizon_hours: float, now: datetime
) -> Labelled:
    """Read, check and label raw telemetry: `failure` says whether one comes within the horizon.

    Failures are those of `maintenance` and, where the raw file has the column, of its `failure`.
    Raises `UnusableFile` when a file cannot be read or no usable row is left, and `InvalidOption`
    when `raw` is already labelled: its flags announce failures, they do not date them.
    """
    telemetry = read_table(raw)
    if HORIZON in telemetry.cells.columns:
        raise InvalidOption(
            f"{telemetry.name} : télémétrie déjà préparée (colonne {HORIZON}) ; donnez la "
            "télémétrie brute, ou entraînez sans --maintenance."
        )
    telemetry.require(TELEMETRY_COLUMNS if maintenance else (*TELEMETRY_COLUMNS, "failure"))
    tables = [telemetry]
    checks = [check_telemetry(telemetry.cells, now)]
    if maintenance:
        work_orders = read_table(maintenance)
        work_orders.require(MAINTENANCE_COLUMNS)
        tables.append(work_orders)
        checks.append(check_maintenance(work_orders.cells))
    rejects = _rejects(tables, checks)
    rows, account = _label(telemetry, checks, horizon_hours)
    if rows.empty:
        raise UnusableFile(_nothing_left(telemetry.name, account, horizon_hours, rejects))
    return Labelled(rows, rejects, account, tuple(table.source for table in tables))


def _label(
    telemetry: Table, checks: list[Checked], horizon_hours: float
) -> tuple[pd.DataFrame, Account]:
    readings, orders = checks[0], checks[1].rows if len(checks) > 1 else None
    failures = labels.recorded_failures(readings.rows, orders)
    repaired = labels.in_repair(readings.rows, orders)
    observed = labels.horizon_observed(readings.rows, horizon_hours)
    kept = readings.rows[~repaired & observed].drop(columns=LINE).reset_index(drop=True)
    known = labels.announced_failures(kept, failures, horizon_hours)
    kept = kept.assign(**{name: known[name] for name in KNOWN_AFTERWARDS})
    account = Account(
        read=telemetry.source.rows,
        kept=len(kept),
        rejected=len(telemetry.rejects) + len(readings.rejects) - readings.duplicates,
        duplicates=readings.duplicates,
        in_repair=int(repaired.sum()),
        unobserved=int((~repaired & ~observed).sum()),
        failures=len(failures),
        positives=int(kept["failure"].sum()),
    )
    return kept, account


def _rejects(tables: list[Table], checks: list[Checked]) -> pd.DataFrame:
    """All rejects, file after file, by line."""
    parts = []
    for table, check in zip(tables, checks, strict=True):
        found = check.rejects.assign(file=table.name)[list(table.rejects.columns)]
        both = [part for part in (table.rejects, found) if len(part)]
        parts += [pd.concat(both).sort_values(LINE)] if both else []
    return pd.concat(parts, ignore_index=True) if parts else tables[0].rejects


def _nothing_left(name: str, account: Account, horizon_hours: float, rejects: pd.DataFrame) -> str:
    message = (
        f"{name} : aucune ligne utilisable sur {account.read} lues ({account.rejected} rejetées, "
        f"{account.duplicates} doublons, {account.in_repair} en réparation, {account.unobserved} "
        f"à moins de {horizon_hours:g} h de la fin)."
    )
    if rejects.empty:
        return message
    first = rejects.iloc[0]
    return f"{message} Premier rejet, {first['file']} ligne {first[LINE]} : {first['reason']}."
