"""Requests that Schemathesis generates from the contract, sent to an application and judged."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn
from unittest import mock

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import AcceptedNegativeData, RejectedPositiveData

from cidp.errors import JobBusy
from cidp.job_runner import JobRunner

SEED: Final = 20_260_228
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE, GenerationMode.POSITIVE)
"""Half and half; the third turn is for operations whose contract nothing, or little, can break."""

UNSTATED_BODIES: Final = ("text/csv", "application/x-ndjson")
"""Bodies of which a schema says no more than that they are text."""

UNSTATED: Final = frozenset(
    {
        "POST /telemetry",  # how old an instant may be depends on the clock
        "POST /jobs",  # the server's settings name the sources; a workbook is more than bytes
        "GET /fleet/{loco_id}/history",  # the first instant precedes the last one
        *(f"GET /warehouse/{name}" for name in ("kpis", "volumes", "alerts", "machines")),  # so too
    }
)
"""Operations whose rules no schema can state: it may be right to refuse what follows it."""


ALARMED: Final = [f"LOCO_{number:03}" for number in range(1, 11)]
REFUSALS: Final = (413,)
"""Answers that refuse as well as those of Schemathesis's own list."""

Known = Mapping[str, Sequence[Any]]


@dataclass
class Verdict:
    """What came of the requests to one operation: how many by status, and every violation."""

    statuses: Counter[int] = field(default_factory=Counter)
    violations: dict[str, str] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """How many requests were generated and sent."""
        return self.statuses.total()

    @property
    def server_errors(self) -> int:
        """How many answers were 500 or above."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


def patient_clock() -> Callable[[], float]:
    """Return a clock that runs an hour at each look, so that no wrong key has to wait."""
    hours = itertools.count()
    return lambda: next(hours) * 3600.0


def send_readings(app: Flask, key: str) -> Known:
    """Fill the fleet with a locomotive in good state and some in alert; return what to ask for.

    The names are those that the paths of the contract give to their parameters.
    """
    nominal = {"flow_rate": 500, "pressure": 5, "vibration": 2, "temperature": 45}
    critical = {"flow_rate": 350, "pressure": 3, "vibration": 18, "temperature": 125}
    now = datetime.now(UTC).replace(microsecond=0)
    events = [
        {"loco_id": name, "timestamp": f"{now - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}"}
        | values
        for name, values in [("LOCO_000", nominal), *((name, critical) for name in ALARMED)]
        for ago in range(5)
    ]
    client, headers = app.test_client(), {"X-API-KEY": key}
    client.post("/telemetry", json=events, headers=headers)
    alerts = client.get("/alerts", headers=headers).get_json()["alerts"]
    models = client.get("/models", headers=headers).get_json()["models"]
    return {
        "loco_id": ["LOCO_000", *ALARMED],
        "alert_id": [alert["id"] for alert in alerts],
        "version": [model["version"] for model in models],
        "name": ["start.js"],
    }


def judge(app: Flask, key: str, requests: int, known: Known, only: str) -> Verdict:
    """Send `requests` requests to the operation `only`, a method and a path; the same each time.

    Half of them follow the contract and half break it, as far as there are such; every answer goes
    through every check of Schemathesis. Every second one is about what exists, where `known` names
    it by the parameter of the path. No job is started: each is answered as if one were running.
    """
    schema: Any = schemathesis.openapi.from_wsgi("/openapi.json", app)
    found = (operation.ok() for operation in schema.get_all_operations())
    operation = next(one for one in found if one.label == only)
    verdict = Verdict()
    with mock.patch.object(JobRunner, "start", _busy):
        for turn, mode in enumerate(MODES):
            count = -(-requests // 2) if turn == 0 else requests - verdict.requests
            if count:
                _judge(operation, mode, turn, {"X-API-KEY": key}, count, known, verdict)
    return verdict


def operations(contract: Mapping[str, Any]) -> dict[str, bool]:
    """Name the operations of a contract, and tell whether each takes something."""
    return {
        f"{method.upper()} {path}": bool(
            {"requestBody", "parameters"} & (operation.keys() | item.keys())
        )
        for path, item in contract["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and path != "/openapi.json"  # where the contract itself is read
    }


def _busy(*_: object) -> NoReturn:
    raise JobBusy("Un travail est en cours.", "20260301T120000Z-0123abcd")


def _judge(
    operation: Any,
    mode: GenerationMode,
    turn: int,
    headers: dict[str, str],
    count: int,
    known: Known,
    verdict: Verdict,
) -> None:
    @seed(SEED + turn)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: Any) -> None:
        if verdict.requests % 2:
            _ask_for_what_exists(case, known, verdict.requests // 2)
        # Where the headers are what breaks the contract, a right key would mend them.
        header = case.meta.components.get(ParameterLocation.HEADER)
        sent = {} if header and header.mode.is_negative else headers
        answer = case.call(headers=sent, buffered=True)  # else it would not be closed
        verdict.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, headers=sent)
        except FailureGroup as group:
            for failure in group.exceptions:
                if not _is_excused(operation, case, answer.status_code, failure):
                    name = f"{operation.label} {mode.value} {type(failure).__name__}"
                    verdict.violations.setdefault(name, f"{failure}\n{case.as_curl_command()}")

    try:
        each()
    except Unsatisfiable:  # nothing can break the contract of an operation that takes nothing
        return


def _ask_for_what_exists(case: Any, known: Known, turn: int) -> None:
    path = case.meta.components.get(ParameterLocation.PATH)
    if path and path.mode.is_positive:
        for name in case.path_parameters.keys() & known.keys():
            case.path_parameters[name] = known[name][turn % len(known[name])]


def _is_excused(operation: Any, case: Any, status: int, failure: Exception) -> bool:
    """Tell whether it is a refusal that Schemathesis does not know, or of what no schema states."""
    if isinstance(failure, AcceptedNegativeData):
        return status in REFUSALS
    unstated = operation.label in UNSTATED or case.media_type in UNSTATED_BODIES
    return unstated and isinstance(failure, RejectedPositiveData)
