"""The command line speaks French and exits with 2 on misuse."""

import pytest

from cidp.cli import FrenchParser, positive


@pytest.fixture
def parser() -> FrenchParser:
    made = FrenchParser(prog="outil", description="Fait une chose.")
    made.add_argument("--port", type=int, required=True, help="port d'écoute")
    made.add_argument("--rate", type=float)
    made.add_argument("--speed", type=positive)
    return made


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "arguments obligatoires absents : --port"),
        (["--port"], "--port : une valeur est attendue"),
        (["--port", "x"], "--port : entier attendu, reçu 'x'"),
        (["--port", "1", "--rate", "x"], "--rate : nombre attendu, reçu 'x'"),
        (["--port", "1", "--speed", "x"], "--speed : un nombre positif est attendu, reçu 'x'"),
        (["--port", "1", "--speed", "0"], "--speed : un nombre positif est attendu, reçu '0'"),
        (["--port", "1", "--autre"], "arguments inconnus : --autre"),
    ],
)
def test_misuse_is_said_in_french(
    parser: FrenchParser, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(argv)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("usage : outil")


def test_help_is_in_french(parser: FrenchParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage : outil")
    assert "affiche cette aide" in out
