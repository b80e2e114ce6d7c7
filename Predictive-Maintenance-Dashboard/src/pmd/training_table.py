"""The table that a model learns from: features, labels, and who and when each row is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pmd.cells import instants, names, numbers
from pmd.errors import InvalidOption, UntrainableData
from pmd.features import BY_FEATURE, Recipe, features_of
from pmd.french import number
from pmd.leaks import refuse_declared_leaks
from pmd.processing import HORIZON, KNOWN_AFTERWARDS, label_telemetry
from pmd.sensors import BY_NAME, SENSOR_NAMES, Sensor
from pmd.telemetry_file import Source, Table, read_table

GROUP, TIME = "loco_id", "timestamp"
FAILED_AT, FAILURE_TYPE, TARGET = KNOWN_AFTERWARDS
UNREADABLE_SHARE = 0.5  # beyond it the column is wrong, not the rows


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns play which part; `monotone` gives a sign per feature, 0 for none.

    `slot` is the model that they are for: *instant* judges a reading alone, *trend* with its past.

    `post_hoc` are declared to be known only after the fact: none of them may be a feature.
    """

    features: tuple[str, ...]
    target: str
    group: str | None
    time: str | None
    monotone: tuple[int, ...]
    post_hoc: tuple[str, ...] = ()
    slot: Literal["instant", "trend"] = "instant"

    def units(self) -> list[str]:
        known: dict[str, Sensor | Recipe] = {**BY_NAME, **BY_FEATURE}
        return [known[name].unit if name in known else "" for name in self.features]


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """`values` (rows, features) hold float32 numbers, as the served model will see them.

    `groups` and `times` (UTC) are None when no column plays that part; `horizon_hours` is None when
    the labels come from elsewhere. `failed_at` (NaT: none) and `failure_types` ("": unknown) are of
    the failure that a label announces, None when the file does not tell. `left_out` counts the rows
    of the file that are not here.
    """

    columns: Columns
    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.object_] | None
    times: pd.Series | None
    horizon_hours: float | None
    sources: tuple[Source, ...]
    left_out: dict[str, int]
    failed_at: pd.Series | None = None
    failure_types: NDArray[np.object_] | None = None

    @property
    def hours(self) -> NDArray[np.float64] | None:
        """Instant of each row, in hours since 1970."""
        return None if self.times is None else hours_since_1970(self.times)

    @property
    def failed_h(self) -> NDArray[np.float64] | None:
        """Instant of the failure that each row announces, on the same clock; NaN: none."""
        return None if self.failed_at is None else hours_since_1970(self.failed_at)


def hours_since_1970(times: pd.Series) -> NDArray[np.float64]:
    """Exact to the microsecond; NaN for NaT."""
    since = times - pd.Timestamp(0, tz="UTC")
    return np.asarray(since / pd.Timedelta(hours=1), dtype=np.float64)


def telemetry_table(
    path: Path, maintenance: Path | None, horizon_hours: float, columns: Columns, now: datetime
) -> TrainingTable:
    """Readings, and causal features if asked for, of processed or else of raw telemetry.

    A file with a column `horizon_hours` is a processed one, whose labels are ready; any other is
    raw and gets its labels here, from `maintenance` and its own `failure` column.
    """
    refuse_declared_leaks(columns.features, columns.post_hoc)
    if maintenance is None:
        table = read_table(path, _wanted(columns))
        if HORIZON in table.columns:
            return _labelled_table(table, columns)
    labelled = label_telemetry(path, maintenance, horizon_hours, now)
    rows, account = labelled.rows, labelled.account
    if not set(columns.features) <= set(SENSOR_NAMES):
        rows = pd.concat([rows, features_of(rows)], axis=1)
    return TrainingTable(
        columns=replace(columns, group=GROUP, time=TIME),
        values=rows[list(columns.features)].to_numpy(dtype=np.float32),
        labels=rows[TARGET].to_numpy(dtype=np.int64),
        groups=rows[GROUP].to_numpy(dtype=object),
        times=rows[TIME],
        horizon_hours=horizon_hours,
        sources=labelled.sources,
        left_out={
            "rejetées": account.rejected,
            "doublons": account.duplicates,
            "en réparation": account.in_repair,
            "sans horizon observé": account.unobserved,
            "ordres de travail rejetés": account.rejected_orders,
        },
        failed_at=rows[FAILED_AT],
        failure_types=rows[FAILURE_TYPE].to_numpy(dtype=object),
    )


def _wanted(columns: Columns) -> set[str]:
    """All that a training may read of a table: the others take memory for nothing."""
    roles = {columns.target, columns.group or GROUP, columns.time or TIME}
    return {*columns.features, *roles, HORIZON, *KNOWN_AFTERWARDS}


def _labelled_table(table: Table, columns: Columns) -> TrainingTable:
    """Processed telemetry: rows of one locomotive resemble each other and labels look ahead, so
    that the split must know locomotive, time and horizon even when nobody names them."""
    columns = replace(
        columns,
        group=columns.group or GROUP,
        time=columns.time or TIME,
        post_hoc=(*columns.post_hoc, FAILED_AT, FAILURE_TYPE),
    )
    return _assemble(table, columns, _horizon(table))


def _horizon(table: Table) -> float:
    hours = np.unique(numbers(table.cells[HORIZON]))
    if len(hours) != 1 or not 0 < hours[0] < np.inf:
        raise UntrainableData(
            f"{table.name} : la colonne {HORIZON} doit tenir un seul nombre d'heures positif ; "
            "relancez data_processing.py."
        )
    return float(hours[0])


def any_table(path: Path, columns: Columns) -> TrainingTable:
    """Table of any file whose target column holds 0 and 1; processed telemetry is known as such.

    A row with a value that cannot be used is left out and counted; a column that holds mostly such
    values is refused. Raises `UntrainableData`, `MissingColumns`, `UnusableFile`, `InvalidOption`.
    """
    table = read_table(path, _wanted(columns))
    if HORIZON in table.columns and columns.target == TARGET:
        return _labelled_table(table, columns)
    return _assemble(table, columns, None)


def _assemble(table: Table, columns: Columns, horizon_hours: float | None) -> TrainingTable:
    refuse_declared_leaks(columns.features, columns.post_hoc)
    parts = [columns.target, columns.group, columns.time]
    roles = [name for name in parts if name]
    clash = sorted({name for name in roles if name in columns.features or roles.count(name) > 1})
    if clash:
        raise InvalidOption(
            f"colonnes à deux rôles : {clash}. Une variable ne peut être aussi la cible, le groupe "
            "ou le temps."
        )
    table.require([*columns.features, *roles])
    keep = _Keep(table)
    values = np.column_stack([keep.numbers(name) for name in columns.features])
    labels = keep.binary(columns.target)
    groups = keep.filled(columns.group) if columns.group else None
    times = keep.instants(columns.time) if columns.time else None
    failed_at, failure_types = _announced(table) if horizon_hours else (None, None)
    mask = keep.mask
    if not mask.any():
        raise UntrainableData(
            f"{table.name} : aucune ligne utilisable ; laissées de côté : {keep.left_out}."
        )
    return TrainingTable(
        columns=columns,
        values=values[mask].astype(np.float32),
        labels=labels[mask].astype(np.int64),
        groups=None if groups is None else groups[mask],
        times=None if times is None else times[mask].reset_index(drop=True),
        horizon_hours=horizon_hours,
        sources=(table.source,),
        left_out=keep.left_out,
        failed_at=None if failed_at is None else failed_at[mask].reset_index(drop=True),
        failure_types=None if failure_types is None else failure_types[mask],
    )


def _announced(table: Table) -> tuple[pd.Series | None, NDArray[np.object_] | None]:
    """Which failure each row of a processed file announces, if the file has these columns."""
    if not {FAILED_AT, FAILURE_TYPE} <= set(table.columns):
        return None, None
    types = names(table.cells[FAILURE_TYPE]).to_numpy(dtype=object)
    return instants(table.cells[FAILED_AT]), types


class _Keep:
    """Reads columns one after the other and remembers which rows are still usable."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.mask = np.ones(len(table.cells), dtype=bool)
        self.left_out: dict[str, int] = {}
        if len(table.rejects):
            self.left_out["nombre de champs"] = len(table.rejects)

    def _drop(self, name: str, bad: NDArray[np.bool_], what: str) -> None:
        if len(bad) and bad.mean() > UNREADABLE_SHARE:
            cells = self._table.cells[name][bad]
            empty = cells.isna() | (cells.astype(str).str.strip() == "")
            example = "" if empty.all() else f", par exemple « {str(cells[~empty].iloc[0])[:40]} »"
            raise UntrainableData(
                f"{self._table.name} : la colonne « {name} » ne contient pas {what} sur "
                f"{number(int(bad.sum()))} lignes de {number(len(bad))} (cellules vides : "
                f"{number(int(empty.sum()))}{example}) ; complétez-la, retirez ces lignes ou "
                "choisissez une autre colonne."
            )
        new = int((bad & self.mask).sum())
        if new:
            self.left_out[f"{name} : pas {what}"] = new
        self.mask &= ~bad

    def numbers(self, name: str) -> NDArray[Any]:
        values = numbers(self._table.cells[name])
        usable = np.abs(values) <= np.finfo(np.float32).max  # false for NaN and infinities
        self._drop(name, ~usable, "un nombre fini")
        return values

    def binary(self, name: str) -> NDArray[Any]:
        values = numbers(self._table.cells[name])
        other = np.unique(values[~np.isnan(values) & (values != 0) & (values != 1)])
        if len(other):
            raise UntrainableData(
                f"{self._table.name} : la cible « {name} » doit valoir 0 ou 1 ; trouvé "
                f"{[float(value) for value in other[:5]]}."
            )
        self._drop(name, np.isnan(values), "0 ou 1")
        return values

    def filled(self, name: str) -> NDArray[np.object_]:
        values = names(self._table.cells[name])
        self._drop(name, (values == "").to_numpy(), "une valeur")
        return values.to_numpy(dtype=object)

    def instants(self, name: str) -> pd.Series:
        values = instants(self._table.cells[name])
        self._drop(name, values.isna().to_numpy(), "un horodatage ISO 8601")
        return values
