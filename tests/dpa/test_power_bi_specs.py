"""POWER_BI_SPECS.md names views, columns and a role that exist, and connection files that parse."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import own_schema
from postgres_server import PostgresServer
from store import Store, closing_connection, part

from dpa.dwh_url import DwhUrl
from dpa.settings import SERVICE_ROOT
from dpa.sql_files import SQL_ROOT

SPECS = (SERVICE_ROOT / "POWER_BI_SPECS.md").read_text(encoding="utf-8")
ROLE_SQL = (SQL_ROOT / "powerbi_role.sql").read_text(encoding="utf-8")
FACT = (2, "T1", "M1", "2026-01-05 08:00", 10.0, "ERR")


def described_columns() -> dict[str, list[str]]:
    rows = re.findall(r"^\| `(v_\w+)` \| [^|]+ \| ([^|]+) \|$", SPECS, flags=re.MULTILINE)
    return {view: columns.split(", ") for view, columns in rows}


def actual_columns(store: Store) -> dict[str, list[str]]:
    views = re.findall(r"CREATE VIEW (\w+)", (SQL_ROOT / "views.sql").read_text(encoding="utf-8"))
    with closing_connection(store.url) as database:
        return {
            view: database.table(f"SELECT * FROM {view}").column_names  # noqa: S608  (our views)
            for view in views
        }


def test_every_view_is_described_with_its_columns_in_order(store: Store) -> None:
    store.load(part([FACT]))
    assert described_columns() == actual_columns(store)


def test_every_column_that_a_relation_a_measure_or_a_page_names_exists() -> None:
    views = described_columns()
    named = re.findall(r"(v_\w+)\[([^\]]+)\]", SPECS)
    assert len(named) > 40
    assert [(view, column) for view, column in named if column not in views[view]] == []


def test_every_measure_that_another_uses_is_defined() -> None:
    measures = re.search(r"## Mesures DAX\n\n```text\n(.*?)```", SPECS, flags=re.DOTALL)
    assert measures
    lines = measures[1].splitlines()
    names = {line.split("=")[0].strip() for line in lines}
    used = {name for line in lines for name in re.findall(r"(?<!\w)\[([^\]]+)\]", line)}
    assert used <= names


def test_every_relation_finds_one_row_for_each_of_its_many(store: Store) -> None:
    store.load(part([FACT, (3, "T2", "M9", "2026-01-05 09:00", 1.0, "OK")], [4]))
    store.load(part([(2, "T1", "M1", "2026-01-05 08:00", 11.0, "ERR")]))
    pairs = re.findall(r"^\| `(\w+)\[(.+)\]` \| `(\w+)\[(.+)\]` \|$", SPECS, flags=re.MULTILINE)
    assert len(pairs) == 9
    for many, key, one, same_key in pairs:
        joined = (
            f'SELECT (SELECT COUNT(*) FROM {many}), COUNT(*), COUNT(o."{same_key}") '  # noqa: S608
            f'FROM {many} AS m LEFT JOIN {one} AS o ON o."{same_key}" = m."{key}"'
        )
        ((rows, found, matched),) = store.rows(joined)
        assert 0 < rows == found == matched, (many, one)


def test_named_files_exist() -> None:
    for name in re.findall(r"`((?:powerbi|sql)/[\w./]+)`", SPECS):
        assert (SERVICE_ROOT / name).is_file(), name


@pytest.mark.parametrize(
    ("name", "protocol", "mode"),
    [
        ("entrepot_postgresql.pbids", "postgresql", "DirectQuery"),
        ("entrepot_sqlite.pbids", "odbc", "Import"),
    ],
)
def test_a_connection_file_is_one_connection_without_a_secret(
    name: str, protocol: str, mode: str
) -> None:
    text = (SERVICE_ROOT / "powerbi" / name).read_text(encoding="utf-8")
    (connection,) = json.loads(text)["connections"]
    assert (connection["details"]["protocol"], connection["mode"]) == (protocol, mode)
    assert "password" not in text.lower()


@pytest.fixture
def reader(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """The warehouse as its owner and as the role of Power BI."""
    schema = tmp_path.name
    owner = Store(DwhUrl.parse(own_schema(postgres_server, schema)))
    owner.load(part([FACT], [3]))
    with closing_connection(owner.url) as database:
        database.run_script(ROLE_SQL.replace("SCHEMA public", f'SCHEMA "{schema}"'))
    role_url = owner.url.target.replace("//dpa@", "//powerbi_lecture@")
    yield owner, Store(DwhUrl.parse(role_url))
    postgres_server.execute("DROP OWNED BY powerbi_lecture")
    postgres_server.execute("DROP ROLE powerbi_lecture")


@pytest.mark.postgresql
def test_the_role_reads_every_view(reader: tuple[Store, Store]) -> None:
    owner, role = reader
    for view in actual_columns(owner):
        query = f"SELECT COUNT(*) FROM {view}"  # noqa: S608  (our views)
        assert role.rows(query) == owner.rows(query), view


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO v_lieux VALUES ('Edéa', 9)",
        "UPDATE fact_transactions SET volume_transferred = 0",
        "DELETE FROM rejets",
        "CREATE TABLE a (b INTEGER)",
        "DROP VIEW v_jours",
        "SELECT * FROM fact_transactions",
        "CREATE ROLE b",
    ],
)
def test_the_role_does_nothing_else(reader: tuple[Store, Store], statement: str) -> None:
    owner, role = reader
    before = owner.dump()
    with closing_connection(role.url) as database:
        database.execute("SET default_transaction_read_only = off")
        with pytest.raises(Exception, match=r"SQLSTATE: (42501|55000)"):
            database.execute(statement)
    assert owner.dump() == before
