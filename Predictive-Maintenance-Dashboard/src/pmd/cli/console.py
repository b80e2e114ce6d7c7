"""The edge between a command and its user: options, logs, errors, exit codes."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from loguru import logger

from pmd.errors import InvalidOption, PmdError

if TYPE_CHECKING:
    from loguru import Record

DONE, FAILED, MISUSE = 0, 1, 2

_FRENCH = (
    (r"^argument (\S+): ", r"option \1 : "),
    (r"expected one argument", "une valeur attendue"),
    (r"unrecognized arguments: ", "options inconnues : "),
    (r"ignored explicit argument .*", "cette option ne prend pas de valeur"),
)
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(32), *range(127, 160), 0x2028, 0x2029)
}


def error_document(message: str) -> str:
    """The one JSON document of a command that failed, where no contract asks for more."""
    return json.dumps({"status": "error", "error": message}, ensure_ascii=False)


class Parser(argparse.ArgumentParser):
    """A parser that speaks French and, with `--json`, refuses with the command's one document.

    `failure_document` makes that document of a message. A mode (`--option`, or `--option value`)
    has options that make sense `only_with` it, or `never_with` it: elsewhere they are refused.
    """

    def __init__(
        self,
        description: str,
        failure_document: Callable[[str], str] = error_document,
        only_with: Mapping[str, Collection[str]] = {},
        never_with: Mapping[str, Collection[str]] = {},
    ) -> None:
        super().__init__(description=description, allow_abbrev=False, add_help=False)
        self.failure_document = failure_document
        self._only_with, self._never_with = only_with, never_with
        self._arguments: list[str] = []
        self._from_file: Callable[[Path], list[str]] | None = None
        self.add_argument("-h", "--help", action="help", help="affiche cette aide")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        self._arguments = arguments
        words = [*self._from_config(self._from_file), *arguments] if self._from_file else arguments
        options = self.parse_args(words)
        self._refuse_ignored(arguments)
        return options

    def _refuse_ignored(self, words: list[str]) -> None:
        """An option that the chosen mode would not look at is misuse.

        Those of a `--config` are not told: nobody typed them, and a mode may refuse `--config`.
        """
        unset = object()
        blank = argparse.Namespace(**{action.dest: unset for action in self._actions})
        given = {
            f"--{name.replace('_', '-')}": value
            for name, value in vars(self.parse_args(words, blank)).items()
            if value is not unset
        }
        modes = {*given, *(f"{name} {value}" for name, value in given.items())}
        for mode, options in self._only_with.items():
            if mode not in modes and (useless := [name for name in options if name in given]):
                self.error(f"{', '.join(useless)} : seulement avec {mode}")
        for mode, options in self._never_with.items():
            if mode in modes and (useless := [name for name in options if name in given]):
                self.error(
                    f"{', '.join(useless)} : sans effet avec {mode} ; retirez l'un ou l'autre"
                )

    def take_config(self, read: Callable[[Path], list[str]]) -> None:
        """Accept `--config FILE`; `read` makes arguments of it, which those given override.

        An `InvalidOption` from `read` is misuse.
        """
        self._from_file = read
        self.add_argument("--config", type=Path, help="fichier YAML d'options ; celles-ci priment")

    def _from_config(self, read: Callable[[Path], list[str]]) -> list[str]:
        known = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        known.add_argument("--config", type=Path)
        try:
            path = known.parse_known_args(self._arguments)[0].config
            return read(path) if path else []
        except argparse.ArgumentError as error:
            self.error(str(error))
        except InvalidOption as error:
            self.error(str(error))

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "usage :").replace("options:", "options :")

    def error(self, message: str) -> NoReturn:
        for english, french in _FRENCH:
            message = re.sub(english, french, message)
        if "--json" in self._arguments:
            write_product(self.failure_document(message))
        sys.stderr.write(f"Erreur : {message}\nVoir {self.prog} --help.\n")
        sys.exit(MISUSE)


def positive(text: str) -> float:
    """Type of an option: a finite number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"« {text} » : nombre positif attendu")
    return value


def between(minimum: float, maximum: float) -> Callable[[str], float]:
    """Type of an option: a number within bounds."""

    def parse(text: str) -> float:
        value = _number(text)
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(
                f"« {text} » : nombre de {minimum:g} à {maximum:g} attendu"
            )
        return value

    return parse


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


def run(
    parser: Parser,
    arguments: list[str] | None,
    logs_dir: Path,
    work: Callable[[argparse.Namespace], None],
) -> int:
    """Parse, then `work`; a known error becomes one line on stderr and exit code 1, misuse 2.

    `arguments` None is the command line. What the parser refuses leaves through `SystemExit(2)`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    options = parser.parse(sys.argv[1:] if arguments is None else arguments)
    with logging_to(logs_dir):
        try:
            work(options)
        except InvalidOption as error:
            _say_failure(parser, options, str(error))
            return MISUSE
        except PmdError as error:
            _say_failure(parser, options, str(error))
            return FAILED
        except KeyboardInterrupt:
            _say_failure(parser, options, "interrompu avant la fin ; relancez la commande")
            return FAILED
    return DONE


def refuse_shared_paths(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Raise `InvalidOption` when an output would overwrite an input or another output."""
    taken = [os.path.realpath(path) for path in inputs]
    for path in outputs:
        if os.path.realpath(path) in taken:
            raise InvalidOption(f"{path} : deux rôles pour un seul fichier ; changez-en un.")
        taken.append(os.path.realpath(path))


def _say_failure(parser: Parser, options: argparse.Namespace, message: str) -> None:
    logger.error("{}", message)
    if options.json:
        write_product(parser.failure_document(message))


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
    prefix = "Erreur : " if record["level"].no >= logger.level("ERROR").no else ""
    record["extra"]["text"] = prefix + _escaped(record["message"])
    return "{extra[text]}\n"


def _dated(record: Record) -> str:
    record["extra"]["text"] = _escaped(record["message"])
    return "{time:YYYY-MM-DDTHH:mm:ss.SSSZ} {level} {extra[text]}\n"


def _escaped(message: str) -> str:
    """Control characters made visible, so that data cannot forge a log line."""
    return message.translate(_CONTROLS)
