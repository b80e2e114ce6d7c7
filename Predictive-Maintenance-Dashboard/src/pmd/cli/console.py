"""The edge between a command and its user: logs, errors, exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from loguru import logger

from pmd.errors import PmdError

if TYPE_CHECKING:
    from loguru import Record

DONE, FAILED, MISUSED = 0, 1, 2


class Parser(argparse.ArgumentParser):
    """A parser that, with `--json`, prints its refusal as the command's one JSON document."""

    def __init__(self, *, failure_document: Callable[[str], str], description: str) -> None:
        super().__init__(description=description, allow_abbrev=False)
        self._failure_document = failure_document
        self._arguments: list[str] = []

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        self._arguments = arguments
        return self.parse_args(arguments)

    def error(self, message: str) -> NoReturn:
        if "--json" in self._arguments:
            write_product(self._failure_document(message))
        super().error(message)


def positive(text: str) -> float:
    """Type of an option: a finite number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"« {text} » : nombre positif attendu")
    return value


def whole(minimum: int, maximum: int = 2**32 - 1) -> Callable[[str], int]:
    """Type of an option: an integer within bounds."""

    def parse(text: str) -> int:
        value = _number(text)
        if not (minimum <= value <= maximum and value == int(value)):
            raise argparse.ArgumentTypeError(
                f"« {text} » : entier de {minimum} à {maximum} attendu"
            )
        return int(value)

    return parse


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"« {text} » : nombre attendu") from error


def write_product(text: str) -> None:
    """Write what the command is for to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(work: Callable[[], None], on_failure: Callable[[str], None]) -> int:
    """Do `work`; a known error becomes one line on stderr, `on_failure`, and exit code 1."""
    try:
        work()
    except PmdError as error:
        logger.error("{}", error)
        on_failure(str(error))
        return FAILED
    return DONE


@contextmanager
def logging_to(folder: Path) -> Iterator[None]:
    """Log facts to stderr for people, and to a rotated file of `folder`."""
    logger.remove()
    logger.add(sys.stderr, level="INFO", format=_plain, colorize=False)
    try:
        logger.add(
            folder / "pmd.log",
            level="DEBUG",
            format=_dated,
            rotation="10 MB",
            retention="30 days",
            encoding="utf-8",
        )
    except OSError as error:
        logger.warning("journal {} impossible ({}) : messages à l'écran seulement", folder, error)
    try:
        yield
    finally:
        logger.remove()


def _plain(record: Record) -> str:
    prefix = "Erreur : " if record["level"].no >= 40 else ""
    record["extra"]["text"] = prefix + _escaped(record["message"])
    return "{extra[text]}\n"


def _dated(record: Record) -> str:
    record["extra"]["text"] = _escaped(record["message"])
    return "{time:YYYY-MM-DDTHH:mm:ss.SSSZ} {level} {extra[text]}\n{exception}"


def _escaped(message: str) -> str:
    """Control characters made visible, so that data cannot forge a log line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
