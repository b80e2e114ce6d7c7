"""Requests that Schemathesis generates from the contract, sent to an application and judged."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
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
from schemathesis.specs.openapi.checks import RejectedPositiveData

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


@dataclass
class Verdicts:
    """What came of the requests: how many of each operation and status, and every violation."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    violations: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many requests were generated and sent."""
        return sum(self.requests.values())

    @property
    def server_errors(self) -> int:
        """How many answers were 500 or above."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


def patient_clock() -> Callable[[], float]:
    """Return a clock that runs an hour at each look, so that no wrong key has to wait."""
    hours = itertools.count()
    return lambda: next(hours) * 3600.0


def send_readings(app: Flask, key: str) -> dict[str, Any]:
    """Fill the fleet with a locomotive in good state and one in alert; return what to ask for.

    The names are those that the paths of the contract give to their parameters.
    """
    nominal = {"flow_rate": 500, "pressure": 5, "vibration": 2, "temperature": 45}
    critical = {"flow_rate": 350, "pressure": 3, "vibration": 18, "temperature": 125}
    now = datetime.now(UTC).replace(microsecond=0)
    events = [
        {"loco_id": name, "timestamp": f"{now - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}"}
        | values
        for name, values in (("LOCO_001", nominal), ("LOCO_002", critical))
        for ago in range(5)
    ]
    client, headers = app.test_client(), {"X-API-KEY": key}
    client.post("/telemetry", json=events, headers=headers)
    alerts = client.get("/alerts", headers=headers).get_json()["alerts"]
    models = client.get("/models", headers=headers).get_json()["models"]
    return {
        "loco_id": "LOCO_002",
        "alert_id": alerts[0]["id"],
        "version": models[0]["version"],
        "name": "start.js",
    }


def judge(
    app: Flask,
    key: str,
    requests: int,
    known: Mapping[str, Any],
    say: Callable[[str], object] = lambda _: None,
    only: str | None = None,
) -> Verdicts:
    """Send at least `requests` requests to `app`, the same ones each time.

    Half of them follow the contract and half break it; every answer goes through every check of
    Schemathesis. Every second one is about what exists, where `known` names it by the parameter of
    the path. An operation without parameters is asked once. With `only`, which is a method and
    a path, nothing else is asked. No job is started: each is answered as if one were running.
    """
    with mock.patch.object(JobRunner, "start", _busy):
        return _judge(app, key, requests, known, say, only)


def _busy(*_: object) -> NoReturn:
    raise JobBusy("Un travail est en cours.", "20260301T120000Z-0123abcd")


def _judge(
    app: Flask,
    key: str,
    requests: int,
    known: Mapping[str, Any],
    say: Callable[[str], object],
    only: str | None,
) -> Verdicts:
    schema: Any = schemathesis.openapi.from_wsgi("/openapi.json", app)
    found = [operation.ok() for operation in schema.get_all_operations()]
    operations = [one for one in found if only in {None, one.label}]
    varied = [one for one in operations if _takes_something(one)]
    verdicts = Verdicts()
    for operation in operations:
        each = -(-requests // len(varied)) if operation in varied else 1
        for turn, mode in enumerate(MODES):
            left = each - verdicts.requests[operation.label]
            count = -(-each // 2) if turn == 0 else left
            if count:
                _judge_operation(operation, mode, turn, {"X-API-KEY": key}, count, known, verdicts)
        say(f"  {operation.label}: {verdicts.requests[operation.label]}")
    return verdicts


def _takes_something(operation: Any) -> bool:
    return bool(operation.body or operation.path_parameters or operation.query or operation.headers)


def _judge_operation(
    operation: Any,
    mode: GenerationMode,
    turn: int,
    headers: dict[str, str],
    count: int,
    known: Mapping[str, Any],
    verdicts: Verdicts,
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
        if verdicts.requests[operation.label] % 2:
            _ask_for_what_exists(case, known)
        # Where the headers are what breaks the contract, a right key would mend them.
        header = case.meta.components.get(ParameterLocation.HEADER)
        sent = {} if header and header.mode.is_negative else headers
        answer = case.call(headers=sent, buffered=True)  # else it would not be closed
        verdicts.requests[operation.label] += 1
        verdicts.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, headers=sent)
        except FailureGroup as group:
            for failure in group.exceptions:
                if not _is_unstated(operation, case, failure):
                    name = f"{operation.label} {mode.value} {type(failure).__name__}"
                    verdicts.violations.setdefault(name, f"{failure}\n{case.as_curl_command()}")

    try:
        each()
    except Unsatisfiable:  # nothing can break the contract of an operation that takes nothing
        return


def _ask_for_what_exists(case: Any, known: Mapping[str, Any]) -> None:
    path = case.meta.components.get(ParameterLocation.PATH)
    if path and path.mode.is_positive:
        case.path_parameters.update({k: known[k] for k in case.path_parameters if k in known})


def _is_unstated(operation: Any, case: Any, failure: Exception) -> bool:
    """Tell whether a refusal is of what no schema can state."""
    unstated = operation.label in UNSTATED or case.media_type in UNSTATED_BODIES
    return unstated and isinstance(failure, RejectedPositiveData)
