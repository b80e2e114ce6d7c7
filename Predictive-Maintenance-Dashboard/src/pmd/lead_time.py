"""How early a sustained alarm comes before a failure, whatever horizon the labels have."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pmd.episodes import HOURS_PER_MONTH

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]

GAP_HOURS: Final = 6.0
"""An alarm silent for longer before the failure, or between two of its rows, was another one."""

BUDGET_PER_MONTH: Final = 1.0
"""False alarms per group and month at which predictors are compared."""

_POINTS: Final = 100  # thresholds tried along the ranking


class Episodes(NamedTuple):
    """Rows ordered by group and time, cut into the lives that end with a failure.

    `order` puts the rows of the table in that order; the rest follows it. `life` numbers the rows
    that lie between two failures of their group; `ends` is the failure at the end of each row's
    life (NaN: none known). `months` is the time observed, summed over the groups.
    """

    order: Rows
    hours: Floats
    failing: Bools
    first_of_group: Bools
    life: Rows
    ends: Floats
    failures: int
    months: float

    @classmethod
    def of(cls, groups: NDArray[np.object_], hours: Floats, failed_h: Floats) -> Episodes:
        """`failed_h` is the failure that a row announces (NaN: none), on the clock of `hours`."""
        codes = np.unique(groups.astype(str), return_inverse=True)[1]
        order = np.lexsort((hours, codes))
        codes, hours, failed_h = codes[order], hours[order], failed_h[order]
        first = np.ones(len(codes), dtype=bool)
        first[1:] = codes[1:] != codes[:-1]
        told = ~np.isnan(failed_h)
        after = np.zeros(len(codes), dtype=bool)  # the row before was the last to announce its own
        after[1:] = told[:-1] & (failed_h[1:] != failed_h[:-1])
        life = np.cumsum(first | after) - 1
        ends = np.full(life[-1] + 1 if len(life) else 0, np.nan)
        ends[life[told]] = failed_h[told]
        spans = hours[np.append(np.flatnonzero(first)[1:] - 1, len(hours) - 1)] - hours[first]
        failures = int((~np.isnan(ends)).sum())
        months = float(spans.sum()) / HOURS_PER_MONTH
        return cls(order, hours, told, first, life, ends[life], failures, months)

    def leads(self, alarms: Bools) -> Floats:
        """Hours from the start of the alarm that lasts until the failure, 0 where none does.

        One number per failure, in the order of `life`; the alarm may begin before any row that
        announces the failure, but after the failure before it.
        """
        at = np.flatnonzero(alarms[self.order] & ~np.isnan(self.ends))
        lives = self.life[at]
        last = np.ones(len(at), dtype=bool)
        last[:-1] = lives[1:] != lives[:-1]
        following = np.where(last, self.ends[at], np.roll(self.hours[at], -1))
        broken = following - self.hours[at] > GAP_HOURS
        begins = np.ones(len(at), dtype=bool)  # after a break, or first of its life
        begins[1:] = last[:-1] | broken[:-1]
        start = np.maximum.accumulate(np.where(begins, np.arange(len(at)), 0))
        found = last & ~broken
        known = np.unique(self.life[~np.isnan(self.ends)])
        leads = np.zeros(len(known))
        place = np.searchsorted(known, lives[found])
        leads[place] = self.ends[at[found]] - self.hours[at[start[found]]]
        return leads

    def false_alarms_per_month(self, alarms: Bools) -> float | None:
        """Runs of alarms none of whose rows announces a failure, per group and month."""
        mine = alarms[self.order]
        before = np.concatenate([[False], mine[:-1]])
        run = np.cumsum(mine & (~before | self.first_of_group))
        true = np.bincount(run[mine], self.failing[mine], minlength=1)
        rows = np.bincount(run[mine], minlength=1)
        return float(((rows > 0) & (true == 0)).sum()) / self.months if self.months else None

    def lead_at_budget(self, scores: Floats) -> float | None:
        """Median lead at the lowest threshold before which false alarms exceed the budget.

        A point of the curve of a ranking, the same for all predictors: no threshold was chosen.
        """
        if not self.failures or not self.months:
            return None
        median = 0.0
        shares = 1 - np.geomspace(1e-4, 0.5, _POINTS)
        for threshold in np.unique(np.quantile(scores, shares))[::-1]:
            alarms = scores > threshold
            if (self.false_alarms_per_month(alarms) or 0) > BUDGET_PER_MONTH:
                break
            median = float(np.median(self.leads(alarms)))
        return median
