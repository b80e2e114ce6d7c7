"""Command lines that speak French."""

import argparse
import re
import sys
from typing import NoReturn

_TRANSLATIONS = (
    (r"unrecognized arguments: (.*)", r"arguments inconnus : \1"),
    (r"the following arguments are required: (.*)", r"arguments obligatoires absents : \1"),
    (r"argument (\S+): invalid choice: (\S+) \(choose from (.*)\)", r"\1 : \2 n'est pas de \3"),
    (r"argument (\S+): expected at least one argument", r"\1 : une valeur au moins est attendue"),
    (r"argument (\S+): expected one argument", r"\1 : une valeur est attendue"),
    (r"argument (\S+): invalid int value: (.*)", r"\1 : entier attendu, reçu \2"),
    (r"argument (\S+): invalid float value: (.*)", r"\1 : nombre attendu, reçu \2"),
    (r"argument (\S+): (.*)", r"\1 : \2"),  # what the type of an option says, in French
)


def positive(text: str) -> float:
    """Type of an option: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"un nombre positif est attendu, reçu {text!r}")
    return value


class FrenchParser(argparse.ArgumentParser):
    """`argparse` with French headings and messages; misuse exits with 2."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, add_help=False, allow_abbrev=False)
        self._optionals.title = "options"
        self.add_argument("-h", "--help", action="help", help="affiche cette aide et s'arrête")

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", "usage :", 1)

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "usage :", 1)

    def error(self, message: str) -> NoReturn:
        for pattern, french in _TRANSLATIONS:
            if re.fullmatch(pattern, message):
                message = re.sub(pattern, french, message)
        sys.stderr.write(f"{self.format_usage()}{self.prog} : {message}\n")
        sys.exit(2)


def add_command(
    commands: "argparse._SubParsersAction[FrenchParser]", name: str, said: str
) -> FrenchParser:
    """Add a command, which `said` describes, to those of a parser."""
    return commands.add_parser(name, help=said, description=said)
