"""From raw telemetry and work orders to labelled rows, with an account of every row read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pmd import labels
from pmd.cells import LINE
from pmd.errors import InvalidOption, UnusableFile
from pmd.features import FEATURE_NAMES, features_of
from pmd.french import number
from pmd.quality import check_maintenance, check_telemetry, rejected, without_duplicates
from pmd.sensors import SENSOR_NAMES
from pmd.telemetry_file import Source, Table, read_table, require

HORIZON = "horizon_hours"
"""The column that tells processed telemetry, whose labels are ready, from raw telemetry."""

KNOWN_AFTERWARDS = ("failed_at", "failure_type", "failure")
"""The columns that only the future tells: never features."""

TELEMETRY_COLUMNS = ("timestamp", "loco_id", *SENSOR_NAMES)
MAINTENANCE_COLUMNS = ("loco_id", "opened_at", "closed_at", "failure_type", "status")
PROCESSED = pa.schema(
    [
        ("timestamp", pa.timestamp("us", "UTC")),
        ("loco_id", pa.dictionary(pa.int32(), pa.string())),
        *((name, pa.float64()) for name in (*SENSOR_NAMES, *FEATURE_NAMES, HORIZON)),
        ("failed_at", pa.timestamp("us", "UTC")),
        ("failure_type", pa.dictionary(pa.int32(), pa.string())),
        ("failure", pa.int64()),
    ]
)
"""The processed table, whichever engine makes it."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where each row of the raw file went: `read` is the sum of `kept` to `unobserved`.

    Of the kept rows `positives` have a failure within the horizon, out of `failures` recorded.
    `rejected_orders` counts lines of the work orders, which are not among those of `read`.
    """

    read: int = 0
    kept: int = 0
    rejected: int = 0
    duplicates: int = 0
    in_repair: int = 0
    unobserved: int = 0
    failures: int = 0
    positives: int = 0
    rejected_orders: int = 0

    def __add__(self, other: Account) -> Account:
        names = [field.name for field in fields(self)]
        return Account(**{name: getattr(self, name) + getattr(other, name) for name in names})


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


class Around(NamedTuple):
    """What a part needs to know of the whole: work orders, horizon, last instant of the table."""

    orders: pd.DataFrame | None
    horizon_hours: float
    last: pd.Timestamp


class Part(NamedTuple):
    """Labelled rows of some locomotives, and by line why each repeated row was left out."""

    rows: pd.DataFrame
    repeats: pd.Series
    account: Account


class WorkOrders(NamedTuple):
    """Checked work orders and the file that they come from."""

    rows: pd.DataFrame
    rejects: pd.DataFrame
    source: Source


def label_telemetry(
    raw: Path, maintenance: Path | None, horizon_hours: float, now: datetime
) -> Labelled:
    """Read, check and label raw telemetry: `failure` says whether one comes within the horizon.

    Failures are those of `maintenance` and, where the raw file has the column, of its `failure`.
    Raises `UnusableFile` when a file cannot be read or no usable row is left, and `InvalidOption`
    when `raw` is already labelled: its flags announce failures, they do not date them.
    """
    telemetry = read_table(raw)
    refuse_unfit(telemetry.name, list(telemetry.columns), maintenance is not None)
    orders = read_work_orders(maintenance, now) if maintenance else None
    checked = check_telemetry(telemetry.cells, now)
    around = Around(orders.rows if orders else None, horizon_hours, checked.rows["timestamp"].max())
    part = label_part(checked.rows, around)
    repeats = rejected(telemetry.cells, part.repeats)
    rejects = [_named(telemetry, pd.concat([checked.rejects, repeats]))]
    rejects += [orders.rejects] if orders else []
    refused = len(telemetry.rejects) + len(checked.rejects)
    account = part.account + Account(
        read=telemetry.source.rows,
        rejected=refused,
        rejected_orders=len(orders.rejects) if orders else 0,
    )
    every = pd.concat(rejects, ignore_index=True)
    if part.rows.empty:
        raise UnusableFile(nothing_left(telemetry.name, account, horizon_hours, every))
    sources = (telemetry.source, orders.source) if orders else (telemetry.source,)
    return Labelled(part.rows, every, account, sources)


def refuse_unfit(name: str, columns: list[str], with_orders: bool) -> None:
    """Raise `InvalidOption` for telemetry that is processed already, or `MissingColumns`."""
    if HORIZON in columns:
        raise InvalidOption(
            f"{name} : télémétrie déjà préparée (colonne {HORIZON}) ; donnez la "
            "télémétrie brute, ou entraînez sans --maintenance."
        )
    require(name, columns, TELEMETRY_COLUMNS if with_orders else (*TELEMETRY_COLUMNS, "failure"))


def read_work_orders(path: Path, now: datetime) -> WorkOrders:
    """Read and check a file of work orders; raises `UnusableFile`."""
    table = read_table(path)
    table.require(MAINTENANCE_COLUMNS)
    checked = check_maintenance(table.cells, now)
    return WorkOrders(checked.rows, _named(table, checked.rejects), table.source)


def label_part(checked: pd.DataFrame, around: Around) -> Part:
    """Order and label checked rows, which hold all those of their locomotives.

    Rows in repair, and those whose label nobody knows yet, are left out.
    """
    readings, repeats = without_duplicates(checked)
    orders = around.orders
    if orders is not None:
        orders = orders[orders["loco_id"].isin(readings["loco_id"].cat.categories)]
    failures = labels.recorded_failures(readings, orders)
    repaired = labels.in_repair(readings, orders)
    observed = labels.horizon_observed(readings, around.horizon_hours, around.last)
    kept = readings[~repaired & observed].drop(columns=LINE).reset_index(drop=True)
    known = labels.announced_failures(kept, failures, around.horizon_hours)
    kept = kept.assign(**{name: known[name] for name in KNOWN_AFTERWARDS})
    account = Account(
        kept=len(kept),
        duplicates=len(repeats),
        in_repair=int(repaired.sum()),
        unobserved=int((~repaired & ~observed).sum()),
        failures=len(failures),
        positives=int(kept["failure"].sum()),
    )
    return Part(kept, repeats, account)


def processed_table(labelled: pd.DataFrame, horizon_hours: float) -> pa.Table:
    """Labelled rows with their features and horizon, as `PROCESSED` says."""
    horizon = pd.Series(np.full(len(labelled), horizon_hours))
    columns = {**labelled, **features_of(labelled), HORIZON: horizon}
    arrays = [_array(columns[field.name], field.type) for field in PROCESSED]
    return pa.Table.from_arrays(arrays, schema=PROCESSED)


def _array(column: pd.Series, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        column = column.astype("category")
    if pa.types.is_floating(kind):
        return pa.array(column.to_numpy(), kind)  # as it lies in memory: all are finite
    return pa.array(column, from_pandas=True).cast(kind)


def _named(table: Table, rejects: pd.DataFrame) -> pd.DataFrame:
    """All rejects of a file, by line, beside its name."""
    found = rejects.assign(file=table.name)[list(table.rejects.columns)]
    both = [part for part in (table.rejects, found) if len(part)]
    return pd.concat(both).sort_values(LINE) if both else table.rejects


def nothing_left(name: str, account: Account, horizon_hours: float, rejects: pd.DataFrame) -> str:
    """The message of a file without one usable row, with its first reject."""
    message = (
        f"{name} : aucune ligne utilisable sur {number(account.read)} lues "
        f"({number(account.rejected)} rejetées, {number(account.duplicates)} doublons, "
        f"{number(account.in_repair)} en réparation, {number(account.unobserved)} à moins de "
        f"{horizon_hours:g} h de la fin)."
    )
    if rejects.empty:
        return message
    first = rejects.iloc[0]
    return f"{message} Premier rejet, {first['file']} ligne {first[LINE]} : {first['reason']}."
