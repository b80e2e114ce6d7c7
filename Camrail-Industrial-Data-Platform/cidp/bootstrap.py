"""A servable model with no broker and no server: train on the seed data, check, promote."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from cidp.cli import FrenchParser
from cidp.errors import BundleRefused, ChildFailed, CidpError
from cidp.logs import configure_logs
from cidp.model_bundle import Manifest
from cidp.orchestration import TrainingSummary, run_for_document
from cidp.registry import Registry
from cidp.settings import Settings, launch_environment
from cidp.stop_signals import STOP_SIGNALS

TRAINER = "src/model_training.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Train and promote; return the exit code."""
    options = _parser().parse_args(argv)
    _interrupt_on_stop()
    try:
        settings = Settings.from_environ(launch_environment(os.environ))
        configure_logs(settings.logs.folder, "bootstrap")
        logger.info("Entraînement sur {}", settings.pmd.sensors.name)
        manifest = train_and_promote(settings, _echo, options.progress)
    except CidpError as error:
        return _failed(str(error), as_json=options.json)
    except KeyboardInterrupt:
        return _failed("Interrompu : le modèle qui sert n'a pas changé.", as_json=options.json)
    latest = Registry(settings.model.folder).latest_pickle
    if options.json:
        _print_document(
            status="ok",
            error=None,
            bundle=str(Registry(settings.model.folder).bundles / manifest.version),
            model_file=str(latest),
            manifest=manifest,
        )
    else:
        sys.stdout.write(f"Modèle {manifest.version} promu ; copie pour l'analyse : {latest}\n")
    return 0


def train_and_promote(
    settings: Settings, on_line: Callable[[str], object], progress: str | None = None
) -> Manifest:
    """Run PM-D's trainer on the seed data and promote the bundle that it wrote.

    `on_line` gets the trainer's own report as it comes. Raises `ChildError` or `BundleRefused`,
    and then the model that serves has not changed.
    """
    registry = Registry(settings.model.folder)
    with tempfile.TemporaryDirectory() as scratch:
        summary = run_for_document(
            settings.pmd.folder / TRAINER,
            [
                *training_arguments(settings, Path(scratch) / "model.joblib"),
                *(("--progress", progress) if progress else ()),
            ],
            TrainingSummary,
            settings.pmd.training_timeout_s,
            on_line,
        )
    if summary.manifest is None:
        raise BundleRefused("L'entraîneur n'a pas rendu le manifeste de son modèle.")
    return registry.promote(summary.manifest.version).manifest


def training_arguments(settings: Settings, model_file: Path) -> list[str]:
    """Return what has the trainer put a bundle of the seed data into the registry.

    Raises `ChildFailed` when a file of the seed data is missing.
    """
    for path in (settings.pmd.sensors, settings.pmd.maintenance):
        if not path.is_file():
            raise ChildFailed(f"Données d'amorçage absentes : {path}.")
    files = {
        "--input": settings.pmd.sensors,
        "--maintenance": settings.pmd.maintenance,
        "--bundles": Registry(settings.model.folder).bundles,
        "--model-file": model_file,
    }
    return ["--json", *(str(part) for pair in files.items() for part in pair)]


def _failed(reason: str, *, as_json: bool) -> int:
    sys.stderr.write(f"{reason}\n")
    if as_json:
        _print_document(status="error", error=reason, bundle=None, model_file=None, manifest=None)
    return 1


def _print_document(**fields: Any) -> None:
    sys.stdout.write(f"{TrainingSummary(**fields).model_dump_json()}\n")


def _interrupt_on_stop() -> None:
    """Let a request to stop end the trainer as well, as Ctrl-C does."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)


def _echo(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="bootstrap_local.py",
        description=(
            "Entraîne un modèle sur les données d'amorçage et le promeut dans models/ ;"
            " ni serveur ni courtier de messages n'est nécessaire."
        ),
    )
    parser.add_argument("--json", action="store_true", help="imprime un seul document JSON")
    parser.add_argument(
        "--progress",
        choices=("json",),
        help="dit l'avancement en lignes JSON sur la sortie d'erreur",
    )
    return parser
