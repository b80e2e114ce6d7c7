"""The simulator's lines become readings; bad ones are kept aside, a locked store is waited for."""

import io
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cidp import micro_batches, orchestration, simulator_feed
from cidp.assembly import Parts
from cidp.errors import ChildFailed
from cidp.event_batch import Message
from cidp.micro_batches import BatchWriter, Waiting
from cidp.settings import SERVICE_FOLDER, PmdSettings, Settings
from cidp.simulator_feed import read_lines, run

LINE = (
    '{{"loco_id":"LOCO_001","timestamp":"{}","flow_rate":500,"pressure":5,"vibration":2,'
    '"temperature":45}}\n'
)


def good(second: int) -> bytes:
    return LINE.format(f"2026-03-01T11:00:{second:02}Z").encode()


def queued(*payloads: bytes) -> Waiting:
    lines: Waiting = queue.Queue()
    for position, payload in enumerate(payloads):
        lines.put(Message(position, payload))
    lines.put(None)
    return lines


def table(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


@pytest.fixture
def fast_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_S", 0.01)


def test_lines_are_stored_and_bad_ones_go_to_the_dead_letters(parts: Parts) -> None:
    parts.model.refresh()
    BatchWriter(
        queued(good(1), b"\xff\n", good(2), b"{}\n"), parts.ingest, threading.Event(), "simulator"
    ).run()
    path = parts.settings.store.address.path
    assert table(path, "SELECT count(*), min(source) FROM readings") == [(2, "simulator")]
    assert table(path, "SELECT position FROM dead_letters") == [(1,), (3,)]


def test_a_batch_ends_when_it_is_full(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_batches, "BATCH_EVENTS", 2)
    sizes: list[int] = []
    ingest = parts.ingest.ingest_messages

    def counted(batch: list[Message], source: str) -> object:
        sizes.append(len(batch))
        return ingest(batch, source)

    monkeypatch.setattr(parts.ingest, "ingest_messages", counted)
    parts.model.refresh()
    BatchWriter(queued(*map(good, range(5))), parts.ingest, threading.Event(), "simulator").run()
    assert sizes == [2, 2, 1]


@pytest.mark.usefixtures("fast_retry")
def test_a_locked_store_is_waited_for_and_nothing_is_lost(parts: Parts) -> None:
    parts.model.refresh()
    assert parts.store.last_event() is None
    path = parts.settings.store.address.path
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    refused = threading.Event()
    parts.metrics.store_errors.inc = lambda amount=1: refused.set()  # type: ignore[method-assign,misc,assignment]
    feeding = threading.Thread(
        target=BatchWriter(
            queued(*map(good, range(10))), parts.ingest, threading.Event(), "simulator"
        ).run
    )
    feeding.start()
    assert refused.wait(240)
    other.execute("ROLLBACK")
    other.close()
    feeding.join(240)
    assert table(path, "SELECT count(*) FROM readings") == [(10,)]


@pytest.mark.usefixtures("fast_retry")
def test_a_stop_while_the_store_is_away_ends_the_feed(parts: Parts, models: Path) -> None:
    (models / "promoted.json").unlink()
    parts.model.start()
    stop = threading.Event()
    lines = queued(good(1))
    stopping = threading.Timer(0.05, stop.set)
    stopping.start()
    BatchWriter(lines, parts.ingest, stop, "simulator").run()
    stopping.join()
    assert stop.is_set()


def test_an_idle_feed_ends_when_asked(parts: Parts) -> None:
    stop = threading.Event()
    feeding = threading.Thread(
        target=BatchWriter(queue.Queue(), parts.ingest, stop, "simulator").run
    )
    feeding.start()
    stop.set()
    feeding.join(240)
    assert not feeding.is_alive()


def test_an_endless_line_arrives_in_bounded_pieces() -> None:
    lines: Waiting = queue.Queue()
    read_lines(io.BytesIO(b"x" * 150_000 + b"\n" + good(1)), lines, threading.Event())
    sizes = [len(item.payload) for item in iter(lines.get, None)]
    assert sizes == [65_536, 65_536, 18_929, len(good(1))]


def test_a_full_queue_holds_the_reader_back_until_a_stop() -> None:
    lines: Waiting = queue.Queue(1)
    stop = threading.Event()
    source = io.BytesIO(good(1) * 3)
    reader = threading.Thread(target=read_lines, args=(source, lines, stop))
    reader.start()
    assert lines.get(timeout=240) is not None
    stop.set()
    reader.join(240)
    assert not reader.is_alive()
    assert lines.qsize() <= 1


def with_generator(tmp_path: Path, settings: Settings, body: str) -> Settings:
    folder = tmp_path / "generator"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "data_generator.py").write_text(body, encoding="utf-8")
    pmd = PmdSettings(folder=folder)
    return settings.model_copy(update={"pmd": pmd})


def test_a_simulator_that_dies_is_said_with_the_end_of_its_log(
    tmp_path: Path, settings: Settings
) -> None:
    now = datetime.now(UTC).isoformat()
    body = f"import sys; print({LINE.format(now)!r}); sys.stdout.flush(); sys.exit('sans capteur')"
    dying = with_generator(tmp_path, settings, body)
    with pytest.raises(ChildFailed, match="sans capteur"):
        run(dying, 5, 1, threading.Event())
    assert table(settings.store.address.path, "SELECT count(*) FROM readings") == [(1,)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows programs cannot ignore an end")
def test_a_simulator_that_does_not_listen_is_ended_by_force(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestration, "STOP_S", 0.2)
    body = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('prêt', flush=True); time.sleep(600)"
    )
    stop = threading.Event()
    deaf = with_generator(tmp_path, settings, body)
    really = simulator_feed.BatchWriter.run

    def stop_at_first_batch(feed: BatchWriter) -> None:
        monkeypatch.setattr(feed, "_store", lambda batch: stop.set())
        really(feed)

    monkeypatch.setattr(simulator_feed.BatchWriter, "run", stop_at_first_batch)
    run(deaf, 5, 1, stop)


def test_a_missing_simulator_is_named(tmp_path: Path, settings: Settings) -> None:
    lost = settings.model_copy(update={"pmd": PmdSettings(folder=tmp_path / "nowhere")})
    with pytest.raises(ChildFailed, match=r"data_generator\.py est introuvable"):
        run(lost, 5, 1, threading.Event())


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "x"])
def test_a_rate_that_is_not_positive_is_misuse(rate: str) -> None:
    with pytest.raises(SystemExit) as caught:
        simulator_feed.main(["--rate", rate])
    assert caught.value.code == 2


ENDLESS = f"""
import datetime, sys, time
assert sys.argv[1:] == ["--stream", "--rate", "50.0", "--speed", "2.0"], sys.argv
while True:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    sys.stdout.write({LINE!r}.format(now))
    sys.stdout.flush()
    time.sleep(0.02)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_the_command_feeds_until_it_is_asked_to_stop(
    tmp_path: Path, settings: Settings, models: Path, asked: signal.Signals
) -> None:
    folder = with_generator(tmp_path, settings, ENDLESS).pmd.folder
    config = tmp_path / "config.yaml"
    config.write_text(f"pmd: {{folder: {folder.as_posix()!r}}}\n", encoding="utf-8")
    store = tmp_path / "fed.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-m", "cidp.simulator_feed", "--rate", "50", "--speed", "2"],
        cwd=SERVICE_FOLDER,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={
            "PATH": "",
            "CAMRAIL_CONFIG": str(config),
            "CAMRAIL_MODELS_DIR": str(models),
            "CAMRAIL_EVENT_STORE": str(store),
            "CAMRAIL_LOGS_DIR": str(tmp_path / "logs"),
        },
    )
    assert child.stderr is not None
    try:
        said = iter(child.stderr.readline, "")
        assert any("en service" in line for line in said)
        while not store.exists() or not table(store, "SELECT name FROM sqlite_master"):
            assert child.poll() is None
        while table(store, "SELECT count(*) FROM readings") == [(0,)]:
            assert child.poll() is None
        child.send_signal(asked)
        rest = child.stderr.read()
        assert child.wait(240) == 0, rest
    finally:
        child.kill()
        child.communicate()
    assert table(store, "SELECT count(*) FROM dead_letters") == [(0,)]
