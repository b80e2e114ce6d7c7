"""Command line of the ETL: flags in, messages and exit code out."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NoReturn

from loguru import logger

from dpa.errors import DpaError, UsageError
from dpa.files import cause
from dpa.french import NBSP, number
from dpa.logs import configured, escaped
from dpa.settings import RejectLimit, Settings, warehouse_path
from dpa.summary import EtlSummary, failed

DONE, FAILED, MISUSE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

_ARGPARSE_FRENCH = (
    (r"unrecognized arguments: (.*)", r"arguments inconnus : \1"),
    (r"argument (.*?): expected one argument", r"\1 attend une valeur"),
    (r"argument (.*?): (attend .*)", r"\1 \2"),
    (r"argument (.*?): ignored explicit argument (.*)", r"\1 n'attend pas de valeur, reçu \2"),
    (r"argument .*?: invalid choice: (.*?) \(choose.*", r"commande inconnue : \1"),
    (r"the following arguments are required: (.*)", r"arguments obligatoires : \1"),
    (r"ambiguous option: (.*) could match (.*)", r"option ambiguë : \1 (\2)"),
)

_EPILOG = """codes de sortie : 0 terminé ; 1 échec, rien n'a changé ; 2 commande incorrecte ;
3 données chargées, mais trop de rejets ou rapport non écrit"""


class _FrenchFormatter(argparse.RawDescriptionHelpFormatter):
    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix or "utilisation : ")


class _FrenchParser(argparse.ArgumentParser):
    """An argument parser that speaks French and raises instead of exiting."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "add_help": False, "formatter_class": _FrenchFormatter})
        self.options = self.add_argument_group("options")
        self.options.add_argument("-h", "--help", action="help", help="afficher cette aide")

    def error(self, message: str) -> NoReturn:
        for english, french in _ARGPARSE_FRENCH:
            message = re.sub(f"^{english}$", french, message)
        raise UsageError(f"{message} (aide : --help)")


def _seed(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"attend un nombre entier positif, reçu {text!r}")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line; a flag left out is None, so that the settings decide."""
    parser = _FrenchParser(
        prog="main_pipeline.py",
        description="Charge les transactions de l'ERP dans l'entrepôt et écrit le rapport Excel.",
        epilog=_EPILOG,
    )
    add = parser.options.add_argument
    add("--erp", metavar="FICHIER", type=Path, help="transactions de l'ERP (CSV)")
    add("--machines", metavar="FICHIER", type=Path, help="liste des machines (JSON)")
    add("--mapping", metavar="FICHIER", type=Path, help="correspondance d'un export tiers (YAML)")
    add("--dwh", metavar="URL", help="entrepôt : sqlite:///chemin ou chemin d'un fichier")
    add("--report", metavar="FICHIER", type=Path, help="rapport Excel (.xlsx)")
    add("--json", action="store_true", help="écrire le bilan en JSON sur la sortie standard")
    add(
        "--max-rejects",
        metavar="N|P%",
        help="nombre ou part de lignes rejetées au-delà de laquelle le code de sortie est 3 "
        "(défaut : 50%%)",
    )
    commands = parser.add_subparsers(dest="command", title="autre commande", metavar="synth")
    synth = commands.add_parser("synth", help="fabriquer les fichiers d'exemple")
    synth.options.add_argument("--out", metavar="DOSSIER", type=Path, required=True, help="où")
    synth.options.add_argument(
        "--seed", metavar="N", type=_seed, help="graine ; la même donne les mêmes octets"
    )
    synth.options.add_argument(
        "--force", action="store_true", help="remplacer les fichiers existants"
    )
    return parser


def settings_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Combine defaults, environment and flags; raises UsageError."""
    flags = {
        name: getattr(arguments, name)
        for name in ("erp", "machines", "mapping", "report")
        if getattr(arguments, name) is not None
    }
    if arguments.dwh is not None:
        flags["dwh"] = warehouse_path(arguments.dwh)
    if arguments.max_rejects is not None:
        flags["max_rejects"] = RejectLimit.parse(arguments.max_rejects)
    settings = replace(Settings.from_environ(environ), **flags)
    settings.refuse_unusable_paths()
    return settings


def balance_sheet(summary: EtlSummary) -> str:
    """Tell a run in French: the balance of its rows, its rejects by rule, its files."""
    lines = [
        f"Lignes lues {number(summary.read)} = chargées {number(summary.loaded)}"
        f" + rejetées {number(summary.rejected)} + doublons {number(summary.duplicates)}",
        f"Chargées {number(summary.loaded)} = nouvelles {number(summary.inserted)}"
        f" + corrigées {number(summary.corrected)} ({number(summary.total_volume, 2)}{NBSP}t)",
    ]
    lines += [f"  {code} : {number(count)}" for code, count in summary.rejects_by_rule.items()]
    lines += [f"Entrepôt : {summary.dwh}", f"Rapport : {summary.report or 'non écrit'}"]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the command line and give its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_a_character(stream)
    try:
        arguments = build_parser().parse_args(words)
        if arguments.command == "synth":
            return _synth(arguments)
        settings = settings_of(arguments, environ)
        return _run(settings, arguments.json)
    except UsageError as error:
        sys.stderr.write(f"Erreur : {escaped(str(error))}\n")
        if "--json" in words:
            _write_json(failed(str(error), "", 0.0))
        return MISUSE
    except KeyboardInterrupt:
        sys.stderr.write("Interrompu.\n")
        return INTERRUPTED


def _never_fail_on_a_character(stream: IO[str]) -> None:
    """Let a console that lacks a character show its code instead of ending the run."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="backslashreplace")


def _run(settings: Settings, as_json: bool) -> int:
    # pandas is slow to import and --help does not need it.
    from dpa.pipeline import run

    started_s = time.monotonic()
    with configured(settings.log_dir):
        try:
            outcome = run(settings)
        except DpaError as error:
            logger.error("{}", error)
            if as_json:
                _write_json(failed(str(error), str(settings.dwh), time.monotonic() - started_s))
            return FAILED
    if as_json:
        _write_json(outcome.summary)
    else:
        sys.stdout.write(balance_sheet(outcome.summary))
    return INCOMPLETE if outcome.incomplete else DONE


def _write_json(summary: EtlSummary) -> None:
    sys.stdout.write(json.dumps(summary.model_dump(), indent=2) + "\n")


def _synth(arguments: argparse.Namespace) -> int:
    from dpa.synthetic import DEFAULT_SEED, write_samples

    seed = DEFAULT_SEED if arguments.seed is None else arguments.seed
    try:
        paths = write_samples(arguments.out, seed, arguments.force)
    except OSError as error:
        reason = f"{arguments.out} : écriture impossible ({cause(error)})"
        sys.stderr.write(f"Erreur : {escaped(reason)}\n")
        return FAILED
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return DONE
