"""A servable model with no broker and no server: train on the seed data, check, promote."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

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
    _parser().parse_args(argv)
    _interrupt_on_stop()
    try:
        settings = Settings.from_environ(launch_environment(os.environ))
        configure_logs(settings.logs.folder, "bootstrap")
        logger.info("Entraînement sur {}", settings.pmd.sensors.name)
        manifest = train_and_promote(settings, _echo)
    except CidpError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrompu : le modèle qui sert n'a pas changé.\n")
        return 1
    latest = Registry(settings.model.folder).latest_pickle
    sys.stdout.write(f"Modèle {manifest.version} promu ; copie pour l'analyse : {latest}\n")
    return 0


def train_and_promote(settings: Settings, on_line: Callable[[str], object]) -> Manifest:
    """Run PM-D's trainer on the seed data and promote the bundle that it wrote.

    `on_line` gets the trainer's own report as it comes. Raises `ChildError` or `BundleRefused`,
    and then the model that serves has not changed.
    """
    registry = Registry(settings.model.folder)
    for path in (settings.pmd.sensors, settings.pmd.maintenance):
        if not path.is_file():
            raise ChildFailed(f"Données d'amorçage absentes : {path}.")
    with tempfile.TemporaryDirectory() as scratch:
        arguments = {
            "--input": settings.pmd.sensors,
            "--maintenance": settings.pmd.maintenance,
            "--bundles": registry.bundles,
            "--model-file": Path(scratch) / "model.joblib",
        }
        summary = run_for_document(
            settings.pmd.folder / TRAINER,
            ["--json", *(str(part) for pair in arguments.items() for part in pair)],
            TrainingSummary,
            settings.pmd.training_timeout_s,
            on_line,
        )
    if summary.manifest is None:
        raise BundleRefused("L'entraîneur n'a pas rendu le manifeste de son modèle.")
    return registry.promote(summary.manifest.version).manifest


def _interrupt_on_stop() -> None:
    """Let a request to stop end the trainer as well, as Ctrl-C does."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)


def _echo(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    return FrenchParser(
        prog="bootstrap_local.py",
        description=(
            "Entraîne un modèle sur les données d'amorçage et le promeut dans models/ ;"
            " ni serveur ni courtier de messages n'est nécessaire."
        ),
    )
