"""What a bundle says of itself, and the one JSON document of the trainer, as in the contracts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Figures = dict[str, float | None]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class BundleFile(_Document):
    sha256: Sha256
    bytes: Count


class Canary(_Document):
    values: list[float]
    probability: Probability


class Distribution(_Document):
    """Shares of the training rows up to each of the rising `edges`, and above the last one."""

    edges: list[float]
    shares: Annotated[list[Probability], Field(min_length=1)]


class HeldOut(_Document):
    rows: Count
    positives: Count
    groups: Count | None
    split: Annotated[str, Field(min_length=1)]


class Interval(_Document):
    """Mean of a figure over the seeds, and its 95 % interval."""

    mean: float
    low: float
    high: float


class FeatureRecipe(_Document):
    """How a feature is computed from past readings, as the contract defines each statistic."""

    reading: Annotated[str, Field(min_length=1)]
    statistic: Literal["mean", "slope", "deviation"]
    window_hours: Annotated[float, Field(gt=0)]
    baseline_from_hours: Annotated[float, Field(gt=0)] | None
    baseline_to_hours: Annotated[float, Field(ge=0)] | None
    decimals: Count


class ManifestFeature(_Document):
    name: Annotated[str, Field(min_length=1)]
    unit: str
    monotone: Literal[-1, 0, 1]
    minimum: float
    maximum: float
    reference: Distribution
    recipe: FeatureRecipe | None = None


class TrainingData(_Document):
    name: str
    sha256: Sha256
    rows: Count


class TrainingWindow(_Document):
    start: AwareDatetime
    end: AwareDatetime


class Manifest(_Document):
    schema_version: Literal[1]
    slot: Literal["instant", "trend"]
    version: Annotated[str, Field(pattern=r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$")]
    created_at: AwareDatetime
    target: Annotated[str, Field(min_length=1)]
    horizon_hours: Annotated[float, Field(gt=0)] | None
    features: Annotated[list[ManifestFeature], Field(min_length=1)]
    threshold: Probability
    cost_miss: Annotated[float, Field(gt=0)]
    cost_false_alarm: Annotated[float, Field(gt=0)]
    metrics: dict[str, Figures]
    out_of_fold: Figures
    per_group: dict[str, Figures]
    per_failure_type: dict[str, Figures]
    importance: dict[str, float]
    held_out: HeldOut
    training_window: TrainingWindow | None
    data: Annotated[list[TrainingData], Field(min_length=1)]
    left_out: dict[str, Count] = {}
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


class TrainingSummary(_Document):
    status: Literal["ok", "error"]
    error: str | None
    bundle: str | None
    model_file: str | None
    manifest: Manifest | None
