"""Checks of raw rows: each row becomes a typed reading or a reject with its reason."""

from __future__ import annotations

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

    def add(self, bad: pd.Series, column: str, after: str) -> None:
        """Give the rows that are `bad` this reason, with what they hold in `column`."""
        new = bad & (self.reason == "")
        if new.any():
            quoted = "« " + self._cells.loc[new, column].str.slice(0, 40) + " »"
            self.reason = self.reason.mask(new, f"{column} : " + quoted + f" {after}")

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
    rows = pd.DataFrame({LINE: cells.index, "timestamp": instants(cells["timestamp"])})
    reasons.add(rows["timestamp"].isna(), "timestamp", "n'est pas un horodatage ISO 8601")
    possible = rows["timestamp"].between(EARLIEST, now + CLOCK_SKEW)
    reasons.add(~possible, "timestamp", "est avant 2000 ou dans le futur")
    rows["loco_id"] = cells["loco_id"].astype(str).str.strip()
    bad_loco = ~rows["loco_id"].str.fullmatch(LOCO_ID_PATTERN)
    reasons.add(bad_loco, "loco_id", "n'est pas un identifiant de locomotive")
    for sensor in SENSORS:
        rows[sensor.name] = _numbers(cells[sensor.name])
        reasons.add(~np.isfinite(rows[sensor.name]), sensor.name, "n'est pas un nombre")
        reasons.add(
            ~rows[sensor.name].between(sensor.minimum, sensor.maximum),
            sensor.name,
            f"hors du possible [{sensor.minimum:g} ; {sensor.maximum:g}] {sensor.unit}",
        )
    if "failure" in cells:
        rows["failure"] = _numbers(cells["failure"])
        reasons.add(~rows["failure"].isin([0, 1]), "failure", "n'est ni 0 ni 1")
    return _without_duplicates(rows, reasons)


def check_maintenance(cells: pd.DataFrame) -> Checked:
    """Check text cells `loco_id, opened_at, closed_at, failure_type`.

    An open order has no closing instant; a failure of unknown type is typed "".
    """
    reasons = _Reasons(cells)
    rows = pd.DataFrame(
        {
            LINE: cells.index,
            "loco_id": cells["loco_id"].astype(str).str.strip(),
            "opened_at": instants(cells["opened_at"]),
            "closed_at": instants(cells["closed_at"]),
            "failure_type": cells["failure_type"].astype(str).str.strip(),
        }
    )
    bad_loco = ~rows["loco_id"].str.fullmatch(LOCO_ID_PATTERN)
    reasons.add(bad_loco, "loco_id", "n'est pas un identifiant de locomotive")
    reasons.add(rows["opened_at"].isna(), "opened_at", "n'est pas un horodatage ISO 8601")
    bad_close = rows["closed_at"].isna() & (cells["closed_at"].astype(str).str.strip() != "")
    reasons.add(bad_close, "closed_at", "n'est pas un horodatage ISO 8601")
    backwards = rows["closed_at"] < rows["opened_at"]
    reasons.add(backwards, "closed_at", "précède l'ouverture")
    good = rows[reasons.reason == ""].sort_values(["loco_id", "opened_at"], ignore_index=True)
    return Checked(good, reasons.rejects(), 0)


def _without_duplicates(rows: pd.DataFrame, reasons: _Reasons) -> Checked:
    key = ["loco_id", "timestamp"]
    valid = rows[reasons.reason == ""]
    repeated = valid.duplicated(key)
    first_line = valid.groupby(key, sort=False)[LINE].transform("first")[repeated].astype(str)
    reasons.reason[first_line.index] = "doublon (loco_id, timestamp) de la ligne " + first_line
    good = valid[~repeated].sort_values(key, ignore_index=True)
    if "failure" in good:
        good = good.astype({"failure": "int64"})
    return Checked(good, reasons.rejects(), int(repeated.sum()))


def instants(texts: pd.Series) -> pd.Series:
    """UTC instants of ISO 8601 texts, without offset: UTC; NaT for any other text."""
    dated = texts.where(texts.str.match(r"\s*\d{4}-?\d\d"))  # pandas would read "now" and "today"
    parsed = pd.to_datetime(dated, format="ISO8601", utc=True, errors="coerce")
    return parsed.astype("datetime64[us, UTC]")


def _numbers(texts: pd.Series) -> pd.Series:
    return pd.to_numeric(texts, errors="coerce").astype("float64")
