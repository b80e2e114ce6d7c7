"""A YAML file of chosen faults, read and checked as a scenario."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pmd.degradation import FAILURE_TYPES, PlannedFailure
from pmd.errors import InvalidScenario
from pmd.scenario import Scenario
from pmd.sensor_faults import DRIFT, DRIFT_SIZE, GAP, SPIKE, SPIKE_SIZE, SensorFault
from pmd.sensors import SENSOR_NAMES, SENSORS, loco_name

MAXIMUM_H: Final = 10 * 366 * 24.0

Hours = Annotated[float, Field(ge=0, le=MAXIMUM_H, allow_inf_nan=False)]
Lasting = Annotated[float, Field(ge=0.1, le=MAXIMUM_H, allow_inf_nan=False)]

_FRENCH: Final = {
    "missing": "valeur absente",
    "extra_forbidden": "nom inconnu",
    "literal_error": "attendu {expected}",
    "greater_than_equal": "au moins {ge} attendu",
    "less_than_equal": "au plus {le} attendu",
    "float_type": "nombre attendu",
    "finite_number": "nombre fini attendu",
    "string_type": "texte attendu",
    "bool_type": "true ou false attendu",
    "list_type": "liste attendue",
    "model_type": "suite de lignes « nom: valeur » attendue",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Event(_Part):
    loco_id: str

    @property
    def begin_h(self) -> float:
        raise NotImplementedError


class _Failure(_Event):
    failure_type: Literal["hydraulic_leak", "clogged_filter", "cooling_loss", "bearing_wear"]
    onset_h: Hours
    growth_h: Lasting
    repair_h: Lasting = 12.0
    severity: Annotated[float, Field(ge=0, le=1)] = 0.5

    @property
    def begin_h(self) -> float:
        return self.onset_h

    @property
    def end_h(self) -> float:
        return self.onset_h + self.growth_h + self.repair_h


class _SensorFault(_Event):
    fault: Literal["stuck", "drift", "spike", "gap"]
    sensor: Literal["flow_rate", "pressure", "vibration", "temperature"] | None = None
    start_h: Hours
    duration_h: Lasting | None = None
    size: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @property
    def begin_h(self) -> float:
        return self.start_h


class _File(_Part):
    random_failures: bool = True
    random_sensor_faults: bool = True
    failures: list[_Failure] = []
    sensor_faults: list[_SensorFault] = []


def read_scenario(path: Path, locos: int, hours: float) -> Scenario:
    """The scenario of `path` for a fleet of `locos` simulated over `hours`.

    Raises `InvalidScenario` when the file cannot be read, names something unknown, a locomotive
    that is not in the fleet or a fault that would begin later, or lets two failures of one
    locomotive overlap.
    """
    told = _checked(path)
    ranks = {loco_name(index): index for index in range(locos)}
    for name, events in (("failures", told.failures), ("sensor_faults", told.sensor_faults)):
        for number, event in enumerate(events):
            _refuse_out_of_reach(f"{path.name} : {name}[{number}]", event, list(ranks), hours)
    _refuse_overlaps(path, told.failures)
    return Scenario(
        failures=tuple(_planned(failure, ranks) for failure in told.failures),
        sensor_faults=tuple(
            _sensor_fault(f"{path.name} : sensor_faults[{number}]", fault, ranks)
            for number, fault in enumerate(told.sensor_faults)
        ),
        random_failures=told.random_failures,
        random_sensor_faults=told.random_sensor_faults,
    )


def _refuse_out_of_reach(where: str, event: _Event, fleet: list[str], hours: float) -> None:
    if event.loco_id not in fleet:
        raise InvalidScenario(
            f"{where} : « {event.loco_id} » n'est pas du parc, de {fleet[0]} à {fleet[-1]} ; voir "
            "--locos."
        )
    if event.begin_h > hours:
        raise InvalidScenario(
            f"{where} : commence à {event.begin_h:g} h, après la dernière mesure ({hours:g} h) ; "
            "voir --days."
        )


def _checked(path: Path) -> _File:
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidScenario(f"{path} : lecture impossible ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"ligne {mark.line + 1} : "
        raise InvalidScenario(f"{path.name} : {place}ce n'est pas du YAML en UTF-8.") from error
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        findings = [_french(dict(found)) for found in error.errors(include_url=False)]
        raise InvalidScenario(f"{path.name} : " + " ; ".join(findings) + ".") from error


def _french(found: dict[str, Any]) -> str:
    """One finding of Pydantic: where, what is expected, what stands there."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"])
    expected = _FRENCH.get(found["type"], "valeur refusée")
    said = expected.format(**found.get("ctx", {})).replace(" or ", " ou ")
    shown = "" if found["type"] == "missing" else f" (trouvé « {str(found['input'])[:40]} »)"
    return f"{place.lstrip('.') or 'fichier'} : {said}{shown}"


def _refuse_overlaps(path: Path, failures: list[_Failure]) -> None:
    ordered = sorted(failures, key=lambda failure: (failure.loco_id, failure.onset_h))
    for before, after in pairwise(ordered):
        if before.loco_id == after.loco_id and after.onset_h < before.end_h:
            raise InvalidScenario(
                f"{path.name} : {after.loco_id} aurait deux pannes à la fois : celle de "
                f"{after.onset_h:g} h commence avant la fin de la réparation ({before.end_h:g} h)."
            )


def _planned(failure: _Failure, ranks: dict[str, int]) -> PlannedFailure:
    return PlannedFailure(
        loco=ranks[failure.loco_id],
        mode=FAILURE_TYPES.index(failure.failure_type),
        onset_h=failure.onset_h,
        failure_h=failure.onset_h + failure.growth_h,
        repair_h=failure.repair_h,
        severity=failure.severity,
    )


def _sensor_fault(where: str, told: _SensorFault, ranks: dict[str, int]) -> SensorFault:
    """Sizes left out are typical ones; what a kind of fault does not have is refused."""
    takes = {"sensor": told.fault != GAP, "duration_h": told.fault != SPIKE}
    for name, needed in takes.items():
        if needed != (getattr(told, name) is not None):
            verb = "demande" if needed else "ne prend pas"
            raise InvalidScenario(f"{where} : {told.fault} {verb} {name}.")
    if told.size is not None and told.fault not in (DRIFT, SPIKE):
        raise InvalidScenario(f"{where} : {told.fault} ne prend pas size.")
    sensor = SENSOR_NAMES.index(told.sensor) if told.sensor else 0
    typical = {DRIFT: DRIFT_SIZE, SPIKE: SPIKE_SIZE}.get(told.fault, (0.0,) * len(SENSORS))
    return SensorFault(
        loco=ranks[told.loco_id],
        kind=told.fault,
        sensor=sensor,
        start_h=told.start_h,
        end_h=told.start_h + (told.duration_h or 0.0),
        size=typical[sensor] if told.size is None else told.size,
    )
