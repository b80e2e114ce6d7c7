"""Log lines cannot be forged by data, and go to a file without losing stderr."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from loguru import logger

from cidp import audit
from cidp.logs import configure_logs, escaped, one_line


@pytest.fixture(autouse=True)
def restored_logger() -> Iterator[None]:
    yield
    logger.remove()
    logger.configure(patcher=lambda record: None)


def test_control_characters_are_escaped() -> None:
    assert escaped("a\nb\x1b[31m\u2028é") == "a\\x0ab\\x1b[31m\\u2028é"


def test_lines_of_a_text_are_told_on_one() -> None:
    assert one_line("Fin du journal :\n    un\r\n\n  deux\u2028trois\x1b[0m") == (
        "Fin du journal : | un | deux | trois\x1b[0m"
    )


def test_a_line_goes_to_stderr_and_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(tmp_path / "logs", "api")
    logger.info("reçu {}", "LOCO\n12:00:00 INFO forgé")
    assert "reçu LOCO\\x0a12:00:00 INFO forgé" in capsys.readouterr().err
    lines = (tmp_path / "logs" / "api.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    facts = json.loads(lines[0])
    assert facts["message"] == "reçu LOCO\\x0a12:00:00 INFO forgé"
    assert facts["level"] == "INFO"
    assert datetime.fromisoformat(facts["time"]).tzinfo is not None


def test_a_line_carries_its_facts_and_its_context(tmp_path: Path) -> None:
    configure_logs(tmp_path, "api", context=lambda: {"request_id": "r1"})
    logger.bind(route="/predict", status=200).info("une {accolade}", accolade="{valeur}")
    facts = json.loads((tmp_path / "api.log").read_text(encoding="utf-8"))
    assert facts["message"] == "une {valeur}"
    assert (facts["route"], facts["status"], facts["request_id"]) == ("/predict", 200, "r1")


def test_an_error_leaves_its_trace_in_one_line(tmp_path: Path) -> None:
    configure_logs(tmp_path, "api")
    try:
        raise RuntimeError("la cause\nsur deux lignes")
    except RuntimeError as error:
        logger.opt(exception=error).error("échec")
    lines = (tmp_path / "api.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert "la cause\nsur deux lignes" in json.loads(lines[0])["exception"]


def test_without_a_writable_folder_lines_still_reach_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file", encoding="utf-8")
    configure_logs(tmp_path / "logs", "api")
    logger.info("toujours là")
    err = capsys.readouterr().err
    assert "api.log impossible à écrire" in err
    assert "toujours là" in err


def test_audit_lines_have_a_file_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(tmp_path, "api", audit="audit")
    logger.info("une ligne")
    audit.note("POST", "/telemetry", 200, "192.0.2.7", "clé a, enregistrés 1\nforgé")
    audited = (tmp_path / "audit.log").read_text(encoding="utf-8").splitlines()
    assert len(audited) == 1
    said = "POST /telemetry 200 192.0.2.7 : clé a, enregistrés 1\\x0aforgé"
    assert json.loads(audited[0])["message"] == said
    assert "telemetry" not in (tmp_path / "api.log").read_text(encoding="utf-8")
    assert "telemetry" not in capsys.readouterr().err


def test_without_a_writable_folder_audit_lines_reach_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file", encoding="utf-8")
    configure_logs(tmp_path / "logs", "api", audit="audit")
    audit.note("POST", "/telemetry", 200, "192.0.2.7", "clé a")
    err = capsys.readouterr().err
    assert "audit.log impossible à écrire" in err
    assert "POST /telemetry 200 192.0.2.7 : clé a" in err
