"""Desks on which runs are cut short, on SQLite and on a PostgreSQL server of this process."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_cases import Killing, kill_load, kill_report
from fault_desk import Desk, PostgresWarehouse, SqliteWarehouse, Warehouse, write_machines
from postgres_server import PostgresServer, binaries

ROWS = 3_000
PATIENCE = {"DPA_BUSY_TIMEOUT_S": "2"}
BACK_ENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server in a folder that its user can reach, unlike pytest's."""
    if not (binaries() / "postgres").exists():
        pytest.skip("PostgreSQL's programs are neither in PG_BIN nor on the PATH")
    with (
        tempfile.TemporaryDirectory(prefix="dpa-postgres-") as folder,
        PostgresServer(Path(folder), fsync=False) as started,
    ):
        yield started


def make_desk(folder: Path, kind: str, request: pytest.FixtureRequest) -> Desk:
    """Set up a folder, a machine list and an empty warehouse."""
    warehouse: Warehouse
    if kind == "sqlite":
        warehouse = SqliteWarehouse(folder / "dwh")
    else:
        warehouse = PostgresWarehouse(
            request.getfixturevalue("server"), folder.name.rstrip("0123456789")
        )
    machines = write_machines(folder / "machines.json", 200)
    return Desk(folder, warehouse, machines, environ=dict(PATIENCE))


@pytest.fixture(scope="session")
def sqlite_load(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Killing:
    """A load of 3,000 lines into SQLite that was observed undisturbed."""
    desk = make_desk(tmp_path_factory.mktemp("sqlite"), "sqlite", request)
    return kill_load(desk, ROWS, first_loads=True)


@pytest.fixture(scope="session")
def postgresql_load(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Killing:
    """The same into PostgreSQL."""
    desk = make_desk(tmp_path_factory.mktemp("postgresql"), "postgresql", request)
    return kill_load(desk, ROWS)


@pytest.fixture(params=BACK_ENDS)
def load(request: pytest.FixtureRequest) -> Killing:
    """The one and the other."""
    chosen: Killing = request.getfixturevalue(f"{request.param}_load")
    return chosen


@pytest.fixture(scope="module", params=BACK_ENDS)
def reporting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Killing:
    """A report of 2,000 transactions that was observed undisturbed."""
    folder = tmp_path_factory.mktemp(f"{request.param}_report")
    return kill_report(make_desk(folder, request.param, request), ROWS)
