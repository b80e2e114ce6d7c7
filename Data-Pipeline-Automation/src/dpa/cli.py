"""Command line of the ETL: flags in, messages and exit code out."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from loguru import logger

from dpa.dwh_url import DwhUrl
from dpa.errors import DpaError, OutcomeUnknown, UsageError
from dpa.files import cause
from dpa.filters import Filters
from dpa.french import NBSP, number
from dpa.logs import configured, escaped
from dpa.settings import RejectLimit, Settings, parse_day
from dpa.summary import EtlSummary, failed

DONE, FAILED, MISUSE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

_ARGPARSE_FRENCH = (
    (r"unrecognized arguments: (.*)", r"arguments inconnus : \1"),
    (r"argument (.*?): expected one argument", r"\1 attend une valeur"),
    (r"argument (.*?): (attend .*)", r"\1 \2"),
    (r"argument (.*?): ignored explicit argument (.*)", r"\1 n'attend pas de valeur, reçu \2"),
    (r"argument (--.*?): invalid choice: (.*?) \(choose from (.*)\)", r"\1 admet \3, pas \2"),
    (r"argument .*?: invalid choice: (.*?) \(choose.*", r"commande inconnue : \1"),
    (r"the following arguments are required: (.*)", r"arguments obligatoires : \1"),
    (r"ambiguous option: (.*) could match (.*)", r"option ambiguë : \1 (\2)"),
)

_EPILOG = """codes de sortie : 0 terminé ; 1 échec, rien n'a changé (ou le message dit que l'issue
est inconnue) ; 2 commande incorrecte ; 3 données chargées, mais trop de rejets ou rapport non
écrit"""


class _FrenchFormatter(argparse.RawDescriptionHelpFormatter):
    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, "utilisation : " if prefix is None else prefix)


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


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"attend un nombre entier positif, reçu {text!r}")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line; a flag left out is absent, so that the settings decide."""
    parser = _FrenchParser(
        prog="main_pipeline.py",
        description="Charge les transactions de l'ERP dans l'entrepôt et écrit le rapport Excel.",
        epilog=_EPILOG,
        argument_default=argparse.SUPPRESS,
    )
    _add_inputs(parser)
    _add_load(parser)
    _add_report(parser)
    commands = parser.add_subparsers(dest="command", title="autres commandes", metavar="COMMANDE")
    parser.set_defaults(command=None)
    _add_report_again(commands)
    _add_trace(commands)
    _add_rejects(commands)
    _add_overview(commands)
    _add_synth(commands)
    return parser


def _add_inputs(parser: "_FrenchParser") -> None:
    add = parser.add_argument_group("entrées").add_argument
    add(
        "--erp",
        metavar="FICHIER",
        type=Path,
        help="transactions de l'ERP : CSV, Excel (.xlsx .xlsm .xls .ods), Access (.mdb .accdb)",
    )
    add("--sheet", metavar="NOM|N", help="feuille (nom ou rang) ou table Access à lire")
    add("--machines", metavar="FICHIER|URL", help="liste des machines : JSON, ou son adresse http")
    add("--mapping", metavar="FICHIER", type=Path, help="correspondance d'un export tiers (YAML)")
    _add_engine(add)


def _add_engine(add: Callable[..., Any]) -> None:
    add(
        "--engine",
        choices=("pandas", "dask"),
        metavar="MOTEUR",
        help="pandas (défaut) ou dask : plusieurs processus, ou plusieurs machines",
    )
    add("--scheduler", metavar="tcp://…", help="ordonnanceur Dask existant (avec --engine dask)")


def _add_load(parser: "_FrenchParser") -> None:
    add = parser.add_argument_group("chargement").add_argument
    _add_dwh(add)
    add(
        "--resubmit",
        metavar="FICHIER",
        type=Path,
        help="charger le classeur des rejets, corrigé, au lieu d'un export",
    )
    add(
        "--since",
        metavar="JOUR",
        help="laisser les lignes antérieures : JJ/MM/AAAA, ou auto "
        "(dernier jour connu de l'entrepôt)",
    )
    add(
        "--max-rejects",
        metavar="N|P%",
        help="nombre ou part de lignes rejetées au-delà de laquelle le code de sortie est 3 "
        "(défaut : 50%%)",
    )
    add("--json", action="store_true", help="écrire le bilan en JSON sur la sortie standard")
    add(
        "--progress",
        choices=("bar", "json"),
        metavar="FORME",
        help="avancement : bar, dans un terminal (défaut), ou json, une ligne par étape et par "
        "pour cent sur la sortie d'erreur",
    )


def _add_dwh(add: Callable[..., Any]) -> None:
    add(
        "--dwh",
        metavar="URL",
        help="entrepôt : sqlite:///chemin, chemin d'un fichier ou postgresql://hôte/base",
    )


def _add_report(parser: "_FrenchParser") -> None:
    add = parser.add_argument_group("classeurs").add_argument
    add("--rejects", metavar="FICHIER", type=Path, help="classeur des lignes à corriger (.xlsx)")
    _add_report_options(add)


def _add_report_options(add: Callable[..., Any]) -> None:
    add("--report", metavar="FICHIER", type=Path, help="rapport Excel (.xlsx)")
    add("--sites", metavar="S1,S2", help="sites que montre le rapport")
    add("--from", metavar="JOUR", dest="first_day", help="premier jour que montre le rapport")
    add("--to", metavar="JOUR", dest="last_day", help="dernier jour que montre le rapport")


def _add_report_again(commands: Any) -> None:
    again = commands.add_parser(
        "rapport",
        help="écrire le rapport depuis l'entrepôt, sans rien charger",
        argument_default=argparse.SUPPRESS,
    )
    _add_dwh(again.options.add_argument)
    _add_report_options(again.options.add_argument)


def _add_trace(commands: Any) -> None:
    trace = commands.add_parser(
        "trace",
        help="remonter d'une transaction à sa ligne d'origine",
        argument_default=argparse.SUPPRESS,
    )
    trace.add_argument("transaction_id", metavar="TRANSACTION")
    _add_dwh(trace.options.add_argument)


def _add_rejects(commands: Any) -> None:
    rejects = commands.add_parser(
        "rejets",
        help="rejets ouverts : les voir, en récrire le classeur, les abandonner",
        argument_default=argparse.SUPPRESS,
    )
    add = rejects.options.add_argument
    _add_dwh(add)
    add("--lot", metavar="LOT", help="les rejets d'un seul passage")
    add("--export", metavar="FICHIER", type=Path, help="classeur des lignes à corriger (.xlsx)")
    add("--abandon", metavar="NUMÉROS", help="rejets à clore sans les charger : 3,7-9, ou tous")
    add("--reason", metavar="TEXTE", help="pourquoi, avec --abandon")


def _add_overview(commands: Any) -> None:
    overview = commands.add_parser(
        "apercu",
        help="statistiques par jour et site d'un export, sans entrepôt",
        argument_default=argparse.SUPPRESS,
    )
    _add_inputs(overview)
    overview.options.add_argument(
        "--out", metavar="FICHIER", type=Path, help="CSV à écrire (sinon la sortie standard)"
    )


def _add_synth(commands: Any) -> None:
    synth = commands.add_parser(
        "synth", help="fabriquer les fichiers d'exemple", argument_default=argparse.SUPPRESS
    )
    synth.options.add_argument("--out", metavar="DOSSIER", type=Path, required=True, help="où")
    synth.options.add_argument(
        "--seed", metavar="N", type=_count, help="graine ; la même donne les mêmes octets"
    )
    synth.options.add_argument(
        "--rows", metavar="N", type=_count, help="nombre de transactions sans défaut"
    )
    synth.options.add_argument(
        "--force", action="store_true", help="remplacer les fichiers existants"
    )


def settings_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Combine defaults, environment and flags; raises UsageError."""
    given = vars(arguments)
    if "resubmit" in given and given.keys() & {"erp", "sheet", "mapping", "since"}:
        raise UsageError("--resubmit se passe de --erp, --sheet, --mapping et --since.")
    plain = ("erp", "sheet", "machines", "mapping", "resubmit", "report", "rejects", "progress")
    flags = {name: given[name] for name in plain if name in given}
    if "dwh" in given:
        flags["dwh"] = DwhUrl.parse(given["dwh"])
    if "max_rejects" in given:
        flags["max_rejects"] = RejectLimit.parse(given["max_rejects"])
    elif "resubmit" in given:
        # An analyst may well mend a few rows of the workbook and leave the others.
        flags["max_rejects"] = RejectLimit(100, is_percent=True)
    if "since" in given:
        day = given["since"]
        flags["since"] = "auto" if day == "auto" else parse_day("--since", day)
    flags["filters"] = _filters(given)
    settings = replace(Settings.from_environ(environ), **flags, **_engine(given))
    settings.refuse_unusable_paths()
    return settings


def _filters(given: Mapping[str, Any]) -> Filters:
    sites = tuple(filter(None, (site.strip() for site in given.get("sites", "").split(","))))
    if "sites" in given and not sites:
        raise UsageError("--sites : nommez au moins un site.")
    first = parse_day("--from", given["first_day"]) if "first_day" in given else None
    last = parse_day("--to", given["last_day"]) if "last_day" in given else None
    if first and last and first > last:
        raise UsageError(f"--from {first:%d/%m/%Y} est après --to {last:%d/%m/%Y}.")
    return Filters(sites, first, last)


def _engine(given: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {name: given[name] for name in ("engine", "scheduler") if name in given}
    if "scheduler" in chosen and chosen.get("engine") != "dask":
        raise UsageError("--scheduler demande --engine dask.")
    return chosen


def balance_sheet(summary: EtlSummary) -> str:
    """Tell a run in French: the balance of its rows, its rejects by rule, its files."""
    lines = [
        f"Lignes lues {number(summary.read)} = chargées {number(summary.loaded)}"
        f" + rejetées {number(summary.rejected)} + doublons {number(summary.duplicates)}",
        f"Chargées {number(summary.loaded)} = nouvelles {number(summary.inserted)}"
        f" + corrigées {number(summary.corrected)} ({number(summary.total_volume, 2)}{NBSP}t)",
    ]
    lines += [f"  {code} : {number(count)}" for code, count in summary.rejects_by_rule.items()]
    if summary.open_rejects:
        count = number(summary.open_rejects)
        lines.append(f"Rejets encore ouverts dans l'entrepôt : {count} (commande rejets)")
    lines += [f"Entrepôt : {summary.dwh}", f"Rapport : {summary.report or 'non écrit'}"]
    if summary.rejects_workbook:
        lines.append(f"À corriger, puis à rendre par --resubmit : {summary.rejects_workbook}")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the command line and give its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_a_character(stream)
    try:
        arguments = build_parser().parse_args(words)
        return _COMMANDS[arguments.command](arguments, environ)
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


def _run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = settings_of(arguments, environ)
    # pandas is slow to import and --help does not need it.
    from dpa.pipeline import run

    as_json = "json" in arguments
    started_s = time.monotonic()
    with configured(settings.log_dir):
        try:
            outcome = run(settings)
        except UsageError:
            raise
        except DpaError as error:
            logger.error("{}", error)
            if as_json:
                duration_s = time.monotonic() - started_s
                lost = error.run_id if isinstance(error, OutcomeUnknown) else None
                dwh = str(settings.dwh)
                _write_json(failed(str(error), dwh, duration_s, settings.engine, lost))
            return FAILED
    if as_json:
        _write_json(outcome.summary)
    else:
        sys.stdout.write(balance_sheet(outcome.summary))
    return INCOMPLETE if outcome.incomplete else DONE


def _write_json(summary: EtlSummary) -> None:
    sys.stdout.write(json.dumps(summary.model_dump(), indent=2) + "\n")


def _report_again(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = settings_of(arguments, environ)
    from dpa.excel_report import write_report
    from dpa.report_data import NOTHING_SHOWN, read_report

    def done() -> str:
        data = read_report(settings.dwh, None, settings.filters, settings.busy_timeout_s)
        write_report(settings.report, data, datetime.now(UTC))
        if data.shows_nothing:
            logger.warning("{}", NOTHING_SHOWN)
        return f"Rapport écrit : {settings.report}\n"

    with configured(settings.log_dir):
        return _told(done)


def _trace(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = _reading_settings(arguments, environ)
    from dpa.trace import trace_text

    with configured(settings.log_dir):
        return _told(
            lambda: trace_text(settings.dwh, arguments.transaction_id, settings.busy_timeout_s)
        )


def _reading_settings(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Give the settings of a command that takes --dwh alone."""
    settings = Settings.from_environ(environ)
    return replace(settings, dwh=DwhUrl.parse(arguments.dwh)) if "dwh" in arguments else settings


def _rejects(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = _reading_settings(arguments, environ)
    given = vars(arguments)
    export, chosen, lot = given.get("export"), given.get("abandon"), given.get("lot")
    if ("abandon" in given) != ("reason" in given):
        raise UsageError("--abandon et --reason vont ensemble.")
    if export and chosen:
        raise UsageError("--export et --abandon s'excluent ; gardez-en un.")
    if export and export.suffix.lower() != ".xlsx":
        raise UsageError(f"--export {export} : le nom de ce classeur doit finir par .xlsx.")
    from dpa.open_rejects import abandon_rejects, export_rejects, list_rejects

    dwh, timeout_s = settings.dwh, settings.busy_timeout_s

    def done() -> str:
        if export:
            return export_rejects(export, dwh, lot, timeout_s)
        if chosen is not None:
            reason, now = given["reason"], datetime.now(UTC)
            return abandon_rejects(dwh, chosen, lot, reason, now, timeout_s)
        return list_rejects(dwh, lot, timeout_s)

    with configured(settings.log_dir):
        return _told(done)


def _overview(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = settings_of(arguments, environ)
    from dpa.overview import write_overview

    with configured(settings.log_dir):
        return _told(lambda: write_overview(settings, getattr(arguments, "out", None)))


def _synth(arguments: argparse.Namespace, _: Mapping[str, str]) -> int:
    from dpa.synthetic import write_samples

    chosen = {name: getattr(arguments, name) for name in ("seed", "rows") if name in arguments}

    def written() -> str:
        try:
            paths = write_samples(arguments.out, force="force" in arguments, **chosen)
        except OSError as error:
            raise DpaError(f"{arguments.out} : écriture impossible ({cause(error)})") from error
        return "".join(f"{path}\n" for path in paths)

    return _told(written)


def _told(answer: Callable[[], str]) -> int:
    """Write the answer of a command, or its failure in one line."""
    try:
        sys.stdout.write(answer())
    except UsageError:
        raise
    except DpaError as error:
        sys.stderr.write(f"Erreur : {escaped(str(error))}\n")
        return FAILED
    return DONE


_COMMANDS: Final = {
    None: _run,
    "rapport": _report_again,
    "trace": _trace,
    "rejets": _rejects,
    "apercu": _overview,
    "synth": _synth,
}
