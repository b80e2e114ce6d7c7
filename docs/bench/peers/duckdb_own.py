"""The same job in DuckDB, into its own file or only to a CSV of aggregates."""

import duckdb

JOINED = """
SELECT t.transaction_id, CAST(strftime(t.date, '%Y%m%d') AS INTEGER) AS date_key, t.date,
    t.machine_id, coalesce(m.site_location, 'Inconnu') AS site_location, t.status_code,
    t.volume_transferred,
    CAST(t.status_code IN ('WARN', 'ERR') AND t.volume_transferred < 20 AS TINYINT)
        AS critical_alert
FROM read_csv(?, header = true, columns = {
    'transaction_id': 'VARCHAR', 'machine_id': 'VARCHAR', 'date': 'TIMESTAMP',
    'volume_transferred': 'DOUBLE', 'status_code': 'VARCHAR'
}) AS t LEFT JOIN read_json(?) AS m ON m.machine_id = t.machine_id
"""
STATS = """
SELECT date_key, site_location, sum(volume_transferred) AS total_volume,
    sum(critical_alert) AS total_alerts, count(DISTINCT machine_id) AS active_machines,
    count(*) AS transaction_count
FROM {rows} GROUP BY date_key, site_location
"""


def load_bare(erp: str, machines: str, dwh: str) -> None:
    """Write the joined rows and the aggregates, with no key and no index."""
    with duckdb.connect(dwh) as connection:
        # The query is a constant of this file.
        connection.execute(f"CREATE TABLE fact_transactions AS {JOINED}", [erp, machines])
        connection.execute(
            f"CREATE TABLE aggr_daily_site_stats AS {STATS.format(rows='fact_transactions')}"
        )
        connection.execute("CHECKPOINT")


def load(erp: str, machines: str, dwh: str) -> None:
    """Do the same, with the unique key and the index that our warehouse has."""
    with duckdb.connect(dwh) as connection:
        connection.execute(f"CREATE TABLE fact_transactions AS {JOINED}", [erp, machines])
        connection.execute("CREATE UNIQUE INDEX fact_id ON fact_transactions (transaction_id)")
        connection.execute("CREATE INDEX fact_day ON fact_transactions (date_key, site_location)")
        connection.execute(
            f"CREATE TABLE aggr_daily_site_stats AS {STATS.format(rows='fact_transactions')}"
        )
        connection.execute("CHECKPOINT")


def aggregate(erp: str, machines: str, out: str) -> None:
    """Join and aggregate an export into a CSV, with two threads."""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        query = STATS.format(rows=f"({JOINED})")
        connection.execute(
            f"COPY ({query} ORDER BY date_key, site_location) TO '{out}'", [erp, machines]
        )


def contents(erp: str, machines: str, dwh: str = "", out: str = "") -> list[object]:
    """Count what the file holds."""
    if out:
        query = (
            "SELECT count(*), round(sum(total_volume)), sum(total_alerts), sum(active_machines) "
            f"FROM '{out}'"
        )
        with duckdb.connect() as connection:
            return list(connection.execute(query).fetchone() or ())
    with duckdb.connect(dwh, read_only=True) as connection:
        facts = connection.execute(
            "SELECT count(*), round(sum(volume_transferred)), sum(critical_alert)::BIGINT "
            "FROM fact_transactions"
        ).fetchone()
        stats = connection.execute(
            "SELECT count(*), sum(active_machines)::BIGINT FROM aggr_daily_site_stats"
        ).fetchone()
        return [*(facts or ()), *(stats or ())]
