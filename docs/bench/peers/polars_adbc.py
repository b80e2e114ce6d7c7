"""The same job in Polars with the same integer keys; no check of cells, no reject, no lineage."""

import adbc_driver_sqlite.dbapi
import polars as pl

TABLES = """
CREATE TABLE dim_site (site_key INTEGER PRIMARY KEY, site_location TEXT NOT NULL);
CREATE TABLE dim_machine (
    machine_key INTEGER PRIMARY KEY, machine_id TEXT NOT NULL, site_key INTEGER NOT NULL,
    site_location TEXT NOT NULL, installation_year INTEGER
);
CREATE TABLE fact_transactions (
    transaction_key INTEGER PRIMARY KEY, transaction_id TEXT NOT NULL, date_key INTEGER NOT NULL,
    machine_key INTEGER NOT NULL, site_key INTEGER NOT NULL, statut_key INTEGER NOT NULL,
    date TEXT NOT NULL, machine_id TEXT NOT NULL, site_location TEXT NOT NULL,
    status_code TEXT NOT NULL, volume_transferred REAL NOT NULL, critical_alert INTEGER NOT NULL
);
CREATE TABLE aggr_daily_site_stats (
    date_key INTEGER NOT NULL, site_key INTEGER NOT NULL, site_location TEXT NOT NULL,
    total_volume REAL NOT NULL, total_alerts INTEGER NOT NULL, active_machines INTEGER NOT NULL,
    transaction_count INTEGER NOT NULL, PRIMARY KEY (date_key, site_key)
)"""
INDEXES = (
    "CREATE UNIQUE INDEX fact_id ON fact_transactions (transaction_id)",
    "CREATE INDEX fact_day ON fact_transactions (date_key, site_key)",
)
STATUS_KEYS = {"OK": 1, "WARN": 2, "ERR": 3}


def load(erp: str, machines: str, dwh: str) -> None:
    """Read, join the keys, flag, group, write by ADBC, index."""
    fleet = pl.read_json(machines).with_row_index("machine_key", offset=1)
    sites = fleet.select(pl.col("site_location").unique().sort()).with_row_index("site_key", 1)
    fleet = fleet.join(sites, on="site_location")
    rows = joined(pl.read_csv(erp), fleet)
    stats = rows.group_by("date_key", "site_key", "site_location").agg(
        total_volume=pl.col("volume_transferred").sum(),
        total_alerts=pl.col("critical_alert").sum(),
        active_machines=pl.col("machine_id").n_unique(),
        transaction_count=pl.len(),
    )
    with (
        adbc_driver_sqlite.dbapi.connect(dwh) as connection,
        connection.cursor() as cursor,
    ):
        for statement in TABLES.split(";"):
            cursor.execute(statement)
        for name, frame in (
            ("dim_site", sites),
            ("dim_machine", fleet),
            ("fact_transactions", rows),
            ("aggr_daily_site_stats", stats),
        ):
            cursor.adbc_ingest(name, frame.to_arrow(), mode="append")
        for statement in INDEXES:
            cursor.execute(statement)
        connection.commit()


def joined(rows: pl.DataFrame, fleet: pl.DataFrame) -> pl.DataFrame:
    """Give the fact table's columns; an unknown machine is the member -1."""
    instant = pl.col("date").str.to_datetime("%Y-%m-%d %H:%M:%S")
    degraded = pl.col("status_code").is_in(["WARN", "ERR"])
    return (
        rows.join(fleet.drop("installation_year"), on="machine_id", how="left")
        .with_row_index("transaction_key", offset=1)
        .select(
            "transaction_key",
            "transaction_id",
            instant.dt.strftime("%Y%m%d").cast(pl.Int32).alias("date_key"),
            pl.col("machine_key").cast(pl.Int64).fill_null(-1),
            pl.col("site_key").cast(pl.Int64).fill_null(-1),
            pl.col("status_code").replace_strict(STATUS_KEYS).alias("statut_key"),
            instant.dt.offset_by("-1h").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("date"),
            "machine_id",
            pl.col("site_location").fill_null("Inconnu"),
            "status_code",
            "volume_transferred",
            (degraded & (pl.col("volume_transferred") < 20)).cast(pl.Int8).alias("critical_alert"),
        )
    )


def contents(erp: str, machines: str, dwh: str) -> list[object]:
    """Count what the warehouse holds."""
    with adbc_driver_sqlite.dbapi.connect(dwh) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*), ROUND(SUM(volume_transferred)), SUM(critical_alert) "
            "FROM fact_transactions"
        )
        facts = cursor.fetchone()
        cursor.execute("SELECT COUNT(*), SUM(active_machines) FROM aggr_daily_site_stats")
        return [*facts, *cursor.fetchone()]
