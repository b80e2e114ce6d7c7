"""From raw telemetry and work orders to labelled rows, with an account of every row read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pmd import labels
from pmd.errors import UnusableFile
from pmd.quality import LINE, Checked, check_maintenance, check_telemetry
from pmd.sensors import SENSOR_NAMES
from pmd.telemetry_file import Table, read_table

TELEMETRY_COLUMNS = ("timestamp", "loco_id", *SENSOR_NAMES)
MAINTENANCE_COLUMNS = ("loco_id", "opened_at", "closed_at", "failure_type", "status")


@dataclass(frozen=True, slots=True)
class Account:
    """Where each row of the raw file went: `read` is the sum of the others but `failures`."""

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
    """Rows in service whose label is known, ordered by locomotive and time; rejects; account."""

    rows: pd.DataFrame
    rejects: pd.DataFrame
    account: Account


def label_telemetry(raw: Path, maintenance: Path | None, horizon_hours: float) -> Labelled:
    """Read, check and label raw telemetry: `failure` says whether one comes within the horizon.

    Failures are those of `maintenance` and, where the raw file has the column, of its `failure`.
    Raises `UnusableFile` when a file cannot be read or no usable row is left.
    """
    telemetry = read_table(raw)
    telemetry.require(TELEMETRY_COLUMNS if maintenance else (*TELEMETRY_COLUMNS, "failure"))
    readings = check_telemetry(telemetry.cells)
    orders, order_rejects = _read_orders(maintenance)
    repaired = labels.in_repair(readings.rows, orders)
    observed = labels.horizon_observed(readings.rows, horizon_hours)
    failures = labels.recorded_failures(readings.rows, orders)
    kept = readings.rows[~repaired & observed].reset_index(drop=True)
    kept["failure"] = (labels.next_failure_h(kept, failures) <= horizon_hours).astype("int64")
    rejects = pd.concat([_named(telemetry, readings), order_rejects], ignore_index=True)
    rejected = len(telemetry.rejects) + len(readings.rejects) - readings.duplicates
    account = Account(
        read=len(telemetry.cells) + len(telemetry.rejects),
        kept=len(kept),
        rejected=rejected,
        duplicates=readings.duplicates,
        in_repair=int(repaired.sum()),
        unobserved=int((~repaired & ~observed).sum()),
        failures=len(failures),
        positives=int(kept["failure"].sum()),
    )
    if kept.empty:
        raise UnusableFile(
            f"{telemetry.name} : aucune ligne utilisable sur {account.read} lues "
            f"({rejected} rejetées, {account.duplicates} doublons, {account.in_repair} en "
            f"réparation, {account.unobserved} sans {horizon_hours:g} h d'observation après elles)."
            f"{_first_reason(rejects)}"
        )
    return Labelled(kept.drop(columns=LINE), rejects, account)


def _read_orders(path: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    if path is None:
        none = pd.DataFrame(
            {name: [] for name in ("loco_id", "opened_at", "closed_at")}, dtype=object
        )
        return none, pd.DataFrame()
    table = read_table(path)
    table.require(MAINTENANCE_COLUMNS)
    checked = check_maintenance(table.cells)
    return checked.rows, _named(table, checked)


def _named(table: Table, checked: Checked) -> pd.DataFrame:
    """All rejects of one file, by line, with its name."""
    found = checked.rejects.assign(file=table.name)[list(table.rejects.columns)]
    parts = [part for part in (table.rejects, found) if len(part)]
    rejects = pd.concat(parts) if parts else table.rejects
    return rejects.sort_values(LINE, ignore_index=True)


def _first_reason(rejects: pd.DataFrame) -> str:
    if rejects.empty:
        return ""
    first = rejects.iloc[0]
    return f" Premier rejet, ligne {first[LINE]} : {first['reason']}."
