"""Checks of raw rows: each row becomes a typed reading or a reject with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pmd.cells import LINE, instants, names, numbers, texts_of
from pmd.sensors import LOCO_ID_PATTERN, SENSORS

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)


class Checked(NamedTuple):
    """`rows` that passed, typed, beside their line; `rejects`: line, reason, content."""

    rows: pd.DataFrame
    rejects: pd.DataFrame


class _Reasons:
    """The first reason found for each row that is not good."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self._cells = cells
        self.good = np.ones(len(cells), dtype=bool)
        self._told: list[pd.Series] = []

    def add(self, bad: Any, column: str, after: str) -> None:
        """Give the rows that are `bad` this reason, with what they hold in `column`."""
        new = np.flatnonzero(np.asarray(bad, dtype=bool) & self.good)
        if len(new):
            held = texts_of(self._cells[column].iloc[new]).str.slice(0, 40)
            self._told.append(f"{column} : « " + held + f" » {after}")
            self.good[new] = False

    def rejects(self) -> pd.DataFrame:
        """By line."""
        return rejected(self._cells, pd.concat(self._told).sort_index() if self._told else None)


def rejected(cells: pd.DataFrame, reasons: pd.Series | None) -> pd.DataFrame:
    """Rejects of the rows of `cells` that have one of `reasons`; both are indexed by line."""
    told = pd.Series(dtype=object) if reasons is None else reasons
    texts = cells.loc[told.index].apply(texts_of) if len(told) else cells.head(0)  # loc is slow
    content = [",".join(row) for row in texts.itertuples(index=False)]
    return pd.DataFrame(
        {
            LINE: told.index.to_numpy(dtype=np.int64),
            "reason": told.to_numpy(dtype=object),
            "content": pd.Series(content, dtype=object),
        }
    )


def check_telemetry(cells: pd.DataFrame, now: datetime) -> Checked:
    """Check cells `timestamp, loco_id`, the four sensors and, if present, `failure` (0/1).

    An instant without offset is UTC; one before `EARLIEST` or after `now` comes from a clock that
    was not set, and would displace the whole period. Rows keep the order of the file.
    """
    reasons = _Reasons(cells)
    at = instants(cells["timestamp"])
    reasons.add(at.isna(), "timestamp", "n'est pas un horodatage ISO 8601")
    possible = at.between(EARLIEST, now + CLOCK_SKEW)
    reasons.add(~possible, "timestamp", "est avant 2000 ou dans le futur")
    columns: dict[str, Any] = {LINE: cells.index, "timestamp": at.array}
    columns["loco_id"] = _locomotives(cells, reasons)
    for sensor in SENSORS:
        values = numbers(cells[sensor.name])
        reasons.add(~np.isfinite(values), sensor.name, "n'est pas un nombre")
        reasons.add(
            (values < sensor.minimum) | (values > sensor.maximum),
            sensor.name,
            f"hors du possible [{sensor.minimum:g} ; {sensor.maximum:g}] {sensor.unit}",
        )
        columns[sensor.name] = values
    if "failure" in cells:
        flags = numbers(cells["failure"])
        reasons.add((flags != 0) & (flags != 1), "failure", "n'est ni 0 ni 1")
        columns["failure"] = np.where(reasons.good, flags, 0).astype("int64")
    rows = pd.DataFrame(columns, copy=False)
    good = rows if reasons.good.all() else rows[reasons.good].reset_index(drop=True)
    return Checked(good, reasons.rejects())


def _locomotives(cells: pd.DataFrame, reasons: _Reasons) -> Any:
    """Names as categories."""
    found = names(cells["loco_id"])
    known = found.cat.categories
    bad = ~known.str.fullmatch(LOCO_ID_PATTERN) if len(known) else np.zeros(0, dtype=bool)
    reasons.add(
        np.asarray(bad)[found.cat.codes], "loco_id", "n'est pas un identifiant de locomotive"
    )
    return found.array


def without_duplicates(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Of checked rows with the same locomotive and instant, the first in the file.

    They come ordered by locomotive, then time; beside them, by line, the reason of each row that
    repeats another: it names the line that is kept.
    """
    order = np.argsort(rows["timestamp"].to_numpy(dtype=np.int64), kind="stable")
    codes = rows["loco_id"].cat.codes.to_numpy()
    order = order[np.argsort(codes[order], kind="stable")]
    ordered = rows if _rising(order) else rows.iloc[order].reset_index(drop=True)
    codes, at = ordered["loco_id"].cat.codes.to_numpy(), ordered["timestamp"].to_numpy(np.int64)
    repeated = np.zeros(len(ordered), dtype=bool)
    repeated[1:] = (codes[1:] == codes[:-1]) & (at[1:] == at[:-1])
    if not repeated.any():
        return ordered, pd.Series(dtype=object)
    first = ordered[LINE].where(~repeated).ffill()[repeated].astype("int64").astype(str)
    reasons = ("doublon (loco_id, timestamp) de la ligne " + first).astype(object)
    told = reasons.set_axis(ordered.loc[repeated, LINE]).sort_index()
    return ordered[~repeated].reset_index(drop=True), told


def _rising(order: NDArray[np.intp]) -> bool:
    return bool((order == np.arange(len(order))).all())


def check_maintenance(cells: pd.DataFrame, now: datetime) -> Checked:
    """Check cells `loco_id, opened_at, closed_at, failure_type`; ordered by locomotive and opening.

    An open order has no closing instant; a failure of unknown type is typed "". One opened after
    `now` would date a failure that has not happened; a closing may be planned.
    """
    reasons = _Reasons(cells)
    told = {name: texts_of(cells[name]).str.strip() for name in ("loco_id", "failure_type")}
    rows = pd.DataFrame(
        {
            LINE: cells.index,
            "loco_id": told["loco_id"].to_numpy(),
            "opened_at": instants(cells["opened_at"]).array,
            "closed_at": instants(cells["closed_at"]).array,
            "failure_type": told["failure_type"].to_numpy(),
        }
    )
    bad_loco = ~told["loco_id"].str.fullmatch(LOCO_ID_PATTERN).astype(bool)
    reasons.add(bad_loco, "loco_id", "n'est pas un identifiant de locomotive")
    reasons.add(rows["opened_at"].isna(), "opened_at", "n'est pas un horodatage ISO 8601")
    ahead = rows["opened_at"] > now + CLOCK_SKEW
    reasons.add(ahead, "opened_at", "est dans le futur")
    closing = texts_of(cells["closed_at"]).str.strip().to_numpy() != ""
    bad_close = rows["closed_at"].isna() & closing
    reasons.add(bad_close, "closed_at", "n'est pas un horodatage ISO 8601")
    backwards = rows["closed_at"] < rows["opened_at"]
    reasons.add(backwards, "closed_at", "précède l'ouverture")
    good = rows[reasons.good].sort_values(["loco_id", "opened_at"], ignore_index=True)
    return Checked(good, reasons.rejects())
