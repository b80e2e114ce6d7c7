"""When an alert opens and closes: hysteresis over the successive readings of one locomotive."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

QUIET = "."
"""Mark of a reading that is not critical."""


@dataclass(frozen=True)
class AlertRules:
    """An alert opens at `opening` critical readings among the last `window`.

    It closes by itself after `closing` successive readings whose risk is below `calm_share` of the
    model's threshold.
    """

    opening: int = 3
    window: int = 5
    closing: int = 10
    calm_share: float = 0.5


class Watch(NamedTuple):
    """What is remembered of one locomotive between two batches.

    `recent` has one mark per reading since the last closing, newest last and at most a window of
    them: `QUIET`, or the letter of the cause. `calm` counts the successive calm readings.
    """

    recent: str = ""
    calm: int = 0


class Step(NamedTuple):
    """One reading in time order: the letter of its cause or `QUIET`, and whether it is calm."""

    mark: str
    is_calm: bool


class Opening(NamedTuple):
    """An alert begins with reading number `at` of the steps."""

    at: int
    cause: str


class Closing(NamedTuple):
    """Every open alert of the locomotive ends with reading number `at` of the steps."""

    at: int


def advance(
    watch: Watch, steps: Sequence[Step], already_open: Iterable[str], rules: AlertRules
) -> tuple[Watch, list[Opening | Closing]]:
    """Follow one locomotive through `steps`; `already_open` has the letters of its open alerts.

    The cause of an alert is the most frequent one in the window, the newest among equals. A window
    that stays critical for the same cause opens nothing twice.
    """
    recent, calm = watch
    opened = set(already_open)
    changes: list[Opening | Closing] = []
    for index, (mark, is_calm) in enumerate(steps):
        recent = (recent + mark)[-rules.window :]
        calm = calm + 1 if is_calm else 0
        if opened and calm >= rules.closing:
            changes.append(Closing(index))
            opened.clear()
            recent = ""
        elif mark != QUIET:
            cause = _opening_cause(recent, rules.opening)
            if cause is not None and cause not in opened:
                changes.append(Opening(index, cause))
                opened.add(cause)
    return Watch(recent, min(calm, rules.closing)), changes


def _opening_cause(recent: str, opening: int) -> str | None:
    """Return the letter of the alert that the window calls for, or None."""
    critical = [mark for mark in reversed(recent) if mark != QUIET]
    # Of equals, Counter gives the one met first: the newest.
    return Counter(critical).most_common(1)[0][0] if len(critical) >= opening else None
