"""The trainer's features in Polars, with rolling windows over each locomotive."""

from pathlib import Path
from typing import Any

import polars as pl
from feature_totals import SENSORS, totals


def processed(raw: str, output: str, until: str) -> None:
    """Read, sort, compute the twenty features, write; no check, label, work order or reject."""
    rows = pl.scan_csv(raw, try_parse_dates=True).sort("loco_id", "timestamp")
    hours = (pl.col("timestamp") - pl.col("timestamp").min()).dt.total_seconds() / 3600
    rows = rows.with_columns(hours.alias("h"), pl.lit(1.0).alias("one"))
    h, hh = mean(pl.col("h"), "24h"), mean(pl.col("h") ** 2, "24h")
    known = old(pl.col("one"))
    features = []
    for name in SENSORS:
        value = pl.col(name)
        baseline = old(value) / known
        mean_6h, mean_24h = mean(value, "6h"), mean(value, "24h")
        spread = hh - h * h
        slope = (mean(pl.col("h") * value, "24h") - h * mean_24h) / spread
        features += [
            mean_6h.round(4).alias(f"{name}_mean_6h"),
            mean_24h.round(4).alias(f"{name}_mean_24h"),
            pl.when(spread > 1e-6).then(slope).otherwise(0.0).round(4).alias(f"{name}_slope_24h"),
            *(
                pl.when(known > 0)
                .then(found - baseline)
                .otherwise(0.0)
                .round(4)
                .alias(f"{name}_deviation_{window}")
                for window, found in (("6h", mean_6h), ("24h", mean_24h))
            ),
        ]
    rows.with_columns(features).drop("h", "one").collect().write_csv(output)


def mean(value: pl.Expr, window: str) -> pl.Expr:
    """Mean of the last `window` of each locomotive."""
    return value.rolling_mean_by("timestamp", window).over("loco_id")


def old(value: pl.Expr) -> pl.Expr:
    """Sum of the values whose age lies between 48 hours and 14 days, both included."""
    whole = value.rolling_sum_by("timestamp", "14d", closed="both").over("loco_id")
    return whole - value.rolling_sum_by("timestamp", "48h").over("loco_id")


def contents(output: str, until: str, **_: Any) -> list[float]:
    """Count and sum what was written."""
    return totals(Path(output), until)
