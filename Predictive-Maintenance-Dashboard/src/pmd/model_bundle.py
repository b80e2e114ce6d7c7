"""The versioned bundle of a trained model: ONNX twin checked against it, pickle, manifest."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import joblib
import numpy as np
from numpy.typing import NDArray

from pmd.drift_reference import distribution
from pmd.errors import InexactExport, UnusableFile
from pmd.features import BASELINE_FROM_HOURS, BASELINE_TO_HOURS, BY_FEATURE, DECIMALS
from pmd.manifest import (
    BundleFile,
    Canary,
    Distribution,
    FeatureRecipe,
    HeldOut,
    Interval,
    Manifest,
    ManifestFeature,
    TrainingData,
    TrainingWindow,
)
from pmd.replication import Replicas
from pmd.sensors import SENSOR_NAMES
from pmd.telemetry_file import write_atomically
from pmd.training import Trained

TOLERANCE = 1e-6
BACKGROUND_ROWS = 50
LIBRARIES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")
OPERATING_POINTS = (
    (500.0, 5.0, 2.0, 45.0),
    (500.0, 5.0, 7.0, 85.0),
    (500.0, 5.0, 9.0, 95.0),
    (500.0, 5.0, 15.0, 120.0),
    (300.0, 2.5, 2.0, 45.0),
    (320.0, 8.5, 2.0, 45.0),
)
"""The operating scenario, a leak and a clogged filter, as canaries of the four readings."""

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk."""

    folder: Path
    manifest: Manifest


def check_export(trained: Trained) -> None:
    """Raise `InexactExport` unless the served model answers and decides as its source does."""
    expected = trained.model.predict_proba(trained.probes)[:, 1]
    answered = trained.served.probabilities(trained.probes)
    gap = float(np.abs(expected - answered).max())
    flipped = int(((expected > trained.threshold) != (answered > trained.threshold)).sum())
    if gap > TOLERANCE or flipped:
        raise InexactExport(
            f"export ONNX inexact : écart {gap:.1e} (toléré {TOLERANCE:.0e}), {flipped} décisions "
            f"différentes sur {len(expected)} lignes. Rien n'est écrit ; "
            "donnez moins de --trees ou changez --seed."
        )


def write_bundle(
    trained: Trained,
    bundles: Path,
    model_file: Path,
    now: datetime,
    replicas: Replicas | None = None,
    about: Callable[[Manifest], Mapping[Path, bytes]] = lambda _: {},
) -> Bundle:
    """Write the bundle folder under `bundles`, the pickle to `model_file`, and the files `about`.

    All of them, or none; `about` makes, of the manifest, files that tell of the model. Raises
    `InexactExport`, or `UnusableFile` when a place cannot be written.
    """
    check_export(trained)
    onnx = trained.served.content
    buffer = io.BytesIO()
    joblib.dump(trained.model, buffer, compress=3)
    files = {"model.onnx": onnx, "model.pkl": buffer.getvalue()}
    created = _free_instant(bundles, onnx, now.astimezone(UTC).replace(microsecond=0))
    manifest = _manifest(trained, files, created, replicas or Replicas((trained.seed,), {}))
    files["manifest.json"] = (manifest.model_dump_json(indent=2) + "\n").encode()
    folder = bundles / manifest.version
    single = {model_file: files["model.pkl"], **about(manifest)}
    _write_folder(folder, files)
    try:
        write_atomically({path: partial(_write, content) for path, content in single.items()})
    except UnusableFile:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Bundle(folder, manifest)


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _version(onnx: bytes, created: datetime) -> str:
    return f"{created:%Y%m%dT%H%M%SZ}-{hashlib.sha256(onnx).hexdigest()[:8]}"


def _free_instant(bundles: Path, onnx: bytes, created: datetime) -> datetime:
    """The first second from `created` on whose version is not taken."""
    while (bundles / _version(onnx, created)).exists():
        created += timedelta(seconds=1)
    return created


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".bundle-"))
        try:
            beside.chmod(0o755)
            for name, content in files.items():
                _write_flushed(beside / name, content)
            beside.replace(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise UnusableFile(
            f"{folder} : écriture impossible ({error.strerror}). Choisissez un autre dossier avec "
            "--bundles."
        ) from error


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _manifest(
    trained: Trained,
    files: Mapping[str, bytes],
    created: datetime,
    replicas: Replicas,
) -> Manifest:
    columns, judgement = trained.table.columns, trained.judgement
    return Manifest(
        schema_version=1,
        slot=columns.slot,
        version=_version(files["model.onnx"], created),
        created_at=created,
        target=columns.target,
        horizon_hours=trained.table.horizon_hours,
        features=_features(trained),
        threshold=trained.threshold,
        cost_miss=trained.costs.miss,
        cost_false_alarm=trained.costs.false_alarm,
        metrics=judgement.metrics,
        out_of_fold=trained.out_of_fold,
        per_group=judgement.per_group,
        per_failure_type=judgement.per_failure_type,
        importance=judgement.importance,
        held_out=_held_out(trained),
        training_window=_window(trained),
        data=_data(trained),
        left_out=trained.table.left_out,
        files=_files(files),
        libraries={name: version(name) for name in LIBRARIES},
        seed=trained.seed,
        seeds=list(replicas.seeds),
        intervals=_intervals(replicas),
        trials=trained.trials,
        parameters=trained.settings._asdict(),
        risk_reference=_reference(trained.risks),
        canaries=_canaries(trained),
        background=_background(trained).tolist(),
    )


def _held_out(trained: Trained) -> HeldOut:
    split = trained.split
    positives = int(trained.table.labels[split.test].sum())
    return HeldOut(
        rows=len(split.test), positives=positives, groups=split.groups, split=split.description
    )


def _data(trained: Trained) -> list[TrainingData]:
    return [
        TrainingData(name=source.path.name, sha256=source.sha256, rows=source.rows)
        for source in trained.table.sources
    ]


def _files(contents: Mapping[str, bytes]) -> dict[str, BundleFile]:
    return {
        name: BundleFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for name, content in contents.items()
    }


def _intervals(replicas: Replicas) -> dict[str, dict[str, Interval]]:
    return {
        predictor: {name: Interval(**found._asdict()) for name, found in ranges.items()}
        for predictor, ranges in replicas.ranges.items()
    }


def _features(trained: Trained) -> list[ManifestFeature]:
    columns = trained.table.columns
    values = trained.table.values[trained.split.train].astype(np.float64)
    return [
        ManifestFeature(
            name=name,
            unit=unit,
            monotone=sign,
            minimum=column.min(),
            maximum=column.max(),
            reference=_reference(column),
            recipe=_recipe(name) if columns.slot == "trend" else None,
        )
        for name, unit, sign, column in zip(
            columns.features, columns.units(), columns.monotone, values.T, strict=True
        )
    ]


def _recipe(name: str) -> FeatureRecipe | None:
    """How to compute a feature in a stream; None for a reading, taken as it is."""
    recipe = BY_FEATURE.get(name)
    if recipe is None:
        return None
    against = recipe.statistic == "deviation"
    return FeatureRecipe(
        **recipe._asdict(),
        baseline_from_hours=BASELINE_FROM_HOURS if against else None,
        baseline_to_hours=BASELINE_TO_HOURS if against else None,
        decimals=DECIMALS,
    )


def _reference(column: NDArray[np.float64]) -> Distribution:
    return Distribution(**distribution(column)._asdict())


def _window(trained: Trained) -> TrainingWindow | None:
    if trained.table.times is None:
        return None
    times = trained.table.times.iloc[trained.split.train]
    return TrainingWindow(start=times.min().to_pydatetime(), end=times.max().to_pydatetime())


def _background(trained: Trained) -> Rows:
    """Training rows drawn with the share of positives of the training part, in order of rows."""
    rows = trained.split.train
    labels = trained.table.labels[rows]
    rng = np.random.default_rng(trained.seed)
    count = min(BACKGROUND_ROWS, len(rows))
    positives = max(1, round(count * float(labels.mean())))
    chosen = [
        rng.choice(rows[labels == label], min(wanted, int((labels == label).sum())), replace=False)
        for label, wanted in ((1, positives), (0, count - positives))
    ]
    return np.asarray(trained.table.values[np.sort(np.concatenate(chosen))])


def _canaries(trained: Trained) -> list[Canary]:
    """Rows whose answers prove a loaded model: operating points, then training rows by risk."""
    values = trained.table.values[trained.split.train]
    ranked = values[np.argsort(trained.risks, kind="stable")]
    rows = ranked[np.linspace(0, len(ranked) - 1, 10).astype(int)]
    if trained.table.columns.features == SENSOR_NAMES:
        rows = np.concatenate([np.array(OPERATING_POINTS, dtype=np.float32), rows])
    answers = trained.served.probabilities(rows)
    return [
        Canary(values=row.tolist(), probability=float(answer))
        for row, answer in zip(rows, answers, strict=True)
    ]
