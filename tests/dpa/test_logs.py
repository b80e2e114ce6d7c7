"""Log sinks and what they escape."""

from pathlib import Path

import pytest
from loguru import logger

from dpa.logs import configured, escaped


def test_control_characters_are_shown_not_obeyed() -> None:
    assert escaped("a\nb\x1b[2Jé\u2028") == "a\\x0ab\\x1b[2Jé\\u2028"


def test_messages_go_to_stderr_and_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with configured(tmp_path / "logs"):
        logger.info("{} lignes\nfausse ligne", 3)
        logger.debug("détail")
    assert capsys.readouterr().err == "INFO    | 3 lignes\\x0afausse ligne\n"
    line = (tmp_path / "logs" / "dpa.log").read_text(encoding="utf-8")
    assert line.endswith("Z | INFO    | 3 lignes\\x0afausse ligne\n") or "+0" in line


def test_a_log_folder_that_cannot_be_made_costs_only_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("", encoding="utf-8")
    with configured(tmp_path / "logs"):
        logger.info("suite")
    err = capsys.readouterr().err
    assert "inaccessible" in err
    assert err.endswith("INFO    | suite\n")
