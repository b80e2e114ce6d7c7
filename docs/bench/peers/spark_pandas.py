"""The same join and aggregation on Spark local[2], which runs the same pandas functions.

Importing this module starts Spark and runs a first small job, so that both count as imports.
"""

import os
import pickle
import sys
from collections.abc import Iterator
from typing import Any

os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ["PYTHONWARNINGS"] = "ignore"

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from dpa.transform import combine_daily_stats, critical_alerts, enrich, partial_daily_stats

BATCH_ROWS = 200_000
READ = (
    "transaction_id string, machine_id string, date timestamp, volume_transferred double, "
    "status_code string"
)
FIRST_JOB = (
    "SELECT 'M' AS machine_id, timestamp'2026-01-01' AS date, 1D AS volume_transferred, "
    "'OK' AS status_code"
)
NO_MACHINES = pd.DataFrame({"machine_id": ["M"], "site_location": ["Douala"]})


def started() -> SparkSession:
    """Start Spark on two threads."""
    return (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", BATCH_ROWS)
        .getOrCreate()
    )


def combined(rows: DataFrame, machines: pd.DataFrame) -> pd.DataFrame:
    """Sum up each batch on the workers and combine the sums here."""

    def summed(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            days = frame["date"].dt
            typed = frame.assign(
                machine_id=frame["machine_id"].astype("str").astype("category"),
                date_key=(days.year * 10_000 + days.month * 100 + days.day).astype("int32"),
                critical_alert=critical_alerts(frame),
            )
            part = partial_daily_stats(enrich(typed, machines))
            yield pd.DataFrame({"part": [pickle.dumps(part)]})

    parts = rows.mapInPandas(summed, "part binary").collect()
    # The bytes come from our own workers.
    return combine_daily_stats(pickle.loads(row["part"]) for row in parts)  # noqa: S301


def overview(erp: str, machines: str, out: str) -> None:
    """Join and aggregate an export into a CSV."""
    rows = SESSION.read.csv(erp, header=True, schema=READ)
    fleet = pd.read_json(machines)[["machine_id", "site_location"]]
    combined(rows, fleet).to_csv(out, index=False)


def contents(erp: str, machines: str, out: str) -> list[Any]:
    """Count what the CSV holds."""
    stats = pd.read_csv(out)
    sums = stats[["total_volume", "total_alerts", "active_machines"]].sum().round()
    return [len(stats), *sums.tolist()]


SESSION = started()
SESSION.sparkContext.setLogLevel("OFF")
combined(SESSION.sql(FIRST_JOB), NO_MACHINES)
