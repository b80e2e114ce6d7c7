from pathlib import Path

import pytest

from pmd.cli.config_file import arguments_of
from pmd.errors import InvalidOption

NAMES = ("features", "cost-miss", "monotone", "target")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "options.yaml"


def test_options_become_arguments(config: Path) -> None:
    config.write_text(
        "features: [Torque [Nm], 'Temp, °C']\n"
        "cost_miss: 2.5\n"
        "monotone: {Torque: +, 'Temp, °C': -}\n"
        "target: 'Machine failure'\n".replace("[Torque [Nm], ", "['Torque [Nm]', "),
        encoding="utf-8",
    )
    assert arguments_of(config, NAMES) == [
        '--features=Torque [Nm],"Temp, °C"',
        "--cost-miss=2.5",
        '--monotone=Torque=+,"Temp, °C=-"',
        "--target=Machine failure",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("autre: 1\n", r"options inconnues \['autre'\]"),
        ("- features\n", "une option par ligne"),
        ("", "une option par ligne"),
        ("a: [\n", "ce n'est pas du YAML"),
        ("cost_miss: oui\ntarget: true\n", "target attend un nombre"),
        ("target:\n", "target attend un nombre"),
    ],
)
def test_what_is_not_a_list_of_options_is_refused(config: Path, text: str, message: str) -> None:
    config.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidOption, match=message):
        arguments_of(config, NAMES)


def test_a_file_that_is_absent_or_not_text_is_refused(config: Path) -> None:
    with pytest.raises(InvalidOption, match="lecture impossible"):
        arguments_of(config, NAMES)
    config.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidOption, match="UTF-8"):
        arguments_of(config, NAMES)
