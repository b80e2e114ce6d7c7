"""Command `model_training.py`: from a table to a model file and a bundle."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from pmd.cli import console
from pmd.cli.config_file import arguments_of
from pmd.cli.progress import steps
from pmd.errors import InvalidOption
from pmd.french import number
from pmd.manifest import Manifest, TrainingSummary
from pmd.sensors import BY_NAME, Sensor
from pmd.settings import Settings

if TYPE_CHECKING:
    from pmd.baselines import Predictor
    from pmd.features import Recipe
    from pmd.model_bundle import Bundle
    from pmd.training import Progress, Trained
    from pmd.training_table import Columns, TrainingTable

CONFIGURABLE = (
    "input", "maintenance", "slot", "features", "post-hoc", "target", "group", "time", "monotone",
    "horizon-hours", "cost-miss", "cost-false-alarm", "trials", "trees", "seed", "seeds", "bundles",
    "model-file", "model-card", "against",
)  # fmt: skip
TRAINING_ONLY = tuple(f"--{name}" for name in (*CONFIGURABLE, "config", "progress"))
DEFAULT_COST_MISS = 10.0
DEFAULT_COST_FALSE_ALARM = 1.0
DEFAULT_HORIZON_HOURS = 24.0
DEFAULT_TREES = 100  # `pmd.forests.TREES`, which is slow to load
INSTANT, TREND = "instant", "trend"
_SIGNS = {"+": 1, "-": -1, "0": 0}


def main(arguments: list[str] | None = None) -> int:
    """Train as `arguments` (default: the command line) say; return the exit code."""
    settings = Settings.from_environ(os.environ)
    return console.run(
        _parser(settings),
        arguments,
        settings.logs_dir,
        lambda options: _verify(options) if options.verify else _train(options, settings),
    )


def _failure(message: str) -> str:
    return TrainingSummary(
        status="error", error=message, bundle=None, model_file=None, manifest=None
    ).model_dump_json()


def _parser(settings: Settings) -> console.Parser:
    parser = console.Parser(
        "Entraîne la forêt aléatoire de risque, l'étalonne, la juge et écrit son lot.",
        _failure,
        never_with={"--verify": TRAINING_ONLY},
    )
    add = parser.add_argument
    add("--input", type=Path,
        help="table CSV ou Parquet (défaut : data/processed_telemetry.csv)")  # fmt: skip
    add("--maintenance", type=Path, help="ordres de travail CSV, pour une télémétrie brute")
    add("--slot", type=_slot, default=INSTANT,
        help="instant, d'une mesure seule (défaut), ou trend, avec son passé")  # fmt: skip
    add("--features", help="variables, séparées par des virgules (défaut : les quatre mesures, "
        "et avec trend leurs variables causales)")  # fmt: skip
    add("--post-hoc", help="colonnes connues seulement après coup, refusées comme variables")
    add("--target", help="colonne cible, 0 ou 1 (défaut : failure)")
    add("--group", help="colonne des groupes à ne pas partager (locomotive)")
    add("--time", help="colonne des horodatages")
    add("--monotone", help="sens du risque, par exemple vibration=+,flow_rate=-")
    add("--horizon-hours", type=console.between(0.01, 8760),
        help="délai de panne de l'étiquette, pour une télémétrie brute (défaut : 24)")  # fmt: skip
    add("--cost-miss", type=console.positive, default=DEFAULT_COST_MISS,
        help="coût d'une lecture de panne manquée (défaut : 10)")  # fmt: skip
    add("--cost-false-alarm", type=console.positive, default=DEFAULT_COST_FALSE_ALARM,
        help="coût d'une lecture en fausse alerte (défaut : 1)")  # fmt: skip
    add("--trials", type=console.whole(1, 1000), default=1,
        help="réglages de la forêt à essayer (défaut : 1, ceux par défaut)")  # fmt: skip
    add("--trees", type=console.whole(10, DEFAULT_TREES), default=DEFAULT_TREES,
        help="arbres de la forêt, moins si l'export ONNX est inexact (défaut : 100)")  # fmt: skip
    add("--seed", type=console.whole(0), default=42, help="graine des tirages (défaut : 42)")
    add("--seeds", type=console.whole(1, 100), default=1,
        help="graines qui se suivent, pour les intervalles (défaut : 1)")  # fmt: skip
    add("--bundles", type=Path, default=settings.bundles, help="dossier des lots versionnés")
    add("--model-file", type=Path,
        help="fichier joblib du modèle (défaut : models/rf_failure_predict.joblib, ou "
        "rf_failure_trend.joblib)")  # fmt: skip
    add("--model-card", type=Path,
        help="fiche Markdown à écrire ; ses images PNG : dossier de même nom")  # fmt: skip
    add("--against", type=Path,
        help="lot à juger aussi, à son propre seuil, sur les mêmes lignes jamais vues")  # fmt: skip
    add("--verify", type=Path,
        help="relit ce lot au lieu d'entraîner : empreintes, pickle, ONNX")  # fmt: skip
    parser.take_config(lambda path: arguments_of(path, CONFIGURABLE))
    add("--json", action="store_true", help="imprime un seul document JSON")
    add("--progress", choices=("bar", "json"), default="bar",
        help="avancement : une barre dans un terminal (défaut), ou une ligne JSON par étape sur la"
             " sortie d'erreur")  # fmt: skip
    return parser


def _slot(text: str) -> str:
    if text not in (INSTANT, TREND):
        raise argparse.ArgumentTypeError(f"« {text} » : {INSTANT} ou {TREND} attendu")
    return text


def _train(options: argparse.Namespace, settings: Settings) -> None:
    from pmd.training import STEPS

    if not options.model_file:
        trend = options.slot == TREND
        options.model_file = settings.trend_model_file if trend else settings.model_file

    with steps(2 + options.seeds * (options.trials + STEPS), options.progress) as progress:
        progress("lecture")
        table = _table(options, settings)
        _refuse_other_horizon(options.horizon_hours, table.horizon_hours)
        for reason, rows in table.left_out.items():
            if rows:
                logger.warning("{} lignes laissées de côté : {}", number(rows), reason)
        trained, bundle = _trained(table, options, progress)
    _tell(trained, bundle, options)


def _trained(
    table: TrainingTable, options: argparse.Namespace, progress: Progress
) -> tuple[Trained, Bundle]:
    """Train with each seed; the model of the first, and its bundle, written."""
    from pmd.evaluation import Costs
    from pmd.model_bundle import write_bundle
    from pmd.replication import replicate
    from pmd.training import train

    costs = Costs(options.cost_miss, options.cost_false_alarm)
    rivals = _rivals(options.against, table) if options.against else {}
    trained, replicas = replicate(
        lambda seed: train(table, costs, seed, progress, options.trials, rivals, options.trees),
        range(options.seed, options.seed + options.seeds),
    )
    progress("export")

    def about(manifest: Manifest) -> dict[Path, bytes]:
        card = options.model_card
        return _card_files(card, trained, manifest) if card else {}

    now = datetime.now(UTC)
    return trained, write_bundle(trained, options.bundles, options.model_file, now, replicas, about)


def _tell(trained: Trained, bundle: Bundle, options: argparse.Namespace) -> None:
    """Say where everything is, and report: on standard output, or else the document there."""
    from pmd.report import training_report

    logger.info("modèle écrit dans {}, lot {}", options.model_file, bundle.folder)
    if options.model_card:
        logger.info("fiche du modèle écrite dans {}", options.model_card)
    report = training_report(trained, bundle.manifest)
    if not options.json:
        return console.write_product(report)
    sys.stderr.write(report + "\n")
    summary = TrainingSummary(
        status="ok",
        error=None,
        bundle=str(bundle.folder.resolve()),
        model_file=str(options.model_file.resolve()),
        manifest=bundle.manifest,
    )
    console.write_product(summary.model_dump_json())


def _rivals(folder: Path, table: TrainingTable) -> dict[str, Predictor]:
    """The bundle in `folder`, by its version, as a predictor of this table's rows."""
    from pmd.bundle_check import read_served, rival

    served = read_served(folder)
    return {served.manifest.version: rival(served, table.columns.features)}


def _verify(options: argparse.Namespace) -> None:
    from pmd.bundle_check import check_bundle

    found = check_bundle(options.verify)
    logger.info(
        "lot {} conforme : empreintes, variables, classes et pickle ; ONNX et scikit-learn à "
        "{:.1e} près et mêmes décisions sur {} lignes",
        found.manifest.version,
        found.gap,
        number(found.rows),
    )
    if options.json:
        summary = TrainingSummary(
            status="ok",
            error=None,
            bundle=str(options.verify.resolve()),
            model_file=None,
            manifest=found.manifest,
        )
        console.write_product(summary.model_dump_json())


def _card_files(path: Path, trained: Trained, manifest: Manifest) -> dict[Path, bytes]:
    """The card, and its pictures in the folder beside it that bears its name."""
    from pmd.model_card import model_card
    from pmd.plots import TITLES, pictures

    folder = path.with_suffix("")
    images = pictures(trained.judgement, trained.table.horizon_hours)
    shown = {TITLES[name]: f"{folder.name}/{name}" for name in images}
    card = {path: model_card(manifest, shown).encode()}
    return card | {folder / name: content for name, content in images.items()}


def _table(options: argparse.Namespace, settings: Settings) -> TrainingTable:
    from pmd.training_table import any_table, telemetry_table

    path = options.input or settings.processed_telemetry
    columns = _columns(options)
    inputs = [name for name in (path, options.maintenance, options.config) if name]
    outputs = (
        [options.model_file, options.model_card] if options.model_card else [options.model_file]
    )
    console.refuse_shared_paths(inputs, outputs)
    if (options.features, options.target, options.group, options.time) == (None,) * 4:
        horizon = options.horizon_hours or DEFAULT_HORIZON_HOURS
        return telemetry_table(path, options.maintenance, horizon, columns, datetime.now(UTC))
    if options.maintenance:
        raise InvalidOption(
            "--maintenance ne va pas avec --features, --target, --group ni --time : "
            "ces options décrivent une table déjà étiquetée."
        )
    return any_table(path, columns)


def _refuse_other_horizon(asked: float | None, found: float | None) -> None:
    if asked is not None and asked != found:
        raise InvalidOption(
            f"--horizon-hours {asked:g} : la table est déjà étiquetée"
            + (f" à {found:g} h" if found else "")
            + ". Retirez l'option, ou relancez data_processing.py avec ce délai."
        )


def _columns(options: argparse.Namespace) -> Columns:
    from pmd.features import BY_FEATURE
    from pmd.training_table import Columns

    known: dict[str, Sensor | Recipe] = dict(BY_NAME)
    if options.slot == TREND:
        known.update(BY_FEATURE)
    features = tuple(known)
    if options.features is not None:
        features = _names("--features", options.features)
        _refuse_unknown_features(options.slot, features, known)
    signs = {name: known[name].monotone for name in features if name in known}
    if options.monotone is not None:
        signs = _signs(options.monotone)
    post_hoc = _names("--post-hoc", options.post_hoc) if options.post_hoc is not None else ()
    unknown = sorted(set(signs) - set(features))
    if unknown:
        raise InvalidOption(f"--monotone nomme {unknown}, absents des variables {list(features)}.")
    return Columns(
        features=features,
        target=options.target or "failure",
        group=options.group,
        time=options.time,
        monotone=tuple(signs.get(name, 0) for name in features),
        post_hoc=post_hoc,
        slot=options.slot,
    )


def _refuse_unknown_features(slot: str, features: tuple[str, ...], known: Collection[str]) -> None:
    """A stream must be able to compute each feature of the trend model."""
    strange = [name for name in features if name not in known]
    if slot == TREND and strange:
        raise InvalidOption(
            f"--slot {TREND} : {strange} ne sont ni des mesures ni leurs variables causales ; "
            f"possibles : {sorted(known)}."
        )


def _names(option: str, text: str) -> tuple[str, ...]:
    names = tuple(_fields(text))
    if not names or not all(names) or len(set(names)) < len(names):
        raise InvalidOption(f"{option} « {text} » : noms distincts et non vides attendus.")
    return names


def _fields(text: str) -> list[str]:
    """Parts between commas; a part with a comma stands in double quotes, as in a CSV."""
    return [part.strip() for row in csv.reader([text], skipinitialspace=True) for part in row]


def _signs(text: str) -> dict[str, int]:
    signs = {}
    for part in _fields(text):
        name, _, sign = part.rpartition("=")
        if sign.strip() not in _SIGNS or not name.strip():
            raise InvalidOption(f"--monotone « {part} » : attendu nom=+, nom=- ou nom=0.")
        signs[name.strip()] = _SIGNS[sign.strip()]
    return signs
