"""A servable model with no broker and no server: train on the seed data, check, promote."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from cidp.cli import FrenchParser
from cidp.errors import BundleRefused, ChildFailed, CidpError
from cidp.logs import configure_logs
from cidp.model_bundle import Manifest, Slot
from cidp.orchestration import TrainingSummary, as_part, run_for_document
from cidp.registry import INSTANT, TREND, Registry
from cidp.settings import Settings, launch_environment
from cidp.stop_signals import interrupt_on_stop

TRAINER = "src/model_training.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Train and promote; return the exit code."""
    options = _parser().parse_args(argv)
    slots = (options.slot,) if options.slot else (INSTANT, TREND)
    promoted: list[Manifest] = []
    interrupt_on_stop()
    try:
        settings = Settings.from_environ(launch_environment(os.environ))
        configure_logs(settings.logs.folder, "bootstrap")
        logger.info("Entraînement sur {}", settings.pmd.sensors.name)
        for number, slot in enumerate(slots, 1):
            on_line = as_part(echo, number, len(slots))
            promoted.append(train_and_promote(settings, on_line, options.progress, slot))
            if not options.json:
                _say_promoted(promoted[-1], settings)
    except CidpError as error:
        return _failed(str(error), as_json=options.json)
    except KeyboardInterrupt:
        return _failed("Interrompu : le modèle qui sert n'a pas changé.", as_json=options.json)
    if options.json:
        registry = Registry(settings.model.folder)
        manifest = promoted[0]
        _print_document(
            status="ok",
            error=None,
            bundle=str(registry.bundles_of(manifest.slot) / manifest.version),
            model_file=str(registry.latest_pickle) if manifest.slot == INSTANT else None,
            manifest=manifest,
        )
    return 0


def _say_promoted(manifest: Manifest, settings: Settings) -> None:
    latest = Registry(settings.model.folder).latest_pickle
    copied = f" ; copie pour l'analyse : {latest}" if manifest.slot == INSTANT else ""
    sys.stdout.write(f"Modèle {manifest.slot} {manifest.version} promu{copied}\n")
    sys.stdout.flush()


def train_and_promote(
    settings: Settings,
    on_line: Callable[[str], object],
    progress: str | None = None,
    slot: Slot = INSTANT,
) -> Manifest:
    """Run PM-D's trainer on the seed data and promote in `slot` the bundle that it wrote.

    `on_line` gets the trainer's own report as it comes. Raises `ChildError` or `BundleRefused`,
    and then the model that serves has not changed.
    """
    registry = Registry(settings.model.folder)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = training_arguments(settings, Path(scratch) / "model.joblib", slot)
        manifest = run_trainer(settings, arguments, progress, on_line)
    return registry.promote(manifest.version, slot)


def run_trainer(
    settings: Settings,
    arguments: Sequence[str],
    progress: str | None,
    on_line: Callable[[str], object],
) -> Manifest:
    """Run PM-D's trainer; return what the bundle that it wrote says of itself.

    Raises `ChildError` or `BundleRefused`.
    """
    summary = run_for_document(
        settings.pmd.folder / TRAINER,
        [*arguments, *(("--progress", progress) if progress else ())],
        TrainingSummary,
        settings.pmd.training_timeout_s,
        on_line,
    )
    if summary.manifest is None:
        raise BundleRefused("L'entraîneur n'a pas rendu le manifeste de son modèle.")
    return summary.manifest


def training_arguments(settings: Settings, model_file: Path, slot: Slot = INSTANT) -> list[str]:
    """Return what has the trainer put a bundle of the seed data into `slot` of the registry.

    Raises `ChildFailed` when a file of the seed data is missing.
    """
    files = {
        **seed_data(settings),
        "--slot": slot,
        "--bundles": Registry(settings.model.folder).bundles_of(slot),
        "--model-file": model_file,
    }
    return ["--json", *as_words(files)]


def as_words(options: Mapping[str, object]) -> list[str]:
    """Write options and their values as a command line has them."""
    return [str(part) for pair in options.items() for part in pair]


def seed_data(settings: Settings) -> dict[str, Path]:
    """Return the trainer's options that name the seed data; raises `ChildFailed` without them."""
    files = {"--input": settings.pmd.sensors, "--maintenance": settings.pmd.maintenance}
    for path in files.values():
        if not path.is_file():
            raise ChildFailed(f"Données d'amorçage absentes : {path}.")
    return files


def _failed(reason: str, *, as_json: bool) -> int:
    sys.stderr.write(f"{reason}\n")
    if as_json:
        _print_document(status="error", error=reason, bundle=None, model_file=None, manifest=None)
    return 1


def _print_document(**fields: Any) -> None:
    sys.stdout.write(f"{TrainingSummary(**fields).model_dump_json()}\n")


def echo(line: str) -> None:
    """Pass on what a child says of its work."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="bootstrap_local.py",
        description=(
            "Entraîne les modèles instant puis trend sur les données d'amorçage et les promeut"
            " dans models/ ; ni serveur ni courtier de messages n'est nécessaire."
        ),
    )
    parser.add_argument(
        "--slot", choices=(INSTANT, TREND), help="celui-ci seulement (défaut : les deux)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="imprime un seul document JSON, celui du premier modèle",
    )
    parser.add_argument(
        "--progress",
        choices=("json",),
        help="dit l'avancement en lignes JSON sur la sortie d'erreur",
    )
    return parser
