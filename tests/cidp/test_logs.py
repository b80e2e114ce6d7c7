"""Log lines cannot be forged by data, and go to a file without losing stderr."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from cidp import audit
from cidp.logs import configure_logs, escaped


@pytest.fixture(autouse=True)
def restored_logger() -> Iterator[None]:
    yield
    logger.remove()
    logger.configure(patcher=lambda record: None)


def test_control_characters_are_escaped() -> None:
    assert escaped("a\nb\x1b[31m\u2028é") == "a\\x0ab\\x1b[31m\\u2028é"


def test_a_line_goes_to_stderr_and_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(tmp_path / "logs", "api")
    logger.info("reçu {}", "LOCO\n12:00:00 INFO forgé")
    assert "reçu LOCO\\x0a12:00:00 INFO forgé" in capsys.readouterr().err
    lines = (tmp_path / "logs" / "api.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("reçu LOCO\\x0a12:00:00 INFO forgé")


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
    configure_logs(tmp_path, "api", audit=True)
    logger.info("une ligne")
    audit.note("POST", "/telemetry", 200, "192.0.2.7", "clé a, enregistrés 1\nforgé")
    audited = (tmp_path / "audit.log").read_text(encoding="utf-8").splitlines()
    assert len(audited) == 1
    assert audited[0].endswith("POST /telemetry 200 192.0.2.7 : clé a, enregistrés 1\\x0aforgé")
    assert "telemetry" not in (tmp_path / "api.log").read_text(encoding="utf-8")
    assert "telemetry" not in capsys.readouterr().err


def test_without_a_writable_folder_audit_lines_reach_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file", encoding="utf-8")
    configure_logs(tmp_path / "logs", "api", audit=True)
    audit.note("POST", "/telemetry", 200, "192.0.2.7", "clé a")
    err = capsys.readouterr().err
    assert "audit.log impossible à écrire" in err
    assert "POST /telemetry 200 192.0.2.7 : clé a" in err
