"""A bare staged INSERT … ON CONFLICT of rows that are ready; no reading, check, audit, aggregate.

The rows are those that our own run wrote, keys included, in an Arrow file; foreign keys are off.
"""

from collections.abc import Sequence

import adbc_driver_postgresql.dbapi
import adbc_driver_sqlite.dbapi
import pyarrow as pa


def export_lot(dwh: str, rows: str) -> int:
    """Write the facts of the latest run of a warehouse to an Arrow file; give their number."""
    with _connected(dwh) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM fact_transactions "
            "WHERE lot_key = (SELECT MAX(lot_key) FROM dim_lot) ORDER BY transaction_key"
        )
        table = cursor.fetch_arrow_table()
    with pa.OSFile(rows, "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return int(table.num_rows)


def upsert(rows: str, dwh: str) -> None:
    """Stage the rows in a temporary table, then upsert them in one statement."""
    with pa.memory_map(rows) as source:
        table = pa.ipc.open_file(source).read_all()
    with _connected(dwh) as connection, connection.cursor() as cursor:
        if _is_postgresql(dwh):
            cursor.execute("SET session_replication_role = replica")
        cursor.adbc_ingest("staged", table, mode="create", temporary=True)
        cursor.execute(_merge(table.column_names, _is_postgresql(dwh)))
        connection.commit()


def contents(rows: str, dwh: str) -> int:
    """Count the facts."""
    with _connected(dwh) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM fact_transactions")
        return int(cursor.fetchone()[0])


def _merge(columns: Sequence[str], typed: bool) -> str:
    names = ", ".join(columns)
    new = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "transaction_key")
    # The columns are those of our own schema.
    return (
        f"INSERT INTO fact_transactions ({names}) SELECT {names} FROM staged WHERE true "
        f"ON CONFLICT (transaction_id) DO UPDATE SET {new}"
    )


def _is_postgresql(dwh: str) -> bool:
    return dwh.startswith("postgresql:")


def _connected(dwh: str) -> adbc_driver_sqlite.dbapi.Connection:
    driver = adbc_driver_postgresql if _is_postgresql(dwh) else adbc_driver_sqlite
    return driver.dbapi.connect(dwh)
