"""Models trained on what the event store recorded, promoted where they beat those that serve."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from loguru import logger

from cidp.assembly import open_store
from cidp.auth import utc_now
from cidp.bootstrap import as_words, echo, run_trainer, seed_data
from cidp.cli import FrenchParser, positive
from cidp.errors import (
    CidpError,
    NoModel,
    NothingToLearn,
    SettingsError,
    StoreUnavailable,
)
from cidp.event_batch import Series
from cidp.french import NBSP, counted, number
from cidp.logs import configure_logs
from cidp.model_bundle import Manifest, Slot
from cidp.orchestration import (
    LessonSource,
    ProcessingSummary,
    RetrainingSummary,
    TrainedModel,
    as_part,
    run_for_document,
)
from cidp.promotion import Verdict, verdict
from cidp.registry import INSTANT, TREND, Registry
from cidp.settings import Settings, launch_environment
from cidp.stop_signals import interrupt_on_stop
from cidp.training_export import Exported, export_readings

PROCESSING = "src/data_processing.py"
FEWEST_LOCOS = 3
"""Some learn, others judge: see the trainer's split."""
MOST_DAYS = 36_500
MOST_STEP_MINUTES = 525_600


class Lesson(NamedTuple):
    """What a training learns from: the trainer's options that name it, and where it came from."""

    source: LessonSource
    files: dict[str, Path]
    fell_back: bool = False


class Trained(NamedTuple):
    """A new model in the registry, and the version that served in its slot when it was begun."""

    slot: Slot
    manifest: Manifest
    served: str | None


def main(argv: Sequence[str] | None = None, now: Callable[[], datetime] = utc_now) -> int:
    """Train, and promote what is better; return the exit code."""
    chosen = _parser().parse_args(argv)
    interrupt_on_stop()
    try:
        settings = Settings.from_environ(launch_environment(os.environ))
        configure_logs(settings.logs.folder, "train")
        summary = run(settings, chosen, now())
    except CidpError as error:
        return _failed(str(error), as_json=chosen.json)
    except KeyboardInterrupt:
        return _failed("Interrompu : les modèles qui servent restent.", as_json=chosen.json)
    if chosen.json:
        sys.stdout.write(f"{summary.model_dump_json()}\n")
    return 0


def run(settings: Settings, chosen: argparse.Namespace, now: datetime) -> RetrainingSummary:
    """Do what was chosen with the readings until `now`.

    Raises `CidpError`. No model is promoted before all are trained and judged: whatever fails or
    is interrupted until then leaves those that serve.
    """
    registry = Registry(settings.model.folder)
    slots: tuple[Slot, ...] = (chosen.slot,) if chosen.slot else (INSTANT, TREND)
    with tempfile.TemporaryDirectory() as text:
        scratch = Path(text)
        lesson = _lesson(settings, chosen, scratch, now)
        trained = [
            _train(settings, chosen, lesson, slot, scratch, as_part(echo, number, len(slots)))
            for number, slot in enumerate(slots, 1)
        ]
    models = tuple(_judged(registry, lesson, one) for one in trained)
    for model in models:
        if model.promoted:
            registry.promote(model.version, model.slot)
        _say(model)
    return RetrainingSummary(
        status="ok", error=None, source=lesson.source, fell_back=lesson.fell_back, models=models
    )


def _lesson(settings: Settings, chosen: argparse.Namespace, scratch: Path, now: datetime) -> Lesson:
    if chosen.source == "bootstrap":
        return Lesson("bootstrap", dict(seed_data(settings)))
    _refuse_other_kind(settings, chosen.source)
    orders = _work_orders(settings, chosen)
    try:
        raw, told = _export(settings, chosen, scratch, now)
    except StoreUnavailable as error:
        logger.warning("{} Repli : entraînement sur les données d'amorçage.", error)
        return Lesson("bootstrap", dict(seed_data(settings)), fell_back=True)
    labelled = _label(settings, raw, orders, told)
    return Lesson(settings.store.address.kind, {"--input": labelled})


def _refuse_other_kind(settings: Settings, wanted: str) -> None:
    address = settings.store.address
    if wanted in ("postgresql", "sqlite") and wanted != address.kind:
        raise SettingsError(
            f"--from {wanted} : CAMRAIL_EVENT_STORE désigne {address}, une base {address.kind}."
            f" Donnez-lui l'adresse de la base, ou demandez --from {address.kind}."
        )


def _work_orders(settings: Settings, chosen: argparse.Namespace) -> Path:
    path: Path | None = chosen.maintenance or settings.pmd.work_orders
    if path is None:
        raise NothingToLearn(
            "Sans ordres de travail, nul ne sait quelles locomotives sont tombées en panne :"
            " donnez --maintenance FICHIER (ou CAMRAIL_WORK_ORDERS), un CSV aux colonnes loco_id,"
            " opened_at, closed_at, failure_type, status."
        )
    if not path.is_file():
        raise NothingToLearn(f"Ordres de travail absents : {path}.")
    return path


def _export(
    settings: Settings, chosen: argparse.Namespace, scratch: Path, now: datetime
) -> tuple[Path, str]:
    """Export the readings of the event store; return the file, and what is in it, in French."""
    store = open_store(settings)
    kept = settings.telemetry.retention
    window = min(kept, timedelta(days=chosen.days)) if chosen.days else kept
    step = timedelta(minutes=chosen.step_minutes)
    raw = scratch / "lectures.csv"
    try:
        exported = export_readings(store, raw, chosen.series, now - window, now, step)
    except OSError as error:
        raise NothingToLearn(
            f"L'export ne peut pas être écrit dans {scratch} ({error.strerror}) : libérez de la"
            " place, ou changez TMPDIR."
        ) from error
    finally:
        store.close()
    told = _told(exported)
    logger.info("{}, prises dans {}", told, settings.store.address)
    if exported.locos < FEWEST_LOCOS:
        raise NothingToLearn(
            f"{told} : il faut {FEWEST_LOCOS} locomotives au moins, pour juger le modèle sur"
            " d'autres que celles dont il apprend."
        )
    return raw, told


def _label(settings: Settings, raw: Path, orders: Path, told: str) -> Path:
    """Have PM-D label the readings of `raw` by the work orders; return its file, beside `raw`."""
    labelled = raw.with_name(f"lectures_{settings.store.address.kind}.parquet")
    files = {
        "--input": raw,
        "--maintenance": orders,
        "--output": labelled,
        "--rejects": raw.with_name("rejets.csv"),
    }
    account = run_for_document(
        settings.pmd.folder / PROCESSING,
        ["--json", *as_words(files)],
        ProcessingSummary,
        settings.pmd.training_timeout_s,
        echo,
    )
    if not account.positives:
        raise NothingToLearn(
            f"Aucune panne de {orders.name} n'a de lectures dans les 24 h d'avant"
            f" ({counted(account.failures, 'panne')} des locomotives de la base dans ce fichier) :"
            f" {told}, dont rien ne s'apprend. Donnez des ordres de travail de cette période, ou"
            " attendez une panne."
        )
    return labelled


def _told(exported: Exported) -> str:
    return (
        f"{counted(exported.readings, 'lecture')} de {counted(exported.locos, 'locomotive')} du"
        f" {exported.first:%d/%m/%Y %H:%M} au {exported.last:%d/%m/%Y %H:%M} UTC"
    )


def _train(
    settings: Settings,
    chosen: argparse.Namespace,
    lesson: Lesson,
    slot: Slot,
    scratch: Path,
    on_line: Callable[[str], object],
) -> Trained:
    """Train one model beside the one that serves."""
    registry = Registry(settings.model.folder)
    served = _served(registry, slot)
    bundles = registry.bundles_of(slot)
    files = lesson.files | {"--bundles": bundles, "--model-file": scratch / "model.joblib"}
    if served:
        files["--against"] = bundles / served
    settled = {"--slot": slot, "--trials": chosen.trials, "--seed": chosen.seed}
    arguments = ["--json", *as_words(files | settled)]
    manifest = run_trainer(settings, arguments, chosen.progress, on_line)
    return Trained(slot, manifest, served)


def _judged(registry: Registry, lesson: Lesson, trained: Trained) -> TrainedModel:
    """Say whether a new model is to serve, and why; raises `BundleRefused`."""
    slot, manifest, served = trained
    found = verdict(manifest, served)
    if lesson.fell_back and served:
        found = Verdict(False, "entraîné sur l'amorçage faute de base : le modèle servi reste")
    elif found.promoted and _served(registry, slot) != served:
        found = Verdict(False, "un autre modèle a été promu pendant l'entraînement")
    return TrainedModel(slot=slot, version=manifest.version, promoted=found.promoted, why=found.why)


def _served(registry: Registry, slot: Slot) -> str | None:
    """Return the promoted version of a slot, which can serve; raises `BundleRefused`."""
    try:
        version = registry.promoted_version(slot)
    except NoModel:
        return None
    registry.manifest(version, slot)
    return version


def _say(model: TrainedModel) -> None:
    done = "promu" if model.promoted else "gardé au registre, non promu"
    logger.info("Modèle {} {} {} ; {}", model.slot, model.version, done, model.why)


def _failed(reason: str, *, as_json: bool) -> int:
    sys.stderr.write(f"{reason}\n")
    if as_json:
        summary = RetrainingSummary(status="error", error=reason)
        sys.stdout.write(f"{summary.model_dump_json()}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="train",
        description=(
            "Entraîne les modèles instant puis trend sur les lectures que la base d'événements a"
            " gardées, et promeut chacun s'il est meilleur que celui qui sert, jugé sur les mêmes"
            " lectures tenues à l'écart."
        ),
    )
    add = parser.add_argument
    add("--from", dest="source", choices=("store", "postgresql", "sqlite", "bootstrap"),
        default="store", help="d'où apprendre : la base d'événements réglée, quelle qu'elle soit"
        " (store, défaut) ou de cette sorte seulement ; ou les données d'amorçage")  # fmt: skip
    add("--maintenance", type=Path, metavar="FICHIER",
        help="ordres de travail, CSV (défaut : CAMRAIL_WORK_ORDERS)")  # fmt: skip
    add("--days", type=_days, metavar="N",
        help="jours à prendre avant maintenant (défaut : tous ceux que la base garde)")  # fmt: skip
    add("--step-minutes", type=_minutes, default=60.0, metavar="N",
        help="une lecture par locomotive et par pas (défaut : 60) ; 0 : toutes")  # fmt: skip
    series: tuple[Series, ...] = ("real", "simulated")
    add("--series", choices=series, default="real",
        help="lectures réelles (défaut) ou du simulateur")  # fmt: skip
    add("--slot", choices=(INSTANT, TREND), help="ce modèle seulement (défaut : les deux)")
    add("--trials", type=int, default=1, metavar="N", help="réglages à essayer (défaut : 1)")
    add("--seed", type=int, default=42, metavar="N", help="graine (défaut : 42)")
    add("--json", action="store_true", help="imprime un seul document JSON")
    add("--progress", choices=("json",),
        help="dit l'avancement en lignes JSON sur la sortie d'erreur")  # fmt: skip
    return parser


def _days(text: str) -> float:
    return _at_most(MOST_DAYS, positive(text))


def _minutes(text: str) -> float:
    return 0.0 if text == "0" else _at_most(MOST_STEP_MINUTES, positive(text))


def _at_most(most: int, value: float) -> float:
    if value > most:
        raise argparse.ArgumentTypeError(
            f"{number(most)} au plus est attendu, reçu {value:g}".replace(NBSP, " ")
        )
    return value


if __name__ == "__main__":
    sys.exit(main())
