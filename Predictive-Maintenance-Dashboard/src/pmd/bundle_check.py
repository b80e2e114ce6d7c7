"""Whether a bundle is what its manifest says, and its two models answer alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from onnxruntime.capi import onnxruntime_pybind11_state
from pydantic import ValidationError
from sklearn.calibration import CalibratedClassifierCV

from pmd.baselines import Predictor
from pmd.calibration import forest_of
from pmd.errors import BundleRefused
from pmd.judgement import served_predictor
from pmd.manifest import Manifest
from pmd.model_bundle import TOLERANCE
from pmd.model_pickle import load_model
from pmd.probing import probing_rows
from pmd.served_model import OnnxModel

ROWS: Final = 200_000

# ONNX Runtime's errors have no base class of their own.
_ORT_ERRORS: Final[tuple[type[Exception], ...]] = (
    KeyError,  # no output named "probabilities"
    RuntimeError,
    ValueError,
    *(
        item
        for item in vars(onnxruntime_pybind11_state).values()
        if isinstance(item, type) and issubclass(item, Exception)
    ),
)


class Agreement(NamedTuple):
    """Of the ONNX and scikit-learn models on `rows` drawn rows: largest gap of probability."""

    manifest: Manifest
    rows: int
    gap: float


class Served(NamedTuple):
    """What a bundle says of itself, and its served model, whose digest is the manifest's."""

    manifest: Manifest
    model: OnnxModel


def read_served(folder: Path) -> Served:
    """Read the manifest and the ONNX model of a bundle; nothing is unpickled.

    Raises `BundleRefused`.
    """
    manifest = _manifest(folder)
    served = _served(folder, _content(folder, manifest, "model.onnx"), len(manifest.features))
    _refuse_other_canaries(folder, manifest, served)
    return Served(manifest, served)


def rival(served: Served, features: Sequence[str]) -> Predictor:
    """A bundle as a predictor of rows of `features`, alarming at its own threshold.

    Raises `BundleRefused` when it needs others than these.
    """
    names = [feature.name for feature in served.manifest.features]
    absent = sorted(set(names) - set(features))
    if absent:
        raise BundleRefused(
            f"Lot {served.manifest.version} : {absent} manquent à cette table, il ne peut pas être "
            "jugé sur elle."
        )
    places = [list(features).index(name) for name in names]
    predict = served_predictor(served.model, served.manifest.threshold)
    return lambda values: predict(values[:, places])


def check_bundle(folder: Path, rows: int = ROWS, seed: int = 0) -> Agreement:
    """Check digests, features, classes and pickle, then compare both models on drawn rows.

    Half of the drawn numbers lie on a threshold of the trees, or beside one. Raises `BundleRefused`
    with what is wrong.
    """
    manifest, served = read_served(folder)
    names = [feature.name for feature in manifest.features]
    model = load_model(_content(folder, manifest, "model.pkl"))
    _refuse_other_shape(folder, model, names)
    bounds = [(feature.minimum, feature.maximum) for feature in manifest.features]
    ranges = np.array(bounds, dtype=np.float32).T
    drawn = probing_rows(forest_of(model), ranges, rows, np.random.default_rng(seed))
    expected, answered = model.predict_proba(drawn)[:, 1], served.probabilities(drawn)
    gap = float(np.abs(expected - answered).max())
    flipped = int(((expected > manifest.threshold) != (answered > manifest.threshold)).sum())
    if gap > TOLERANCE or flipped:
        raise _refused(
            folder, f"ONNX et scikit-learn s'écartent de {gap:.1e}, {flipped} décisions changent"
        )
    return Agreement(manifest, rows, gap)


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    except OSError as error:
        raise _refused(folder, f"manifest.json illisible ({error.strerror})") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "JSON"
        raise _refused(folder, f"manifest.json non conforme : {where}") from error
    if manifest.version != folder.resolve().name:
        told = f"le manifeste est celui de la version {manifest.version}, nom de son dossier"
        raise _refused(folder, told)
    return manifest


def _content(folder: Path, manifest: Manifest, name: str) -> bytes:
    told = manifest.files.get(name)
    if told is None:
        raise _refused(folder, f"{name} absent du manifeste")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise _refused(folder, f"{name} illisible ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != told.sha256:
        raise _refused(folder, f"{name} ne correspond pas à l'empreinte du manifeste")
    return content


def _served(folder: Path, onnx: bytes, wanted: int) -> OnnxModel:
    try:
        served = OnnxModel(onnx)
        features, classes = served.shape
    except _ORT_ERRORS as error:
        raise _refused(folder, "model.onnx n'est pas un modèle ONNX utilisable") from error
    if (features, classes) != (wanted, 2):
        raise _refused(
            folder,
            f"model.onnx a {features} variables et {classes} classes ; attendu {wanted} et 2",
        )
    return served


def _refuse_other_shape(folder: Path, model: CalibratedClassifierCV, names: list[str]) -> None:
    classes = np.asarray(model.classes_).tolist()
    if model.n_features_in_ != len(names) or classes != [0, 1]:
        raise _refused(
            folder,
            f"model.pkl a {model.n_features_in_} variables et les classes {classes} ; attendu "
            f"{names} et [0, 1]",
        )


def _refuse_other_canaries(folder: Path, manifest: Manifest, served: OnnxModel) -> None:
    if any(len(canary.values) != len(manifest.features) for canary in manifest.canaries):
        raise _refused(folder, "une ligne témoin n'a pas toutes les variables")
    rows = np.array([canary.values for canary in manifest.canaries], dtype=np.float32)
    expected = np.array([canary.probability for canary in manifest.canaries])
    gap = float(np.abs(served.probabilities(rows) - expected).max())
    if not gap <= TOLERANCE:
        raise _refused(folder, f"les lignes témoins s'écartent de {gap:.1e} du manifeste")


def _refused(folder: Path, reason: str) -> BundleRefused:
    return BundleRefused(f"Lot {folder.name} refusé : {reason}.")
