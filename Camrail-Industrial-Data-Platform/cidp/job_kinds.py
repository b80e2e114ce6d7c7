"""The work that may be asked of the server: a closed list of kinds, each with its one command.

Nothing that a caller sends becomes a program, a path or an option: it chooses among what is here
and in the settings.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cidp.auth import Scope
from cidp.bootstrap import TRAINER, training_arguments
from cidp.civil_day import parse_day
from cidp.errors import FieldError, RequestRefused
from cidp.orchestration import Document, EtlSummary, RetrainingSummary, TrainingSummary
from cidp.pydantic_compat import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PydanticCustomError,
    ValidationError,
)
from cidp.settings import SERVICE_FOLDER, Settings, service_path
from cidp.telemetry import field_errors

ETL_SCRIPT = "src/main_pipeline.py"
ETL, RESUBMIT, BOOTSTRAP = "etl", "etl-resubmit", "bootstrap"
TRAINING, RETRAINING = "training", "retraining"
MAX_SITES = 50

_SITE = re.compile(r"[^\W_][\w .'’()/-]{0,63}")


def _site(value: str) -> str:
    if not _SITE.fullmatch(value):
        raise PydanticCustomError("site_text", "not a site")
    return value


def _day(value: str) -> str:
    try:
        parse_day(value)
    except ValueError:
        raise PydanticCustomError("day_text", "not a day") from None
    return value


def _since(value: str) -> str:
    return value if value == "auto" else _day(value)


_MESSAGES = {
    "site_text": "nom de site attendu : 64 caractères au plus, sans virgule",
    "day_text": "jour qui existe attendu, AAAA-MM-JJ",
    "too_long": f"au plus {MAX_SITES} sites",
}
Site = Annotated[str, AfterValidator(_site)]
Day = Annotated[str, AfterValidator(_day)]


class _Options(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NoOptions(_Options):
    """A kind of work that leaves no choice."""


class ReportOptions(_Options):
    """What the report of an ETL run shows; everything without them."""

    sites: Annotated[list[Site], Field(max_length=MAX_SITES)] | None = None
    first_day: Day | None = None
    last_day: Day | None = None


class EtlOptions(ReportOptions):
    """Which export is loaded, by its name in the settings, and from which day on."""

    source: str | None = None
    since: Annotated[str, AfterValidator(_since)] | None = None


class TrainingOptions(_Options):
    """How long the trainer looks for settings, and with which draws."""

    trials: Annotated[int, Field(ge=1, le=50)] = 1
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] = 42
    seeds: Annotated[int, Field(ge=1, le=10)] = 1


class RetrainingOptions(_Options):
    """How long the trainer looks for settings, and with which draws."""

    trials: Annotated[int, Field(ge=1, le=50)] = 1
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] = 42


Command = Callable[[Settings, Any, Path], list[str]]


@dataclass(frozen=True)
class JobKind:
    """One kind of work: who may ask for it, what is chosen, and what it prints in the end.

    Two jobs of one `slot` never run together. `command` gets the settings, the options and the
    job's own folder; it raises `ChildFailed` when a file of the server is missing.
    """

    name: str
    label: str
    scope: Scope
    slot: str
    options: type[_Options]
    document: type[Document]
    command: Command
    timeout_s: Callable[[Settings], float]
    takes_workbook: bool = False


def parse_options(kind: JobKind, options: object, settings: Settings) -> _Options:
    """Check what was chosen; raises `RequestRefused`, its fields starting with "options"."""
    try:
        chosen = kind.options.model_validate(options)
    except ValidationError as error:
        raise RequestRefused(
            [_below(detail) for detail in field_errors(error, _MESSAGES)]
        ) from None
    _refuse_backwards(chosen)
    if isinstance(chosen, EtlOptions) and chosen.source not in (None, *settings.etl.sources):
        known = ", ".join(settings.etl.sources) or "aucune"
        raise RequestRefused(
            [FieldError(field="options.source", message=f"source inconnue ; connues : {known}")]
        )
    return chosen


def _below(detail: FieldError) -> FieldError:
    name = detail["field"]
    return FieldError(
        field="options" if name == "body" else f"options.{name}", message=detail["message"]
    )


def _refuse_backwards(chosen: _Options) -> None:
    if not isinstance(chosen, ReportOptions) or not (chosen.first_day and chosen.last_day):
        return
    if chosen.first_day > chosen.last_day:
        raise RequestRefused(
            [FieldError(field="options.last_day", message="ce jour précède first_day")]
        )


def workbook_name(folder: Path) -> Path:
    """Where the workbook that a job was given lies until its end; the warehouse keeps the name."""
    return folder / f"rejets_corriges_{folder.name}.xlsx"


def _etl(settings: Settings, options: EtlOptions, _: Path) -> list[str]:
    command = _etl_base(settings, options)
    name = options.source or next(iter(settings.etl.sources), None)
    if name is not None:
        source = settings.etl.sources[name]
        command.append(f"--erp={service_path(source.erp)}")
        if source.sheet is not None:
            command.append(f"--sheet={source.sheet}")
        if source.machines is not None:
            command.append(f"--machines={_place(source.machines)}")
        if source.mapping is not None:
            command.append(f"--mapping={service_path(source.mapping)}")
    if options.since is not None:
        command.append(f"--since={options.since}")
    return command


def _resubmission(settings: Settings, options: ReportOptions, folder: Path) -> list[str]:
    return [*_etl_base(settings, options), f"--resubmit={workbook_name(folder)}"]


def _etl_base(settings: Settings, options: ReportOptions) -> list[str]:
    """The ETL's script, and what its report shows; the environment names the warehouse."""
    command = [str(settings.etl.folder / ETL_SCRIPT), "--json", "--progress=json"]
    if options.sites:
        command.append(f"--sites={','.join(options.sites)}")
    if options.first_day:
        command.append(f"--from={options.first_day}")
    if options.last_day:
        command.append(f"--to={options.last_day}")
    return command


def _place(machines: str) -> str:
    """A file's path, absolute; an http(s) address as it is."""
    return machines if "://" in machines else str(service_path(machines))


def _bootstrap(_settings: Settings, _options: NoOptions, _folder: Path) -> list[str]:
    return [str(SERVICE_FOLDER / "bootstrap_local.py"), "--json", "--progress=json"]


def _training(settings: Settings, options: TrainingOptions, folder: Path) -> list[str]:
    return [
        str(settings.pmd.folder / TRAINER),
        *training_arguments(settings, folder / "model.joblib"),
        "--progress=json",
        f"--trials={options.trials}",
        f"--seed={options.seed}",
        f"--seeds={options.seeds}",
    ]


def _retraining(_settings: Settings, options: RetrainingOptions, _folder: Path) -> list[str]:
    words = [f"--trials={options.trials}", f"--seed={options.seed}"]
    return ["-m", "cidp.train", "--from=store", "--json", "--progress=json", *words]


def _retraining_timeout_s(settings: Settings) -> float:
    """Time for three programs: the processing, and a training for each model."""
    return 3 * settings.pmd.training_timeout_s


def _etl_timeout_s(settings: Settings) -> float:
    return settings.etl.timeout_s


def _training_timeout_s(settings: Settings) -> float:
    return settings.pmd.training_timeout_s


KINDS = {
    kind.name: kind
    for kind in (
        JobKind(
            ETL, "Chargement de l'entrepôt", "operate", "warehouse",
            EtlOptions, EtlSummary, _etl, _etl_timeout_s,
        ),
        JobKind(
            RESUBMIT, "Reprise de rejets corrigés", "operate", "warehouse",
            ReportOptions, EtlSummary, _resubmission, _etl_timeout_s, True,
        ),
        JobKind(
            BOOTSTRAP, "Amorçage du modèle", "admin", TRAINING,
            NoOptions, TrainingSummary, _bootstrap, _training_timeout_s,
        ),
        JobKind(
            TRAINING, "Entraînement d'un modèle, sans promotion", "admin", TRAINING,
            TrainingOptions, TrainingSummary, _training, _training_timeout_s,
        ),
        JobKind(
            RETRAINING, "Entraînement sur les lectures recueillies", "admin", TRAINING,
            RetrainingOptions, RetrainingSummary, _retraining, _retraining_timeout_s,
        ),
    )
}  # fmt: skip
"""Every kind by its name.

The loads share one slot, as they would only wait for one another, and so do those that train: they
would compete for the cores, and for what serves in the end."""
