"""The ETL as pandas users write it: no check, no key but the two indexes, no lineage."""

import sqlite3
from contextlib import closing
from typing import Any

import pandas as pd


def load(erp: str, machines: str, dwh: str) -> None:
    """Read, merge, flag row by row, group, write with to_sql, index."""
    rows = pd.read_csv(erp).merge(pd.read_json(machines), on="machine_id", how="left")
    rows["site_location"] = rows["site_location"].fillna("Inconnu")
    rows["date"] = pd.to_datetime(rows["date"])
    rows["day"] = rows["date"].dt.strftime("%Y-%m-%d")
    rows["critical_alert"] = rows.apply(
        lambda row: int(row["status_code"] in ("WARN", "ERR") and row["volume_transferred"] < 20),
        axis=1,
    )
    stats = (
        rows.groupby(["day", "site_location"])
        .agg(
            total_volume=("volume_transferred", "sum"),
            total_alerts=("critical_alert", "sum"),
            active_machines=("machine_id", "nunique"),
            transaction_count=("transaction_id", "count"),
        )
        .reset_index()
    )
    with closing(sqlite3.connect(dwh)) as connection, connection:
        rows.to_sql("fact_transactions", connection, index=False, if_exists="replace")
        stats.to_sql("aggr_daily_site_stats", connection, index=False, if_exists="replace")
        connection.execute("CREATE UNIQUE INDEX fact_id ON fact_transactions (transaction_id)")
        connection.execute("CREATE INDEX fact_day ON fact_transactions (day, site_location)")


def contents(erp: str, machines: str, dwh: str) -> list[Any]:
    """Count what the warehouse holds."""
    with closing(sqlite3.connect(dwh)) as connection:
        return [
            *connection.execute(
                "SELECT COUNT(*), ROUND(SUM(volume_transferred)), SUM(critical_alert) "
                "FROM fact_transactions"
            ).fetchone(),
            *connection.execute(
                "SELECT COUNT(*), SUM(active_machines) FROM aggr_daily_site_stats"
            ).fetchone(),
        ]
