"""A bare COPY into PostgreSQL with the key and the index; nothing is read, checked or joined."""

from pathlib import Path

import psycopg

BLOCK_BYTES = 1 << 20
INDEXES = (
    "ALTER TABLE bare ADD PRIMARY KEY (transaction_id)",
    "CREATE INDEX bare_day ON bare ({day})",
)


def copy_fact_rows(file: str, dwh: str) -> None:
    """COPY the fourteen columns of our fact table, as PostgreSQL itself exported them."""
    columns = """
        transaction_key integer NOT NULL, transaction_id text NOT NULL, date_key integer NOT NULL,
        machine_key integer NOT NULL, site_key integer NOT NULL, statut_key integer NOT NULL,
        lot_key integer NOT NULL, date timestamptz NOT NULL, machine_id text NOT NULL,
        site_location text NOT NULL, status_code text NOT NULL,
        volume_transferred double precision NOT NULL, critical_alert integer NOT NULL,
        source_line integer NOT NULL"""
    _copied(file, dwh, columns, "", "date_key, site_key")


def copy_erp_file(file: str, dwh: str) -> None:
    """COPY the five columns of the ERP's file as it came."""
    columns = """
        transaction_id text NOT NULL, machine_id text NOT NULL, date timestamp NOT NULL,
        volume_transferred double precision NOT NULL, status_code text NOT NULL"""
    _copied(file, dwh, columns, "(FORMAT csv, HEADER)", "date")


def _copied(file: str, dwh: str, columns: str, options: str, day: str) -> None:
    with psycopg.connect(dwh) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare ({columns})".encode())
        with (
            cursor.copy(f"COPY bare FROM STDIN {options}".encode()) as copy,
            Path(file).open("rb") as source,
        ):
            while block := source.read(BLOCK_BYTES):
                copy.write(block)
        for statement in INDEXES:
            cursor.execute(statement.format(day=day).encode())


def contents(file: str, dwh: str) -> list[object]:
    """Count what the table holds."""
    with psycopg.connect(dwh) as connection:
        query = "SELECT count(*), round(sum(volume_transferred)) FROM bare"
        return list(connection.execute(query).fetchone() or ())
