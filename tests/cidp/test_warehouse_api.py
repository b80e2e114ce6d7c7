"""`/warehouse` says what the Excel report says, on both databases, and can change nothing."""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conformity import conforms
from flask.testing import FlaskClient
from postgres import BACK_ENDS, frozen, own_schema, running_server
from postgres_server import PostgresServer
from waiting import stopwatch, until
from warehouses import FIRST, LAST, SITES, Seeded, seeded, table
from werkzeug.test import TestResponse

from cidp.assembly import assemble
from cidp.errors import WarehouseError
from cidp.http_api import app_of
from cidp.settings import EtlSettings, Settings
from cidp.store_url import StoreUrl
from cidp.warehouse import reading

KEY = {"X-API-KEY": "une-cle-sans-droits"}
PART = f"?sites={','.join(SITES)}&from={FIRST}&to={LAST}"
NAMES = ["filters", "kpis", "volumes", "alerts", "machines", "rejects", "runs"]
Client = Callable[[str], FlaskClient]


@pytest.fixture(scope="module", params=BACK_ENDS)
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seeded]:
    folder = tmp_path_factory.mktemp(f"seeded-{request.param}")
    if request.param == "sqlite":
        yield seeded(folder, str(folder / "dwh.sqlite"))
        return
    with running_server() as server:
        yield seeded(folder, own_schema(server, "logistique"))


@pytest.fixture
def client_of(settings: Settings) -> Client:
    """Make a client of an application that reads the given warehouse."""

    def make(dwh: str, read_timeout_s: float = 60) -> FlaskClient:
        etl = EtlSettings(dwh=dwh, read_timeout_s=read_timeout_s)
        return app_of(assemble(settings.model_copy(update={"etl": etl}))).test_client()

    return make


@pytest.fixture
def client(client_of: Client, loaded: Seeded) -> FlaskClient:
    return client_of(loaded.dwh)


def answered(client: FlaskClient, name: str, query: str = "") -> TestResponse:
    answer = client.get(f"/warehouse/{name}{query}", headers=KEY)
    return conforms(answer, f"/warehouse/{name}", "get")


def read(client: FlaskClient, name: str, query: str = "") -> dict[str, Any]:
    answer = answered(client, name, query)
    assert answer.status_code == 200, answer.json
    assert isinstance(answer.json, dict)
    return answer.json


@pytest.mark.parametrize("part", ["", PART], ids=["all", "part"])
def test_key_figures_are_those_of_the_report(
    client: FlaskClient, loaded: Seeded, part: str
) -> None:
    body = read(client, "kpis", part)
    report = table(loaded.part if part else loaded.whole, "T_KPI")[:-1]
    assert [kpi["value"] for kpi in body["kpis"]] == pytest.approx(
        [row["Valeur"] for row in report], rel=1e-12
    )
    previous = [row["Période précédente"] for row in report]
    if part:
        assert body["filters"] == {"sites": list(SITES), "from": "2026-01-15", "to": "2026-01-25"}
        assert body["previous_period"]["from"] == "2026-01-04"
        assert body["previous_period"]["to"] == "2026-01-14"
        assert [kpi["previous"] for kpi in body["kpis"]] == pytest.approx(previous, rel=1e-12)
    else:
        assert body["previous_period"] is None
        assert {kpi["previous"] for kpi in body["kpis"]} == set(previous) == {None}


@pytest.mark.parametrize("part", ["", PART], ids=["all", "part"])
def test_volumes_are_those_of_the_report(client: FlaskClient, loaded: Seeded, part: str) -> None:
    report = table(loaded.part if part else loaded.whole, "T_Stats_Sites")
    rows = read(client, "volumes", part)["volumes"]
    assert [(row["day"], row["site"], row["transactions"], row["alerts"]) for row in rows] == [
        (f"{row['Jour']:%Y-%m-%d}", row["Site"], row["Transactions"], row["Alertes critiques"])
        for row in report
    ]
    assert [row["volume_t"] for row in rows] == pytest.approx([row["Volume (t)"] for row in report])


@pytest.mark.parametrize("part", ["", PART], ids=["all", "part"])
def test_alerts_by_day_are_those_of_the_report(
    client: FlaskClient, loaded: Seeded, part: str
) -> None:
    report = table(loaded.part if part else loaded.whole, "T_Jours")
    assert [(row["day"], row["alerts"]) for row in read(client, "alerts", part)["alerts"]] == [
        (f"{row['Jour']:%Y-%m-%d}", row["Alertes critiques"]) for row in report
    ]


@pytest.mark.parametrize("part", ["", PART], ids=["all", "part"])
def test_machines_come_in_the_order_of_the_report(
    client: FlaskClient, loaded: Seeded, part: str
) -> None:
    report = table(loaded.part if part else loaded.whole, "T_Top_machines")
    rows = read(client, "machines", f"{part or '?'}&top=7")["machines"]
    assert [
        (row["machine"], row["site"], row["transactions"], row["errors"], row["alerts"])
        for row in rows
    ] == [
        (r["Machine"], r["Site"], r["Transactions"], r["Erreurs"], r["Alertes critiques"])
        for r in report[:7]
    ]
    assert [row["error_rate"] for row in rows] == pytest.approx(
        [row["Taux d'erreur"] for row in report[:7]]
    )


def test_open_rejects_are_those_of_the_report(client: FlaskClient, loaded: Seeded) -> None:
    expected = Counter(row["Règle"] for row in table(loaded.part, "T_Rejets"))
    rows = read(client, "rejects")["rejects"]
    assert {row["rule"]: row["open"] for row in rows} == expected
    assert {row["rule"]: row["in_last_run"] for row in rows} == expected


def test_the_last_runs_come_newest_first(client: FlaskClient) -> None:
    newest, oldest = read(client, "runs")["runs"]
    assert newest["started_at"] >= oldest["started_at"]
    assert (oldest["loaded"], oldest["rejected"], oldest["duplicates"]) == (2911, 93, 15)
    assert (newest["inserted"], newest["kind"]) == (0, "chargement")
    assert read(client, "runs", "?limit=1")["runs"] == [newest]


def test_what_may_be_chosen_is_listed(client: FlaskClient) -> None:
    body = read(client, "filters")
    assert (body["from"], body["to"]) == ("2026-01-01", "2026-01-30")
    assert body["sites"] == ["Bélabo", "Douala", "Edéa", "Inconnu", "Ngaoundéré", "Yaoundé"]


def test_a_period_without_a_transaction_is_empty(client: FlaskClient) -> None:
    query = "?from=2020-01-01&to=2020-02-01"
    assert {kpi["value"] for kpi in read(client, "kpis", query)["kpis"]} == {0}
    assert read(client, "volumes", query)["volumes"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?sites=Paris", "sites"),
        ("?sites=", "sites"),
        ("?sites=Douala,,Edéa", "sites"),
        (f"?sites={','.join('abc'[n % 3] + str(n) for n in range(51))}", "sites"),
        ("?sites=Douala&sites=Edéa", "sites"),
        ("?sites=x')%20OR%201=1--", "sites"),
        ("?from=01/02/2026", "from"),
        ("?from=2026-02-30", "from"),
        ("?to=2026-W01-1", "to"),
        ("?from=2026-02-01&to=2026-01-01", "to"),
        ("?jour=2026-01-01", "query"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    client: FlaskClient, query: str, field: str
) -> None:
    answer = answered(client, "volumes", query)
    assert answer.status_code == 400
    assert answer.json
    assert [detail["field"] for detail in answer.json["details"]] == [field]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("machines", "?top=0"),
        ("machines", "?top=201"),
        ("machines", "?top=x"),
        ("runs", "?limit=²"),
        ("runs", "?sites=Douala"),
        ("rejects", "?limit=1"),
        ("filters", "?x"),
    ],
)
def test_other_parameters_are_checked_too(client: FlaskClient, name: str, query: str) -> None:
    assert answered(client, name, query).status_code == 400


def test_more_rows_than_an_answer_holds_ask_for_a_shorter_period(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cidp.warehouse_figures.MAX_ROWS", 20)
    answer = answered(client, "volumes")
    assert answer.status_code == 400
    assert answered(client, "volumes", "?from=2026-01-01&to=2026-01-02").status_code == 200


@pytest.mark.parametrize(
    "statement", ["DELETE FROM dim_lot", "CREATE TABLE x (y INTEGER)", "DROP VIEW v_lots"]
)
def test_nothing_can_be_written(loaded: Seeded, statement: str) -> None:
    url = EtlSettings(dwh=loaded.dwh).warehouse()
    with pytest.raises(WarehouseError), reading(url, 2) as query:
        query(statement)
    with reading(url, 2) as query:
        assert query("SELECT COUNT(*) FROM v_lots")[0][0] == 2


def refused(answer: TestResponse) -> str:
    assert answer.status_code == 503
    assert answer.json
    assert answer.headers["Retry-After"]
    return str(answer.json["message"])


@pytest.mark.parametrize("name", NAMES)
def test_without_a_warehouse_the_answer_says_what_to_do(
    client_of: Client, tmp_path: Path, name: str
) -> None:
    client = client_of(str(tmp_path / "absent.sqlite"))
    assert "lancez l'ETL" in refused(answered(client, name))
    assert not (tmp_path / "absent.sqlite").exists()


def test_another_programs_file_is_named_and_left_alone(client_of: Client, tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "autre.sqlite"
    text.write_text("ce n'est pas une base" * 100, encoding="utf-8")
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE x (y)")
    database.close()
    before = other.read_bytes()
    assert "pas une base SQLite" in refused(answered(client_of(str(text)), "kpis"))
    assert "vues attendues" in refused(answered(client_of(str(other)), "kpis"))
    assert other.read_bytes() == before


def test_a_warehouse_that_a_load_holds_asks_for_patience(client_of: Client, tmp_path: Path) -> None:
    path = tmp_path / "dwh.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE x (y)")
    holder.execute("BEGIN EXCLUSIVE")
    assert "occupé" in refused(answered(client_of(str(path), 0.1), "runs"))
    holder.close()


@pytest.mark.postgresql
def test_a_database_that_the_server_does_not_have_is_told_as_such(
    client_of: Client, postgres_server: PostgresServer
) -> None:
    message = refused(answered(client_of(postgres_server.url("none")), "kpis"))
    assert "n'a pas de base de ce nom : créez-la" in message
    assert "DPA_DWH" in message


def test_a_server_that_does_not_answer_is_named_without_its_password(client_of: Client) -> None:
    client = client_of("postgresql://camrail:mot-secret@127.0.0.1:1/dwh")
    message = refused(answered(client, "kpis"))
    assert "DPA_DWH" in message
    assert "mot-secret" not in message


@pytest.mark.postgresql
def test_a_server_that_freezes_is_given_up_then_fails_at_once_and_is_read_again() -> None:
    def given_up_after_s() -> float:
        lost = pytest.raises(WarehouseError, match="ne répond pas")
        with stopwatch() as watch, lost, reading(url, 2) as query:
            query("SELECT 1")
        return watch.seconds

    def reads_again() -> bool:
        try:
            with reading(url, 2) as query:
                return query("SELECT 1") == [(1,)]
        except WarehouseError:
            return False

    with running_server() as server, contextlib.ExitStack() as stack:
        url = StoreUrl("postgresql", server.url("postgres"))
        with pytest.raises(WarehouseError, match="muet"), reading(url, 2) as query:  # noqa: PT012
            stack.enter_context(frozen(server))
            with stopwatch() as watch:
                query("SELECT 1")
        assert watch.seconds < 4
        assert given_up_after_s() < 0.2
        stack.close()
        until(reads_again)
