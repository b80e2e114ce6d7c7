"""Dead letters are listed, corrected and replayed once; what is refused again stays."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from kafka_topics import count, reading, table

from cidp import dead_letters
from cidp.assembly import Parts
from cidp.event_batch import Message

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command on the test's own store."""
    monkeypatch.setattr(dead_letters, "assemble", lambda _settings: parts)

    def run(*words: object) -> tuple[int, str, str]:
        code = dead_letters.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def lettered(parts: Parts) -> Parts:
    """A store with one reading and six letters of Kafka and MQTT."""
    parts.model.refresh()
    kafka = [reading(0), b"?", b"\xff\x00", reading(1, pressure=99), reading(0, vibration=3.0)]
    kafka += [b"[" + b" " * 70_000 + b"]"]
    parts.ingest.ingest_messages([Message(n, raw, "t", 0) for n, raw in enumerate(kafka)], "kafka")
    late = Message(0, reading(2, timestamp=None), "camrail/L1/telemetry", 0)
    parts.ingest.ingest_messages([late], "mqtt")
    return parts


@pytest.mark.usefixtures("lettered")
def test_letters_are_listed_with_their_place_and_reason(command: Command) -> None:
    code, said, _ = command("list")
    lines = said.splitlines()
    assert (code, len(lines)) == (0, 6)
    assert lines[0].endswith("kafka  t[0]@1  body : JSON invalide")
    assert lines[-1].endswith("camrail/L1/telemetry[0]@0  timestamp : champ obligatoire absent")
    cut = command("list", "--limit", 2)[1].splitlines()
    assert len(cut) == 3
    assert "--limit N en montre plus" in cut[2]


def test_corrected_letters_are_stored_once_and_closed(
    lettered: Parts, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "lettres.ndjson"
    assert command("export", path) == (0, "", "")
    assert "ne peut pas être écrit" in command("export", path)[2]  # never over corrections
    letters = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [letter["position"] for letter in letters] == [1, 2, 3, 5, 4, 0]
    assert letters[1]["payload_base64"] == "/wA="
    for number, letter in enumerate(letters):
        letter.pop("payload_base64", None)
        letter["payload"] = reading(10 + number).decode()
    path.write_bytes(b"\n\n".join(map(orjson.dumps, letters)))
    assert command("replay", "--file", path) == (
        0,
        "6 événements enregistrés, 0 déjà connus, 0 refusés\n",
        "",
    )
    assert count(lettered) == 7
    sources = table(lettered, "SELECT source, count(*) FROM readings GROUP BY source")
    assert sorted(sources) == [("kafka", 6), ("mqtt", 1)]
    assert table(lettered, "SELECT DISTINCT state FROM dead_letters") == [("replayed",)]
    assert command("replay", "--file", path)[1].startswith("0 événements enregistrés, 0 déjà")


def test_a_field_is_set_and_what_is_refused_again_stays_open(
    lettered: Parts, command: Command
) -> None:
    ids = [number for (number,) in table(lettered, "SELECT id FROM dead_letters ORDER BY id")]
    code, said, errors = command("replay", ids[2], "--set", "pressure=5.5")
    assert (code, said[:24]) == (0, "1 événements enregistrés")
    assert command("replay", ids[5], "--set", "timestamp=2026-03-01T11:00:09Z")[0] == 0
    code, said, errors = command("replay", "--all")
    assert (code, said) == (1, "0 événements enregistrés, 0 déjà connus, 3 refusés\n")
    assert f"Lettre {ids[0]} : body : JSON invalide" in errors
    assert "coupé à 65536 octets sur 70002" in errors
    assert table(lettered, "SELECT count(*) FROM dead_letters") == [(6,)]
    assert "conflit : à corriger ou abandonner" in command("replay", ids[4])[2]
    assert "conflit : mêmes" in command("replay", ids[4], "--set", "vibration=4.0")[2]
    assert table(lettered, "SELECT count(*) FROM dead_letters") == [(6,)]
    assert "n'est pas un objet JSON" in command("replay", ids[0], "--set", "a=1")[2]
    assert "champ=valeur" in command("replay", ids[4], "--set", "a")[2]
    assert command("replay", ids[4], "--set", "vibration=2.0")[1].startswith(
        "0 événements enregistrés, 1 déjà connus"
    )
    assert command("abandon", ids[0], ids[1]) == (0, "Abandon : 2 lettres sur 2\n", "")
    code, said, errors = command("abandon", ids[0], 999, ids[3], ids[3])
    assert (code, said) == (1, "Abandon : 1 lettre sur 3\n")
    assert [line.partition(" ; ")[0] for line in errors.splitlines()] == [
        f"Lettre {ids[0]} : pas de lettre ouverte de ce numéro",
        "Lettre 999 : pas de lettre ouverte de ce numéro",
    ]
    assert "pas de lettre ouverte" in command("replay", 999)[2]
    assert "Quelles lettres ?" in command("replay")[2]


def test_a_letter_of_mqtt_speaks_of_its_locomotive_alone(parts: Parts, command: Command) -> None:
    parts.model.refresh()
    direct = Message(0, reading(0, loco_id="L2"), "camrail/L1/telemetry", 0, None, "L1")
    bridged = Message(0, reading(1, loco_id="L2"), "train_telemetry", 0, None, "L1")
    parts.ingest.ingest_messages([direct, bridged], "mqtt")
    code, _, errors = command("replay", "--all")
    assert code == 1
    assert "Lettre 1 : loco_id : l'expéditeur ne peut parler que de L1" in errors
    assert "Lettre 2 : venu par MQTT, de quelle locomotive n'est plus connu" in errors
    assert count(parts) == 0
    assert command("replay", 2, "--set", "loco_id=L1")[0] == 0
    assert count(parts) == 1


@pytest.mark.parametrize(
    "text", [b"?", b"[]", b'{"id": 1}', b'{"id": "x", "payload": ""}', b'{"id": 1, "payload": 2}']
)
def test_a_line_that_cannot_be_read_is_named(
    lettered: Parts, command: Command, tmp_path: Path, text: bytes
) -> None:
    path = tmp_path / "lettres.ndjson"
    path.write_bytes(b"\n" + text)
    assert "lettres.ndjson, ligne 2" in command("replay", "--file", path)[2]
    assert "est illisible" in command("replay", "--file", tmp_path / "rien")[2]
    assert count(lettered) == 1


def test_open_letters_are_counted_by_door_and_kind(lettered: Parts, command: Command) -> None:
    counts = {("kafka", "refused"): 4, ("kafka", "conflict"): 1, ("mqtt", "refused"): 1}
    assert lettered.store.open_letters() == counts
    assert command("abandon", 1)[0] == 0
    assert lettered.store.open_letters() == counts | {("kafka", "refused"): 3}
