"""What each stage of a run cannot beat: pyarrow reading alone, ADBC writing alone."""

import adbc_driver_sqlite.dbapi
import pyarrow as pa
from pyarrow import csv

INDEXES = (
    "CREATE UNIQUE INDEX bare_id ON bare (transaction_id)",
    "CREATE INDEX bare_day ON bare (date_key, site_key)",
)


def read_as_text(erp: str) -> int:
    """Cut the file into text cells."""
    names = csv.open_csv(erp).schema.names
    options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return int(csv.read_csv(erp, convert_options=options).num_rows)


def read_typed(erp: str) -> int:
    """Cut the file and convert its dates and numbers, faulty cells being fatal."""
    return int(csv.read_csv(erp).num_rows)


def ingest(rows: str, dwh: str) -> None:
    """Write ready rows into a fresh SQLite table, then make the two indexes."""
    with pa.memory_map(rows) as source:
        table = pa.ipc.open_file(source).read_all()
    with (
        adbc_driver_sqlite.dbapi.connect(dwh) as connection,
        connection.cursor() as cursor,
    ):
        cursor.adbc_ingest("bare", table, mode="create")
        for statement in INDEXES:
            cursor.execute(statement)
        connection.commit()
