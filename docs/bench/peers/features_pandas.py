"""The trainer's features as pandas code usually has them: `groupby.transform(lambda)`, `to_csv`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from feature_totals import SENSORS, totals


def processed(raw: str, output: str, until: str) -> None:
    """Read, sort, compute the twenty features, write; no check, label, work order or reject."""
    rows = pd.read_csv(raw, parse_dates=["timestamp"])
    rows = rows.sort_values(["loco_id", "timestamp"], ignore_index=True).set_index("timestamp")
    rows["h"] = (rows.index - rows.index.min()).total_seconds() / 3600
    loco = rows["loco_id"]
    rows["hh"] = rows["h"] ** 2
    h = rows.groupby(loco)["h"].transform(lambda x: x.rolling("24h").mean())
    hh = rows.groupby(loco)["hh"].transform(lambda x: x.rolling("24h").mean())
    rows["one"] = 1.0
    known = rows.groupby(loco)["one"].transform(old)
    for name in SENSORS:
        by = rows.groupby(loco)[name]
        baseline = by.transform(old) / known
        mean_6h = by.transform(lambda x: x.rolling("6h").mean())
        mean_24h = by.transform(lambda x: x.rolling("24h").mean())
        rows["hy"] = rows["h"] * rows[name]
        hy = rows.groupby(loco)["hy"].transform(lambda x: x.rolling("24h").mean())
        slope = (hy - h * mean_24h) / (hh - h * h).where(hh - h * h > 1e-6)
        rows[f"{name}_mean_6h"] = mean_6h.round(4)
        rows[f"{name}_mean_24h"] = mean_24h.round(4)
        rows[f"{name}_slope_24h"] = slope.fillna(0.0).round(4)
        rows[f"{name}_deviation_6h"] = (mean_6h - baseline).where(known > 0, 0.0).round(4)
        rows[f"{name}_deviation_24h"] = (mean_24h - baseline).where(known > 0, 0.0).round(4)
    rows.drop(columns=["h", "hh", "hy", "one"]).to_csv(output)


def old(values: pd.Series) -> pd.Series:
    """Sum of the values whose age lies between 48 hours and 14 days, both included."""
    recent = values.rolling("48h").sum()
    return (values.rolling("14D", closed="both").sum() - recent).replace(-np.inf, 0.0)


def contents(output: str, until: str, **_: Any) -> list[float]:
    """Count and sum what was written."""
    return totals(Path(output), until)
