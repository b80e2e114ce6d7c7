import argparse
import json
from pathlib import Path

import pytest
from loguru import logger

from pmd.cli import console
from pmd.errors import PmdError


def document(message: str) -> str:
    return json.dumps({"error": message})


@pytest.fixture
def parser() -> console.Parser:
    parser = console.Parser("Fait une chose.", document)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--days", type=console.positive, help="jours")
    parser.add_argument("--locos", type=console.whole(1, 9), help="locomotives")
    return parser


def run(
    parser: console.Parser, folder: Path, *arguments: str, error: BaseException | None = None
) -> int:
    def work(_: argparse.Namespace) -> None:
        logger.info("au travail")
        if error:
            raise error

    return console.run(parser, list(arguments), folder, work)


def test_work_done_is_code_0_and_facts_go_to_stderr_and_to_the_file(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parser, tmp_path) == 0
    assert capsys.readouterr() == ("", "au travail\n")
    logged = (tmp_path / "pmd.log").read_text(encoding="utf-8")
    assert logged.endswith("INFO au travail\n")


def test_a_known_error_is_one_line_and_code_1(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parser, tmp_path, error=PmdError("fichier vide")) == 1
    assert capsys.readouterr() == ("", "au travail\nErreur : fichier vide\n")


def test_with_json_the_error_is_the_document(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parser, tmp_path, "--json", error=PmdError("fichier vide")) == 1
    assert json.loads(capsys.readouterr().out) == {"error": "fichier vide"}


def test_an_interruption_is_said(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parser, tmp_path, error=KeyboardInterrupt()) == 1
    assert "interrompu" in capsys.readouterr().err


def test_an_unknown_error_rises(parser: console.Parser, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run(parser, tmp_path, error=ZeroDivisionError())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "0"], "option --days : « 0 » : nombre positif attendu"),
        (["--days", "inf"], "nombre positif attendu"),
        (["--days", "nan"], "nombre positif attendu"),
        (["--days", "dix"], "« dix » : nombre attendu"),
        (["--days"], "option --days : une valeur attendue"),
        (["--locos", "2.5"], "« 2.5 » : entier de 1 à 9 attendu"),
        (["--locos", "10"], "entier de 1 à 9 attendu"),
        (["--loc", "3"], "options inconnues : --loc 3"),
        (["--json=1"], "ne prend pas de valeur"),
    ],
)
def test_misuse_is_code_2_in_french(
    parser: console.Parser,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(parser, tmp_path, *arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_misuse_with_json_prints_the_document_too(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(parser, tmp_path, "--json", "--nope")
    assert json.loads(capsys.readouterr().out) == {"error": "options inconnues : --nope"}


def test_help_is_french(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(parser, tmp_path, "--help")
    assert exit_info.value.code == 0
    shown = capsys.readouterr().out
    assert "usage :" in shown
    assert "affiche cette aide" in shown
    assert "show this help" not in shown


def test_control_characters_cannot_forge_a_log_line(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(parser, tmp_path, error=PmdError("a\nErreur : b\x1b[31m\u2028{x}"))
    assert capsys.readouterr().err.splitlines()[1] == r"Erreur : a\x0aErreur : b\x1b[31m\u2028{x}"


def test_without_a_place_for_the_log_the_work_goes_on(
    parser: console.Parser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert run(parser, tmp_path / "file") == 0
    assert "messages à l'écran seulement" in capsys.readouterr().err
