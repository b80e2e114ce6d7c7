"""What the API answers, as the dashboard reads it: the fields that it shows, checked."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cidp.auth import Scope

Door: TypeAlias = Literal["http", "simulator", "kafka", "mqtt"]
Series: TypeAlias = Literal["real", "simulated"]
AlertState: TypeAlias = Literal["new", "acknowledged", "closed"]
Slot: TypeAlias = Literal["instant", "trend"]
Cause: TypeAlias = Literal["flow_rate", "pressure", "vibration", "temperature"]
JobState: TypeAlias = Literal[
    "running", "cancelling", "succeeded", "failed", "cancelled", "interrupted"
]


class Answer(BaseModel):
    """One answer, or a part of one; what this version does not know of is left out."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, protected_namespaces=())


class Counterfactual(Answer):
    """New values of some readings that make the reading nominal, and the risk with them."""

    changes: dict[str, float]
    probability: float = Field(ge=0, le=1)
    sentence: str


class Explanation(Answer):
    """Why a reading has its risk: shares of the risk by reading, and the way back to nominal."""

    base_probability: float = Field(ge=0, le=1)
    contributions: dict[str, float]
    sentence: str
    counterfactual: Counterfactual | None


class Prediction(Answer):
    """The risk of one reading; the probability and the threshold lie between 0 and 1."""

    critical_risk: Literal[0, 1]
    risk_probability: float = Field(ge=0, le=1)
    loco_id: str
    model_version: str
    threshold: float = Field(ge=0, le=1)
    warnings: tuple[str, ...]
    explanation: Explanation | None = None


class BatchRow(Answer):
    """The risk of one reading of a batch; None where the reading was refused."""

    critical_risk: Literal[0, 1] | None = None
    risk_probability: float | None = Field(None, ge=0, le=1)


class Batch(Answer):
    """The risks of many readings, in their order."""

    threshold: float = Field(ge=0, le=1)
    results: list[BatchRow]


class ModelState(Answer):
    """Which model serves, or why none does."""

    status: Literal["loading", "serving", "missing"]
    version: str | None
    error: str | None


class StoreState(Answer):
    """Whether events can be stored."""

    status: Literal["ok", "unavailable"]
    error: str | None
    backend: str = ""


class FeedState(Answer):
    """What brings telemetry by one door, why, and how many messages wait in its broker."""

    door: Door
    since: AwareDatetime
    reason: str
    lag: int | None


class SourceState(Answer):
    """Through which door events come, how old the newest is, and what brings them."""

    mode: Literal["unknown", "none", "http", "simulator", "kafka", "mqtt"]
    last_event_at: AwareDatetime | None
    last_event_age_seconds: float | None
    stale: bool
    feeds: list[FeedState] = []


class Readiness(Answer):
    """What /ready says of the models, the store and the source."""

    status: Literal["ready", "not_ready"]
    model: ModelState
    trend: ModelState | None = None
    store: StoreState
    source: SourceState


class Health(Answer):
    """What the API says of itself."""

    version: str


class KeyHolder(Answer):
    """Whose key it is, and what it may do."""

    id: str
    scopes: frozenset[Scope]


class OpenAlert(Answer):
    """An alert that is not closed, in short."""

    id: int
    cause: Cause
    state: AlertState


class TrendRisk(Answer):
    """What the trend model sees in the last days of a locomotive."""

    critical_risk: Literal[0, 1]
    risk_probability: float = Field(ge=0, le=1)
    model_version: str


class Locomotive(Answer):
    """The newest reading of a locomotive in one series, with its recent risks, oldest first."""

    loco_id: str
    series: Series
    source: Door
    timestamp: AwareDatetime
    age_seconds: float
    state: Literal["nominal", "critical", "silent"]
    readings: dict[str, float]
    critical_risk: Literal[0, 1]
    risk_probability: float = Field(ge=0, le=1)
    recent_risks: tuple[float, ...]
    alerts: tuple[OpenAlert, ...]
    trend: TrendRisk | None = None


class Fleet(Answer):
    """Every locomotive, at one instant; `trend_error` says why no trend, or an old model's."""

    at: AwareDatetime
    trend_error: str | None = None
    locomotives: tuple[Locomotive, ...]


class PastReading(Answer):
    """One reading of the past, with its risk then."""

    timestamp: AwareDatetime
    readings: dict[str, float]
    critical_risk: Literal[0, 1]
    risk_probability: float = Field(ge=0, le=1)


class History(Answer):
    """Readings of one locomotive, oldest first; `truncated` when older ones were left out."""

    loco_id: str
    series: Series
    truncated: bool
    rows: tuple[PastReading, ...]


class AlertAction(Answer):
    """What somebody did about an alert, and when."""

    at: AwareDatetime
    author: str
    action: Literal["acknowledge", "comment", "verdict", "close"]
    detail: str


class Alert(Answer):
    """One alert from its opening to its end, with what people did about it, oldest first."""

    id: int
    series: Series
    loco_id: str
    cause: Cause
    state: AlertState
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    closed_by: str | None
    readings: dict[str, float]
    risk_probability: float = Field(ge=0, le=1)
    peak_probability: float = Field(ge=0, le=1)
    true_alarm: bool | None
    actions: tuple[AlertAction, ...]


class AlertPage(Answer):
    """Alerts, newest first; the next page begins before `next_before`."""

    alerts: tuple[Alert, ...]
    next_before: int | None


class JobProgress(Answer):
    """How far a job is, in percent (None: unknown), and what it does."""

    percent: float | None
    text: str


class Job(Answer):
    """One piece of the server's work; times are UTC. `result` is known once it is asked alone."""

    id: str
    kind: str
    state: JobState
    started_by: str
    on_behalf_of: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    cancelled_by: str | None
    exit_code: int | None
    error: str | None
    progress: JobProgress | None
    result: dict[str, Any] | None = None
    log_tail: tuple[str, ...] = ()


class KindOfJob(Answer):
    """What may be asked of the server, its right, and the weight of a workbook that it takes."""

    kind: str
    label: str
    scope: Scope
    sources: tuple[str, ...]
    workbook_max_bytes: int | None = None


class Jobs(Answer):
    """The jobs that are remembered, newest first, and what may be asked for."""

    jobs: tuple[Job, ...]
    kinds: tuple[KindOfJob, ...]

    def label(self, kind: str) -> str:
        """Return what people call a kind of job; one that may not be asked for has its name."""
        return next((known.label for known in self.kinds if known.kind == kind), kind)


class WarehouseScope(Answer):
    """Sites and days of an answer about the warehouse; no site means all of them."""

    model_config = ConfigDict(populate_by_name=True)

    sites: tuple[str, ...]
    first: date | None = Field(alias="from")
    last: date | None = Field(alias="to")


class Kpi(Answer):
    """One key figure, and its value over the same number of days before."""

    name: str
    value: float
    previous: float | None


class Kpis(Answer):
    """The key figures of the report."""

    filters: WarehouseScope
    previous_period: WarehouseScope | None
    kpis: tuple[Kpi, ...]


class DayVolume(Answer):
    """Transactions of one site on one day; the volume in tonnes."""

    day: date
    site: str
    volume_t: float
    transactions: int
    alerts: int


class Volumes(Answer):
    """One row per day and site with a transaction."""

    volumes: tuple[DayVolume, ...]


class MachineErrors(Answer):
    """Errors of one machine on one site, as a share of its transactions."""

    machine: str
    site: str
    transactions: int
    errors: int
    alerts: int
    error_rate: float


class Machines(Answer):
    """The machines with the highest share of errors, worst first."""

    machines: tuple[MachineErrors, ...]


class OpenRejects(Answer):
    """How many open rejects break one rule first."""

    rule: str
    open: int
    in_last_run: int


class Rejects(Answer):
    """Open rejects by rule, the most frequent first."""

    rejects: tuple[OpenRejects, ...]


class Run(Answer):
    """One committed load of the warehouse."""

    run_id: str
    started_at: AwareDatetime
    duration_s: float
    kind: str
    read: int
    loaded: int
    rejected: int
    duplicates: int
    corrected: int
    volume_t: float


class Runs(Answer):
    """The last loads, newest first."""

    runs: tuple[Run, ...]


Figures: TypeAlias = Mapping[str, float | None]


class TrainingWindow(Answer):
    """First and last instant of what a model was trained on."""

    start: AwareDatetime
    end: AwareDatetime


class ModelCard(Answer):
    """What a person asks of a model: its manifest without the rows of training."""

    version: str
    slot: str
    created_at: AwareDatetime
    horizon_hours: float | None
    threshold: float
    cost_miss: float
    cost_false_alarm: float
    features: tuple[dict[str, Any], ...]
    metrics: dict[str, Figures]
    held_out: dict[str, Any]
    training_window: TrainingWindow | None


class ModelVersion(Answer):
    """One version of the registry; `error` says why it can no longer serve."""

    slot: Slot
    version: str
    promoted: bool
    serving: bool
    created_at: AwareDatetime | None
    threshold: float | None
    metrics: Figures | None
    error: str | None


class ModelVersions(Answer):
    """The registry, newest first."""

    count: int
    models: tuple[ModelVersion, ...]


class Promotion(Answer):
    """What a promotion changed; `serving` is the version that answers, of the slot instant only."""

    slot: Slot
    promoted: str
    previous: str | None
    serving: str | None
