"""The source follows what answers: real before simulated, and back, without a restart."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cidp import source_choice
from cidp.child_process import ChildProcess
from cidp.errors import SettingsError
from cidp.settings import Settings, SourceSettings
from cidp.source_choice import Choice, Decision, Source, SourceKeeper, decide
from cidp.supervisor import Supervisor


@pytest.mark.parametrize(
    ("choice", "answers", "simulator", "found"),
    [
        ("auto", {}, True, ("simulator", False, "ni Kafka ni MQTT dans les réglages")),
        ("auto", {}, False, ("none", False, "ni Kafka ni MQTT dans les réglages")),
        ("auto", {"kafka": True}, True, ("kafka", False, "Kafka répond")),
        ("auto", {"kafka": True, "mqtt": True}, True, ("kafka", True, "Kafka répond")),
        ("auto", {"kafka": True, "mqtt": False}, True, ("kafka", False, "Kafka répond")),
        ("auto", {"kafka": False, "mqtt": True}, True, ("mqtt", False, "MQTT répond")),
        (
            "auto",
            {"kafka": False, "mqtt": False},
            True,
            ("simulator", False, "ni Kafka ni MQTT ne répond"),
        ),
        ("auto", {"kafka": False}, True, ("simulator", False, "Kafka ne répond pas")),
        ("kafka", {"kafka": False, "mqtt": False}, True, ("kafka", True, "demandé")),
        ("mqtt", {"kafka": True, "mqtt": False}, True, ("mqtt", False, "demandé")),
        ("simulator", {"kafka": True}, True, ("simulator", False, "demandé")),
    ],
)
def test_what_is_real_and_answers_comes_first(
    choice: Choice, answers: dict[Source, bool], simulator: bool, found: Decision
) -> None:
    assert decide(choice, answers, simulator=simulator) == found


def test_a_source_without_an_address_is_refused() -> None:
    with pytest.raises(SettingsError, match="CAMRAIL_MQTT"):
        decide("mqtt", {"kafka": True}, simulator=True)


class Stand:
    """A keeper whose programs do nothing, and whose sources answer as told."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.answers: dict[Source, bool] = {"kafka": False, "mqtt": True}
        self.started: list[tuple[str, ...]] = []
        self.script = folder / "programme.py"
        self.script.write_text("import time\nwhile True: time.sleep(0.05)", encoding="utf-8")
        self.supervisor = supervisor
        self.folder = folder
        probes: dict[Source, Callable[[], bool]] = {
            "kafka": lambda: self.answers["kafka"],
            "mqtt": lambda: self.answers["mqtt"],
        }
        settings = Settings(source=SourceSettings(choice="auto"))
        self.keeper = SourceKeeper(settings, supervisor, self.program, probes, ["--rate", "5"])

    def program(self, name: str, log: str, *words: str) -> ChildProcess:
        self.started.append(words)
        return ChildProcess(name, [str(self.script)], self.folder / f"{log}.log")

    def source(self) -> str:
        self.keeper.look()
        assert self.keeper.decision
        return self.keeper.decision.source


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setattr(source_choice, "LOOK_S", 0.0)
    supervisor = Supervisor(os.environ, threading.Event())
    yield Stand(tmp_path, supervisor)
    supervisor.stop_all()


def test_the_platform_moves_to_what_answers_and_back(stand: Stand) -> None:
    assert stand.source() == "mqtt"
    assert stand.started == [("-m", "cidp.mqtt_bridge", "--direct", "--reason", "MQTT répond")]
    stand.answers["kafka"] = True
    assert stand.source() == "kafka"
    assert [words[1] for words in stand.started[1:]] == ["cidp.kafka_consumer", "cidp.mqtt_bridge"]
    stand.answers.update(kafka=False, mqtt=False)
    assert stand.source() == "kafka"  # one missed look is not an absence
    assert stand.source() == "simulator"
    assert stand.started[-1][1:4] == ("cidp.simulator_feed", "--rate", "5")
    assert stand.started[-1][-1] == "ni Kafka ni MQTT ne répond"


def test_a_bridge_that_falls_leaves_kafka_alone(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.answers["kafka"] = True
    assert stand.source() == "kafka"
    monkeypatch.setattr(stand.supervisor, "falls", lambda child: 3 * (child.name == "Pont MQTT"))
    assert stand.source() == "kafka"
    assert stand.keeper.decision == ("kafka", False, "Kafka répond")


def test_a_source_whose_programs_fall_is_left_for_a_while(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.answers["kafka"] = True
    assert stand.source() == "kafka"
    monkeypatch.setattr(stand.supervisor, "falls", lambda child: 3)
    assert stand.source() == "mqtt"
    monkeypatch.setattr(stand.supervisor, "falls", lambda child: 0)
    assert stand.source() == "mqtt"
    monkeypatch.setattr(source_choice.time, "monotonic", lambda: float("inf"))
    assert stand.source() == "kafka"
