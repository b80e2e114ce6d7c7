"""The PostgreSQL store survives its server, keeps to its rights and tells no password."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import psutil
import psycopg
import pytest
from postgres import frozen, running_server
from postgres_server import PostgresServer
from stores import ALERTING, NOON, batch, event, new_url, rows, store_at
from waiting import stopwatch, until

from cidp.errors import StoreIncompatible, StoreUnavailable
from cidp.event_batch import DeadLetter, Message, Outcome, StreamPosition
from cidp.event_store import EventStore
from cidp.feeds import Feeder, running_feeds
from cidp.postgres_pulse import WatchedConnection
from cidp.postgres_store import PostgresStore
from cidp.store_url import StoreUrl

pytestmark = pytest.mark.postgresql
ROLES = resources.files("cidp").joinpath("sql", "postgresql_roles.sql").read_text(encoding="utf-8")


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> StoreUrl:
    return new_url(request, "postgresql", tmp_path)


def executed(url: StoreUrl, script: str) -> None:
    with psycopg.connect(url.target, autocommit=True) as connection:
        connection.execute(script.encode())


@pytest.fixture
def login(url: StoreUrl, tmp_path: Path) -> Iterator[Callable[[str], StoreUrl]]:
    """Make a store with its roles; give the address of a new account with one of them."""
    store = store_at(url)
    store.save(batch(event()), [], NOON)
    store.close()
    executed(url, ROLES)
    accounts: list[str] = []

    def account(role: str) -> StoreUrl:
        name = f"account_{role}"
        executed(url, f"CREATE ROLE {name} LOGIN IN ROLE camrail_{role}")
        accounts.append(name)
        return StoreUrl.parse(url.target.replace("//dpa@", f"//{name}@"), tmp_path)

    yield account
    for name in accounts:
        executed(url, f"DROP ROLE {name}")
    executed(url, "DROP OWNED BY camrail_owner, camrail_writer, camrail_reader CASCADE")
    executed(url, "DROP ROLE camrail_owner, camrail_writer, camrail_reader")


def test_an_owner_who_is_no_superuser_gives_the_roles_and_keeps_the_tables(
    url: StoreUrl, tmp_path: Path
) -> None:
    executed(url, "CREATE ROLE prop LOGIN CREATEROLE")
    owns = "EXECUTE format('ALTER SCHEMA %I OWNER TO prop', current_schema())"
    executed(url, f"DO $$ BEGIN {owns}; END $$")
    owner = StoreUrl.parse(url.target.replace("//dpa@", "//prop@"), tmp_path)
    try:
        store = store_at(owner)
        store.save(batch(event()), [], NOON)
        executed(owner, ROLES)
        store.save(batch(event(1)), [], NOON)
        store.close()
    finally:
        roles = "camrail_owner, camrail_writer, camrail_reader, prop"
        executed(url, f"DROP OWNED BY {roles} CASCADE")
        executed(url, f"DROP ROLE {roles}")


def test_a_writer_stores_prunes_and_handles_and_changes_no_reading(
    login: Callable[[str], StoreUrl],
) -> None:
    url = login("writer")
    store = store_at(url, channels=["webhook"])
    letters = [DeadLetter(Message(0, b"?"), "JSON invalide")]
    critical = batch(event(1, 9, 0.9), event(2, 9, 0.9), event(60 * 86_400))
    saved = store.save(critical, letters, NOON, [StreamPosition("t", 0, 1)])
    assert saved.count(Outcome.STORED) == 3
    store.prune(NOON - timedelta(days=30))
    now = (datetime.now(UTC) - NOON).total_seconds()
    store.save(batch(event(now)), [], NOON)
    store.prune(datetime.max.replace(tzinfo=UTC))
    assert rows(store, "SELECT count(*) FROM readings") == [(1,)]
    with store.session() as session:
        session.run("UPDATE dead_letters SET state = 'replayed'")
        session.run("UPDATE alerts SET state = 'acknowledged'")
    for forbidden in (
        "UPDATE readings SET vibration = 0",
        "DELETE FROM readings",
        "DELETE FROM dead_letters",
        "UPDATE alerts SET probability = 0",
        "DROP TABLE readings",
        "CREATE TABLE mine (x INTEGER)",
    ):
        with pytest.raises(StoreIncompatible, match="droits insuffisants"), store.session() as one:
            one.run(forbidden)
    store.close()


def test_a_reader_reads_and_changes_nothing(login: Callable[[str], StoreUrl]) -> None:
    with psycopg.connect(login("reader").target, autocommit=True) as connection:
        for table in (b"readings", b"fleet", b"hourly", b"alerts", b"dead_letters"):
            connection.execute(b"TABLE " + table)
        for forbidden in (b"DELETE FROM fleet", b"SELECT drop_reading_weeks(now())"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_an_account_that_may_make_no_table_is_told_who_may(
    login: Callable[[str], StoreUrl], url: StoreUrl
) -> None:
    reader = login("reader")
    executed(url, "CREATE SCHEMA IF NOT EXISTS empty; GRANT USAGE ON SCHEMA empty TO PUBLIC")
    address = reader.target.partition("?")[0]
    elsewhere = StoreUrl("postgresql", f"{address}?options=-csearch_path%3Dempty")
    with pytest.raises(StoreIncompatible, match="propriétaire"):
        store_at(elsewhere).last_event()


def test_tables_of_another_program_are_left_alone(url: StoreUrl) -> None:
    executed(url, "CREATE TABLE readings (x INTEGER)")
    with pytest.raises(StoreIncompatible, match="autre programme"):
        store_at(url).last_event()


def test_a_store_of_version_2_keeps_its_data_and_its_accounts(
    login: Callable[[str], StoreUrl], url: StoreUrl
) -> None:
    writer = login("writer")
    executed(url, "DROP TABLE feeds; UPDATE event_store_version SET version = 2")
    with pytest.raises(StoreIncompatible, match="droits insuffisants"):
        store_at(writer).last_event()
    owner = store_at(url)
    owner.last_event()
    owner.close()
    ours = store_at(writer)
    Feeder(ours, "kafka", "demandé", lambda: NOON).tell()
    assert [feed.door for feed in running_feeds(ours, NOON)] == ["kafka"]
    assert rows(ours, "SELECT count(*) FROM readings") == [(1,)]
    ours.close()


def test_a_store_of_a_newer_program_is_refused(url: StoreUrl) -> None:
    store = store_at(url)
    store.last_event()
    store.close()
    executed(url, "UPDATE event_store_version SET version = 9")
    with pytest.raises(StoreIncompatible, match="version 9"):
        store_at(url).last_event()


def test_readings_lie_in_weeks_and_the_old_ones_go_as_a_whole(url: StoreUrl) -> None:
    store = store_at(url)
    store.save(batch(event(-21 * 86_400), event(-14 * 86_400), event()), [], NOON)
    weeks = (
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'readings'::regclass ORDER BY 1"
    )
    kept = [(f"readings_2026w0{week}",) for week in (7, 8, 9)]
    assert rows(store, weeks) == [("readings_2026w06",), *kept]
    store.prune(NOON - timedelta(days=20))
    assert rows(store, weeks) == kept
    store.close()


def test_a_week_that_another_process_dropped_is_made_again(url: StoreUrl) -> None:
    store = store_at(url)
    store.save(batch(event()), [], NOON)
    executed(url, "DROP TABLE readings_2026w09")
    with pytest.raises(StoreUnavailable):
        store.save(batch(event(1)), [], NOON)
    assert store.save(batch(event(1)), [], NOON).count(Outcome.STORED) == 1
    store.close()


def test_a_server_that_is_gone_is_waited_for_and_found_again() -> None:
    with running_server() as server:
        store = PostgresStore(StoreUrl("postgresql", server.url("postgres")), 120, ALERTING)
        store.save(batch(event()), [], NOON)
        server.stop("immediate")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="ne répond pas"):
                store.save(batch(event(1)), [], NOON)
        server.start()
        assert store.save(batch(event(), event(1)), [], NOON).count(Outcome.STORED) == 1
        assert rows(store, "SELECT count(*) FROM readings") == [(2,)]
        store.close()


def test_a_server_that_freezes_is_given_up_fails_fast_and_is_found_again() -> None:
    with running_server() as server:
        store = PostgresStore(StoreUrl("postgresql", server.url("postgres")), 2, ALERTING)
        store.save(batch(event()), [], NOON)
        asleep = threading.Thread(target=fails_after_s, args=(store, "SELECT pg_sleep(100)"))
        asleep.start()
        with frozen(server):
            assert fails_after_s(store, "SELECT 1") < 3
            assert fails_after_s(store, "SELECT 1") < 0.2
            with stopwatch() as watch:
                asleep.join(timeout=240)
            assert watch.seconds < 3
        until(lambda: answers(store))
        assert store.save(batch(event(), event(1)), [], NOON).count(Outcome.STORED) == 1
        assert rows(store, "SELECT count(*) FROM readings") == [(2,)]
        store.close()


def test_a_server_that_accepts_and_never_answers_is_waited_for_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"postgresql://nobody@127.0.0.1:{server.getsockname()[1]}/events"
        store = store_at(StoreUrl.parse(address, tmp_path), timeout_s=0.1)
        assert fails_after_s(store, "SELECT 1") < 3
        assert fails_after_s(store, "SELECT 1") < 0.2


def test_a_slow_statement_of_a_server_that_lives_is_waited_for(url: StoreUrl) -> None:
    store = PostgresStore(url, 120, ALERTING)
    assert rows(store, "SELECT 1 FROM pg_sleep(3)") == [(1,)]
    until(lambda: store._pulse._answered_s and not store._pulse.asking)
    store.close()


def test_a_server_that_freezes_is_said_to_though_the_statement_is_late_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running_server() as server:
        store = PostgresStore(StoreUrl("postgresql", server.url("postgres")), 2, ALERTING)
        assert answers(store)
        monkeypatch.setattr(WatchedConnection, "statement_s", 0.0)
        with frozen(server), pytest.raises(StoreUnavailable, match="muet"):
            rows(store, "SELECT 1")
        store.close()


def test_a_statement_that_only_its_own_backend_keeps_is_given_up(
    url: StoreUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_at(url, timeout_s=0.1)
    [(pid,)] = rows(store, "SELECT pg_backend_pid()")
    psutil.Process(pid).suspend()
    try:
        with monkeypatch.context() as hurried:
            hurried.setattr(WatchedConnection, "statement_s", 0.1)
            assert fails_after_s(store, "SELECT 1") < 3
    finally:
        psutil.Process(pid).resume()
    until(lambda: answers(store))
    store.close()


def fails_after_s(store: EventStore, sql: str) -> float:
    with stopwatch() as watch, pytest.raises(StoreUnavailable, match="ne répond pas"):
        rows(store, sql)
    return watch.seconds


def answers(store: EventStore) -> bool:
    try:
        return rows(store, "SELECT 1") == [(1,)]
    except StoreUnavailable:
        return False


@pytest.mark.parametrize(
    ("account", "base", "cause"),
    [
        ("dpa", "none", "n'a pas de base de ce nom : créez-la"),
        ("nobody", "postgres", "refuse ce compte"),
    ],
)
def test_a_server_that_answers_is_not_said_to_be_away(
    postgres_server: PostgresServer, tmp_path: Path, account: str, base: str, cause: str
) -> None:
    address = postgres_server.url(base).replace("//dpa@", f"//{account}@")
    with pytest.raises(StoreUnavailable, match=f"{cause}.*CAMRAIL_EVENT_STORE") as refused:
        store_at(StoreUrl.parse(address, tmp_path)).last_event()
    assert "ne répond pas" not in str(refused.value)


def test_no_password_is_told(postgres_server: PostgresServer) -> None:
    target = f"postgresql://nobody:hidden1@127.0.0.1:{postgres_server.port}/none?password=hidden2"
    with pytest.raises(StoreUnavailable) as refused:
        PostgresStore(StoreUrl("postgresql", target), 0.1, ALERTING).last_event()
    assert "hidden" not in str(refused.value)
