"""Which source feeds the platform: a real one while it answers, else the simulator."""

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from loguru import logger

from cidp.child_process import ChildProcess
from cidp.errors import SettingsError
from cidp.settings import Settings
from cidp.supervisor import Supervisor

Source = Literal["kafka", "mqtt", "simulator", "none"]
Choice = Literal["auto", "kafka", "mqtt", "simulator"]
NAMES: Final[Mapping[Source, str]] = {
    "kafka": "Kafka",
    "mqtt": "MQTT",
    "simulator": "simulateur local",
    "none": "POST /telemetry",
}
LOOK_S = 4.0
MISSES = 2
"""Looks in a row without an answer before a source that runs is left."""
FALLS = 3
"""Falls in a row after which a source that answers is not tried for `REST_S`."""
REST_S = 60.0


class Decision(NamedTuple):
    """A source, whether MQTT is brought to it through Kafka, and why, for people."""

    source: Source
    bridged: bool
    reason: str


def decide(choice: Choice, answers: Mapping[Source, bool], *, simulator: bool) -> Decision:
    """Choose among the sources that are set, which `answers` names; `simulator` may be used.

    Raises `SettingsError` when the one that was asked for is not set.
    """
    if choice in ("kafka", "mqtt") and choice not in answers:
        raise SettingsError(
            f"Source {choice} demandée, sans adresse : posez CAMRAIL_{choice.upper()}."
        )
    if choice == "simulator":
        return Decision("simulator", False, "demandé")
    if choice != "auto":
        return Decision(choice, choice == "kafka" and "mqtt" in answers, "demandé")
    for source in ("kafka", "mqtt"):
        if answers.get(source):
            bridged = source == "kafka" and answers.get("mqtt", False)
            return Decision(source, bridged, f"{NAMES[source]} répond")
    silent = [NAMES[source] for source in answers]
    reason = "ni Kafka ni MQTT dans les réglages"
    if len(silent) == 1:
        reason = f"{silent[0]} ne répond pas"
    elif silent:
        reason = f"ni {' ni '.join(silent)} ne répond"
    return Decision("simulator" if simulator else "none", False, reason)


class SourceKeeper:
    """Starts and stops the programs that bring telemetry, as their sources come and go.

    `probes` asks each source that is set whether it answers; `program` makes a child from a name,
    its log's name and its words.
    """

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        program: Callable[..., ChildProcess],
        probes: Mapping[Source, Callable[[], bool]],
        simulator: Sequence[str] | None,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._program = program
        self._probes = probes
        self._simulator = simulator
        self._children: list[tuple[Source, ChildProcess]] = []
        self._misses: dict[Source, int] = {}
        self._resting_until_s: dict[Source, float] = {}
        self._look_at_s = 0.0
        self.decision: Decision | None = None

    def look(self) -> None:
        """Follow what answers, unless that was looked at a moment ago; raises `SettingsError`."""
        if time.monotonic() < self._look_at_s:
            return
        self._rest_if_falling()
        found = decide(
            self._settings.source.choice,
            {source: self._answers(source) for source in self._probes},
            simulator=self._simulator is not None,
        )
        if self.decision is None or found[:2] != self.decision[:2]:
            self._move(found)
        self._look_at_s = time.monotonic() + LOOK_S

    def _answers(self, source: Source) -> bool:
        if time.monotonic() < self._resting_until_s.get(source, 0.0):
            return False
        self._misses[source] = 0 if self._probes[source]() else self._misses.get(source, MISSES) + 1
        return self._misses[source] < MISSES

    def _rest_if_falling(self) -> None:
        for source, child in self._children:
            if self._supervisor.falls(child) >= FALLS:
                self._resting_until_s[source] = time.monotonic() + REST_S
                return  # a bridge may fall because of Kafka, whose consumer comes first

    def _move(self, to: Decision) -> None:
        logger.info("Source des données : {} ({})", NAMES[to.source], to.reason)
        for _, child in self._children:
            self._supervisor.stop(child)
        self.decision = to
        self._children = [
            (source, self._program(name, log, "-m", *words, "--reason", to.reason))
            for source, name, log, words in _programs(to, self._simulator or ())
        ]
        for _, child in self._children:
            self._supervisor.start(child, essential=False)


_Program = tuple[Source, str, str, Sequence[str]]


def _programs(decision: Decision, simulator: Sequence[str]) -> list[_Program]:
    """Return, of each program, its source, its name, its log's name and its words."""
    if decision.source == "kafka":
        # Two machines on one Kafka are two members of its group.
        instance = f"run_platform-{re.sub('[^A-Za-z0-9._-]', '-', socket.gethostname())}"
        words = ("cidp.kafka_consumer", "--instance", instance)
        programs: list[_Program] = [("kafka", "Lecture de Kafka", "kafka", words)]
        if decision.bridged:
            programs.append(("mqtt", "Pont MQTT", "mqtt", ("cidp.mqtt_bridge",)))
        return programs
    if decision.source == "mqtt":
        return [("mqtt", "Lecture de MQTT", "mqtt", ("cidp.mqtt_bridge", "--direct"))]
    if decision.source == "simulator":
        return [("simulator", "Simulateur", "simulator", ("cidp.simulator_feed", *simulator))]
    return []
