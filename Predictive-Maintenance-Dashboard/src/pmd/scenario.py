"""What a scenario adds to a simulated fleet: chosen failures and chosen faults of sensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pmd.degradation import PlannedFailure
from pmd.sensor_faults import SensorFault


@dataclass(frozen=True, slots=True)
class Scenario:
    """Planned events, in hours from the first reading, beside the random ones or without them."""

    failures: tuple[PlannedFailure, ...] = ()
    sensor_faults: tuple[SensorFault, ...] = ()
    random_failures: bool = True
    random_sensor_faults: bool = True

    def failures_by_loco(self) -> dict[int, list[PlannedFailure]]:
        """Those of each locomotive that has some, in order of time."""
        found: dict[int, list[PlannedFailure]] = {}
        for failure in sorted(self.failures, key=lambda failure: failure.onset_h):
            found.setdefault(failure.loco, []).append(failure)
        return found


NOTHING_PLANNED: Final = Scenario()
