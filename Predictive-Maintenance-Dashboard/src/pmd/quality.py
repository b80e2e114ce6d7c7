"""Checks of raw rows: each row becomes a typed reading or a reject with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from pmd.sensors import LOCO_ID_PATTERN, SENSORS

LINE = "line"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)


class Checked(NamedTuple):
    """`rows` that passed, typed; `rejects` (line, reason, content); how many were duplicates.

    Duplicates stand among `rejects` too, with the line of the first occurrence in their reason.
    """

    rows: pd.DataFrame
    rejects: pd.DataFrame
    duplicates: int


class _Reasons:
    """The first reason found for each row."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self._cells = cells
        self.reason = pd.Series("", index=cells.index, dtype=object)

    def add(self, bad: pd.Series, reasons: Iterable[str] | str) -> None:
        new = bad & (self.reason == "")
        text = reasons if isinstance(reasons, str) else pd.Series(list(reasons), self.reason.index)
        self.reason = self.reason.mask(new, text)

    def quote(self, column: str) -> pd.Series:
        return "« " + self._cells[column].astype(str).str.slice(0, 40) + " »"

    def add_quoted(self, bad: pd.Series, column: str, after: str) -> None:
        self.add(bad, (f"{column} : " + self.quote(column) + f" {after}").tolist())

    def rejects(self) -> pd.DataFrame:
        bad = self.reason != ""
        content = [",".join(row) for row in self._cells[bad].itertuples(index=False)]
        return pd.DataFrame({"reason": self.reason[bad], "content": content}).reset_index(
            names=LINE
        )


def check_telemetry(cells: pd.DataFrame, now: datetime) -> Checked:
    """Check text cells `timestamp, loco_id`, the four sensors and, if present, `failure` (0/1).

    An instant without offset is UTC; one before `EARLIEST` or after `now` comes from a clock that
    was not set, and would displace the whole period. Of rows with the same locomotive and instant
    the first in the file is kept. The result is ordered by locomotive, then time.
    """
    reasons = _Reasons(cells)
    rows = pd.DataFrame({LINE: cells.index, "timestamp": _instants(cells["timestamp"])})
    reasons.add_quoted(rows["timestamp"].isna(), "timestamp", "n'est pas un horodatage ISO 8601")
    possible = rows["timestamp"].between(EARLIEST, now + CLOCK_SKEW)
    reasons.add_quoted(~possible, "timestamp", "est avant 2000 ou dans le futur")
    rows["loco_id"] = cells["loco_id"].astype(str).str.strip()
    bad_loco = ~rows["loco_id"].str.fullmatch(LOCO_ID_PATTERN)
    reasons.add_quoted(bad_loco, "loco_id", "n'est pas un identifiant de locomotive")
    for sensor in SENSORS:
        rows[sensor.name] = _numbers(cells[sensor.name])
        reasons.add_quoted(~np.isfinite(rows[sensor.name]), sensor.name, "n'est pas un nombre")
        reasons.add_quoted(
            ~rows[sensor.name].between(sensor.minimum, sensor.maximum),
            sensor.name,
            f"hors du possible [{sensor.minimum:g} ; {sensor.maximum:g}] {sensor.unit}",
        )
    if "failure" in cells:
        rows["failure"] = _numbers(cells["failure"])
        reasons.add_quoted(~rows["failure"].isin([0, 1]), "failure", "n'est ni 0 ni 1")
    return _without_duplicates(rows, reasons)


def check_maintenance(cells: pd.DataFrame) -> Checked:
    """Check text cells `loco_id, opened_at, closed_at`: an open order has no closing instant."""
    reasons = _Reasons(cells)
    rows = pd.DataFrame(
        {
            LINE: cells.index,
            "loco_id": cells["loco_id"].astype(str).str.strip(),
            "opened_at": _instants(cells["opened_at"]),
            "closed_at": _instants(cells["closed_at"]),
        }
    )
    bad_loco = ~rows["loco_id"].str.fullmatch(LOCO_ID_PATTERN)
    reasons.add_quoted(bad_loco, "loco_id", "n'est pas un identifiant de locomotive")
    reasons.add_quoted(rows["opened_at"].isna(), "opened_at", "n'est pas un horodatage ISO 8601")
    bad_close = rows["closed_at"].isna() & (cells["closed_at"].astype(str).str.strip() != "")
    reasons.add_quoted(bad_close, "closed_at", "n'est pas un horodatage ISO 8601")
    backwards = rows["closed_at"] < rows["opened_at"]
    reasons.add_quoted(backwards, "closed_at", "précède l'ouverture")
    good = rows[reasons.reason == ""].sort_values(["loco_id", "opened_at"], ignore_index=True)
    return Checked(good, reasons.rejects(), 0)


def _without_duplicates(rows: pd.DataFrame, reasons: _Reasons) -> Checked:
    key = ["loco_id", "timestamp"]
    valid = rows[reasons.reason == ""]
    repeated = valid.duplicated(key)
    first = valid.groupby(key, sort=False)[LINE].transform("first")
    duplicate = repeated.reindex(rows.index, fill_value=False)
    kept_line = first.reindex(rows.index).fillna(0).astype("int64").astype(str)
    text = "doublon (loco_id, timestamp) de la ligne " + kept_line
    reasons.add(duplicate, text.tolist())
    good = rows[reasons.reason == ""].sort_values(key, ignore_index=True)
    if "failure" in good:
        good = good.astype({"failure": "int64"})
    return Checked(good, reasons.rejects(), int(repeated.sum()))


def _instants(texts: pd.Series) -> pd.Series:
    parsed = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    return parsed.astype("datetime64[us, UTC]")


def _numbers(texts: pd.Series) -> pd.Series:
    return pd.to_numeric(texts, errors="coerce").astype("float64")
