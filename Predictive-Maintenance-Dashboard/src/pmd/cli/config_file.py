"""A YAML file of options, as the arguments that it stands for."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from pmd.errors import InvalidOption


def arguments_of(path: Path, names: Collection[str]) -> list[str]:
    """Arguments of the options that `path` sets, among `names` (without dashes).

    A list becomes fields separated by commas, a mapping `key=value` fields. Raises `InvalidOption`
    when the file cannot be read, is not a mapping, or names another option.
    """
    options = _mapping(path)
    unknown = sorted(str(name) for name in options if _option(name) not in names)
    if unknown:
        raise InvalidOption(
            f"{path.name} : options inconnues {unknown} ; possibles : {sorted(names)}."
        )
    return [f"--{_option(name)}={_text(path, name, value)}" for name, value in options.items()]


def _option(name: object) -> str:
    return str(name).replace("_", "-")


def _mapping(path: Path) -> dict[Any, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidOption(f"{path} : lecture impossible ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidOption(f"{path.name} : ce n'est pas du YAML en UTF-8.") from error
    if not isinstance(content, dict):
        raise InvalidOption(f"{path.name} : attendu une option par ligne, « nom: valeur ».")
    return content


def _text(path: Path, name: object, value: object) -> str:
    if isinstance(value, dict):
        return _fields([f"{key}={item}" for key, item in value.items()])
    if isinstance(value, list):
        return _fields([str(item) for item in value])
    if isinstance(value, bool) or value is None:
        raise InvalidOption(f"{path.name} : {name} attend un nombre, un texte ou une liste.")
    return str(value)


def _fields(values: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
