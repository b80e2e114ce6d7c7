"""Model bundles: `model.onnx`, `model.pkl` and the `manifest.json` that vouches for them.

A bundle is untrusted input. Nothing is ever unpickled here: only the ONNX file is loaded, after
its digest has been compared with the manifest's.
"""

import hashlib
import math
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state

from cidp.errors import BundleRefused
from cidp.explanation import Explainer
from cidp.pydantic_compat import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from cidp.scoring import Model, Scorer, TrainedRange
from cidp.telemetry import READINGS

MANIFEST_FILE = "manifest.json"
ONNX_FILE = "model.onnx"
PICKLE_FILE = "model.pkl"
CANARY_TOLERANCE = 1e-6
VERSION_PATTERN = r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$"

# ONNX Runtime's errors have no base class of their own.
_ORT_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(
        item
        for item in vars(onnxruntime_pybind11_state).values()
        if isinstance(item, type) and issubclass(item, Exception)
    ),
)

Slot = Literal["instant", "trend"]
Version = Annotated[str, Field(pattern=VERSION_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Cost = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1)]
Figures = dict[str, float | None]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BundleFile(_Part):
    """Digest and size of one file of the bundle."""

    sha256: Sha256
    bytes: Count


class Canary(_Part):
    """A reading, in the order of the features, and what the ONNX model must answer to it."""

    values: list[float]
    probability: Share


class Distribution(_Part):
    """Shares of the training rows up to each of the rising `edges`, and above the last one."""

    edges: list[float]
    shares: Annotated[list[Share], Field(min_length=1)]


class HeldOut(_Part):
    """The rows that training did not see and on which the metrics were measured."""

    rows: Count
    positives: Count
    groups: Count | None
    split: Name


class Interval(_Part):
    """Mean of a figure over the seeds of a training, and its 95 % interval."""

    mean: float
    low: float
    high: float


class FeatureRecipe(_Part):
    """How a feature is computed from past readings; the contract defines each statistic."""

    reading: Name
    statistic: Literal["mean", "slope", "deviation"]
    window_hours: Cost
    baseline_from_hours: Cost | None
    baseline_to_hours: Annotated[float, Field(ge=0)] | None
    decimals: Count


class ManifestFeature(_Part):
    """One column of the model, with the range and the distribution that training saw.

    Without `recipe` it is a reading as it came.
    """

    name: Name
    unit: str
    monotone: Literal[-1, 0, 1]
    minimum: float
    maximum: float
    reference: Distribution
    recipe: FeatureRecipe | None = None


class TrainingWindow(_Part):
    """First and last instant of the training rows."""

    start: AwareDatetime
    end: AwareDatetime


class TrainingData(_Part):
    """One file that training read."""

    name: str
    sha256: Sha256
    rows: Count


class Manifest(_Part):
    """What a bundle says of itself; the twin of `docs/contracts/bundle-manifest.schema.json`."""

    schema_version: Literal[1]
    slot: Slot
    version: Version
    created_at: AwareDatetime
    target: Name
    horizon_hours: Cost | None
    features: Annotated[list[ManifestFeature], Field(min_length=1)]
    threshold: Share
    cost_miss: Cost
    cost_false_alarm: Cost
    metrics: dict[str, Figures]
    out_of_fold: Figures
    per_group: dict[str, Figures]
    per_failure_type: dict[str, Figures]
    importance: dict[str, float]
    held_out: HeldOut
    training_window: TrainingWindow | None
    data: Annotated[list[TrainingData], Field(min_length=1)]
    left_out: dict[str, Count] = {}  # noqa: RUF012 (a model copies its defaults)
    files: dict[str, BundleFile]
    libraries: dict[str, str]
    seed: int
    seeds: Annotated[list[int], Field(min_length=1)]
    intervals: dict[str, dict[str, Interval]]
    trials: Annotated[int, Field(ge=1)]
    parameters: dict[str, int | float | str | None]
    risk_reference: Distribution
    canaries: Annotated[list[Canary], Field(min_length=1)]
    background: Annotated[list[list[float]], Field(max_length=50)]


class Bundle(NamedTuple):
    """A bundle of the *instant* slot that passed every check, ready to serve."""

    manifest: Manifest
    scorer: Scorer
    explainer: Explainer


class TrendBundle(NamedTuple):
    """A bundle of the *trend* slot that passed every check; `model` wants computed features."""

    manifest: Manifest
    model: Model


def load_bundle(folder: Path) -> Bundle:
    """Read and check the bundle of the *instant* slot in `folder`, named after its version.

    Raises `BundleRefused`, which names the folder and the reason.
    """
    manifest = manifest_of_slot(folder, "instant")
    ranges = _trained_ranges(folder, manifest)
    session, output = _checked_session(folder, manifest)
    scorer = Scorer(session, output, ranges, manifest.threshold, manifest.version)
    _check_canaries(folder, manifest, scorer)
    _check_background(folder, manifest)
    return Bundle(manifest, scorer, Explainer(scorer, manifest.background))


def load_trend_bundle(folder: Path) -> TrendBundle:
    """The same for the *trend* slot, each of whose features is a reading or has a recipe."""
    manifest = manifest_of_slot(folder, "trend")
    strange = [
        feature.name
        for feature in manifest.features
        if (feature.recipe.reading if feature.recipe else feature.name) not in READINGS
    ]
    if strange:
        raise _refused(folder, f"variables sans recette {strange}")
    session, output = _checked_session(folder, manifest)
    model = Model(session, output, manifest.threshold, manifest.version)
    _check_canaries(folder, manifest, model)
    return TrendBundle(manifest, model)


def manifest_of_slot(folder: Path, slot: Slot) -> Manifest:
    """Read the manifest of a version of `slot`, which names its folder; raises `BundleRefused`."""
    manifest = read_manifest(folder)
    if manifest.version != folder.name:
        raise _refused(folder, f"le manifeste est celui de la version {manifest.version}")
    if manifest.slot != slot:
        raise _refused(folder, f"emplacement « {manifest.slot} », « {slot} » attendu")
    return manifest


def _checked_session(folder: Path, manifest: Manifest) -> tuple[ort.InferenceSession, str]:
    session = _open_session(folder, checked_bytes(folder, manifest, ONNX_FILE))
    return session, _probability_output(folder, session, len(manifest.features))


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` of `folder`; raises `BundleRefused`."""
    try:
        raw = (folder / MANIFEST_FILE).read_bytes()
        return Manifest.model_validate_json(raw)
    except OSError as error:
        raise _refused(folder, f"{MANIFEST_FILE} illisible ({error.strerror})") from error
    except ValidationError as error:
        raise _refused(folder, _misfit(error)) from error


def _misfit(error: ValidationError) -> str:
    """Name what does not conform, and the remedy where the bundle is of an older trainer."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "JSON"
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return (
            f"{MANIFEST_FILE} non conforme : {where} manque, ce modèle vient d'un entraînement"
            " plus ancien ; entraînez-le de nouveau (model_training.py) et promouvez le nouveau"
        )
    return f"{MANIFEST_FILE} non conforme : {where}"


def checked_bytes(folder: Path, manifest: Manifest, name: str) -> bytes:
    """Return the content of file `name` once its digest equals the manifest's."""
    expected = manifest.files.get(name)
    if expected is None:
        raise _refused(folder, f"{name} absent du manifeste")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise _refused(folder, f"{name} illisible ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise _refused(folder, f"{name} ne correspond pas à l'empreinte du manifeste")
    return content


def _trained_ranges(folder: Path, manifest: Manifest) -> list[TrainedRange]:
    names = [feature.name for feature in manifest.features]
    if sorted(names) != sorted(READINGS):
        raise _refused(folder, f"variables {names}, attendues {list(READINGS)}")
    return [_trained_range(feature) for feature in manifest.features]


def _trained_range(feature: ManifestFeature) -> TrainedRange:
    """Take the median and the distance between the outer edges, which are deciles, for its use."""
    edges = feature.reference.edges or [feature.minimum, feature.maximum]
    usual = float(np.median(edges))
    spread = max(edges) - min(edges) or feature.maximum - feature.minimum or 1.0
    return TrainedRange(
        feature.name, feature.minimum, feature.maximum, usual, spread, feature.monotone
    )


def _open_session(folder: Path, onnx: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its English lines would go past our log
    try:
        return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        raise _refused(folder, f"{ONNX_FILE} n'est pas un modèle ONNX utilisable") from error


def _probability_output(folder: Path, session: ort.InferenceSession, width: int) -> str:
    """Name the output that holds one probability for each of the two classes."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or inputs[0].shape[-1] != width:
        raise _refused(folder, f"{ONNX_FILE} n'attend pas {width} colonnes de nombres")
    for output in session.get_outputs():
        if output.type == "tensor(float)" and list(output.shape[1:]) == [2]:
            return str(output.name)
    raise _refused(folder, f"{ONNX_FILE} ne donne pas la probabilité de deux classes")


def _check_canaries(folder: Path, manifest: Manifest, model: Model) -> None:
    """Compare what the model answers here with what it answered to its trainer."""
    rows = [canary.values for canary in manifest.canaries]
    if any(len(row) != len(manifest.features) for row in rows):
        raise _refused(folder, "une lecture témoin n'a pas toutes les variables")
    expected = np.array([canary.probability for canary in manifest.canaries])
    try:
        answered = model.probabilities(np.array(rows, dtype=np.float32))
    except _ORT_ERRORS as error:
        raise _refused(folder, f"{ONNX_FILE} ne peut pas calculer") from error
    gap = float(np.max(np.abs(answered - expected)))
    if math.isnan(gap) or gap > CANARY_TOLERANCE:
        raise _refused(folder, f"les lectures témoins s'écartent de {gap:.2g} du manifeste")


def _check_background(folder: Path, manifest: Manifest) -> None:
    """Refuse a bundle whose predictions could not be explained."""
    if not manifest.background or any(len(row) != len(READINGS) for row in manifest.background):
        raise _refused(folder, "les lectures de référence de l'explication manquent de valeurs")


def _refused(folder: Path, reason: str) -> BundleRefused:
    return BundleRefused(f"Modèle {folder.name} refusé : {reason}.")
