"""A file or the simulator is sent to Kafka at the pace that was asked for, whole."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka_topics import everything_in

from cidp import replay
from cidp.errors import ChildFailed, StreamError
from cidp.replay import _parser, from_csv
from cidp.settings import SERVICE_FOLDER, KafkaSettings, PmdSettings, Settings

HEADER = "timestamp,loco_id,flow_rate,pressure,vibration,temperature\n"
ROW = "2026-03-01T11:00:0{}Z,LOCO_001,500,5,2,45\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mesures.csv"
    path.write_text(HEADER + "".join(ROW.format(n) for n in range(5)), encoding="utf-8")
    return path


def sent(settings: Settings, *words: str, stop: threading.Event | None = None) -> int:
    return replay.run(settings, _parser().parse_args(words), stop or threading.Event())


@pytest.mark.kafka
def test_a_file_is_sent_row_by_row_with_its_locomotive_as_key(
    on_kafka: Settings, kafka: KafkaSettings, path: Path
) -> None:
    began_s = time.monotonic()
    assert sent(on_kafka, "--from", str(path), "--rate", "20") == 5
    assert time.monotonic() - began_s > 0.15
    assert sent(on_kafka, "--from", str(path), "--simulated", "--speed", "1000") == 5
    found = everything_in(kafka, kafka.topic, 10)
    assert [record.key() for record in found] == [b"LOCO_001"] * 10
    doors = [dict(record.headers() or [])["camrail-door"] for record in found]
    assert doors == [b"kafka"] * 5 + [b"simulator"] * 5
    assert orjson.loads(found[1].value() or b"") == {
        "loco_id": "LOCO_001",
        "timestamp": "2026-03-01T11:00:01.000000Z",
        "flow_rate": 500.0,
        "pressure": 5.0,
        "vibration": 2.0,
        "temperature": 45.0,
    }


@pytest.mark.kafka
def test_the_simulator_is_sent_as_simulated_until_stopped(
    on_kafka: Settings, kafka: KafkaSettings
) -> None:
    stop = threading.Event()
    counts: list[int] = []
    words = ("--from", "simulator", "--rate", "50")
    pmd = PmdSettings(folder=SERVICE_FOLDER.parent / "Predictive-Maintenance-Dashboard")
    ours = on_kafka.model_copy(update={"pmd": pmd})
    thread = threading.Thread(target=lambda: counts.append(sent(ours, *words, stop=stop)))
    thread.start()
    try:
        (first,) = everything_in(kafka, kafka.topic, 1)
    finally:
        stop.set()
        thread.join(120)
    assert counts[0] >= 1
    assert dict(first.headers() or [])["camrail-door"] == b"simulator"


def test_instants_can_be_moved_and_what_is_no_number_stays(path: Path) -> None:
    path.write_text(
        HEADER + ROW.format(0) + ROW.format(4) + "hier,L2,cinq,5,2,45\n", encoding="utf-8-sig"
    )
    found: list[dict[str, Any]] = [
        orjson.loads(line.payload) for line in from_csv(path, datetime(2027, 1, 1, tzinfo=UTC))
    ]
    assert [event["timestamp"] for event in found] == [
        "2027-01-01T00:00:00.000000Z",
        "2027-01-01T00:00:04.000000Z",
        "hier",
    ]
    assert (found[2]["flow_rate"], found[2]["pressure"]) == ("cinq", 5.0)


def test_instants_can_be_those_of_sending(path: Path) -> None:
    moments = iter(datetime(2027, 1, 1, second=second, tzinfo=UTC) for second in (1, 2, 3, 4, 5))
    found = [orjson.loads(line.payload) for line in from_csv(path, None, lambda: next(moments))]
    assert [event["timestamp"][17:19] for event in found] == ["01", "02", "03", "04", "05"]


def test_a_file_that_cannot_be_sent_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"rien\.csv est illisible"):
        list(from_csv(tmp_path / "rien.csv", None))
    other = tmp_path / "autre.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(StreamError, match=r"colonnes absentes \['timestamp'"):
        list(from_csv(other, None))
    other.write_bytes(HEADER.encode() + b"\xff\n")
    with pytest.raises(StreamError, match="illisible"):
        list(from_csv(other, None))


def test_a_simulator_that_dies_is_said(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "data_generator.py").write_text("raise SystemExit('fin')", encoding="utf-8")
    broken = settings.model_copy(update={"pmd": PmdSettings(folder=tmp_path)})
    with pytest.raises(ChildFailed, match="fin"):
        list(replay.from_simulator(broken, 5, 1, threading.Event()))


def test_the_program_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: Path
) -> None:
    monkeypatch.delenv("CAMRAIL_KAFKA", raising=False)
    monkeypatch.setenv("CAMRAIL_LOGS_DIR", str(tmp_path))
    assert replay.main(["--from", str(path)]) == 1
    assert "posez CAMRAIL_KAFKA" in (tmp_path / "replay.log").read_text(encoding="utf-8")


def test_a_broker_that_nobody_answers_for_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: Path
) -> None:
    monkeypatch.setattr(replay, "ANSWER_S", 0.3)
    monkeypatch.setenv("CAMRAIL_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("CAMRAIL_LOGS_DIR", str(tmp_path))
    assert replay.main(["--from", str(path)]) == 1
    said = (tmp_path / "replay.log").read_text(encoding="utf-8")
    assert "Kafka ne répond pas à 127.0.0.1:1" in said
    assert "démarrez-le, ou corrigez CAMRAIL_KAFKA" in said
    assert "Topics" not in said
