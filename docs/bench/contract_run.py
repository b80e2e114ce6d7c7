"""Requests that Schemathesis generates from the contract, sent to an application and judged."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import RejectedPositiveData

SEED: Final = 20_260_228
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
UNSTATED: Final = ("text/csv", "application/x-ndjson")
"""Bodies of which a schema says no more than that they are text."""


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


def judge(
    app: Flask,
    key: str,
    requests: int,
    say: Callable[[str], object] = lambda _: None,
    only: str | None = None,
) -> Verdicts:
    """Send at least `requests` requests to `app`, the same ones each time.

    Half of them follow the contract and half break it; every answer goes through every check of
    Schemathesis. An operation without parameters is asked once. With `only`, which is a method and
    a path, nothing else is asked.
    """
    schema: Any = schemathesis.openapi.from_wsgi("/openapi.json", app)
    found = [operation.ok() for operation in schema.get_all_operations()]
    operations = [one for one in found if only in {None, one.label}]
    varied = [one for one in operations if one.body or one.path_parameters or one.query]
    verdicts = Verdicts()
    for operation in operations:
        each = -(-requests // (len(varied) * len(MODES))) if operation in varied else 1
        for mode in MODES if operation in varied else MODES[:1]:
            _judge_operation(operation, mode, {"X-API-KEY": key}, each, verdicts)
        say(f"  {operation.label}: {verdicts.requests[operation.label]}")
    return verdicts


def _judge_operation(
    operation: Any, mode: GenerationMode, headers: dict[str, str], count: int, verdicts: Verdicts
) -> None:
    @seed(SEED)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: Any) -> None:
        # Where the headers are what breaks the contract, a right key would mend them.
        header = case.meta.components.get(ParameterLocation.HEADER)
        sent = {} if header and header.mode.is_negative else headers
        answer = case.call(headers=sent)
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


def _is_unstated(operation: Any, case: Any, failure: Exception) -> bool:
    """Tell whether a refusal is of what no schema can state: an instant's age, a table's lines."""
    timed = operation.path == "/telemetry" or case.media_type in UNSTATED
    return timed and isinstance(failure, RejectedPositiveData)
