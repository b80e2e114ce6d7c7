"""Judgement of predictors on the rows that none of them has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from pmd.baselines import Answer, Predictor, Values
from pmd.episodes import false_alarms, warnings
from pmd.evaluation import Costs, Figures, Floats, Labels, figures
from pmd.lead_time import Episodes
from pmd.served_model import OnnxModel

Names = NDArray[np.object_]

GROUPS_TOLD = 500  # a manifest must stay readable; the dearest groups come first
SHUFFLES = 5
SHUFFLED_ROWS = 5_000  # neighbouring rows resemble each other: more tell little more


class HeldOutRows(NamedTuple):
    """The judging rows; None where the table has no such column.

    `hours` and `failed_h` (NaN: no failure announced) are on one clock.
    """

    values: Values
    labels: Labels
    groups: Names | None
    hours: Floats | None
    failed_h: Floats | None
    failure_types: Names | None

    def take(self, rows: Any) -> HeldOutRows:
        """These rows alone."""
        return HeldOutRows._make(None if column is None else column[rows] for column in self)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Figures by predictor, then those of the model by group and by type of failure.

    `importance` is the average precision that the model loses when one feature is shuffled.
    `lead_times_h` has one number per failure, NaN where no alarm announced it; None when the table
    does not date failures.
    """

    metrics: dict[str, Figures]
    per_group: dict[str, Figures]
    per_failure_type: dict[str, Figures]
    importance: dict[str, float]
    lead_times_h: Floats | None
    labels: Labels
    probabilities: Floats


def judge(
    rows: HeldOutRows,
    predictors: Mapping[str, Predictor],
    features: tuple[str, ...],
    costs: Costs,
    seed: int,
) -> Judgement:
    """Judge all `predictors` on the same rows, and the one named `model` in detail."""
    answers = {name: predictor(rows.values) for name, predictor in predictors.items()}
    alarms = {name: _Alarms.of(rows, answer) for name, answer in answers.items()}
    model, announced = answers["model"], alarms["model"].warnings
    episodes = _episodes(rows)
    return Judgement(
        metrics={
            name: {**_figures(rows, answer, alarms[name], costs), **_sustained(episodes, answer)}
            for name, answer in answers.items()
        },
        per_group=_per_group(rows, model, alarms["model"], costs),
        per_failure_type=_per_failure_type(rows, model, announced),
        importance=_importance(rows, predictors["model"], features, seed),
        lead_times_h=None if announced is None else announced["lead_h"].to_numpy(dtype=float),
        labels=rows.labels,
        probabilities=model.scores,
    )


def served_predictor(served: OnnxModel, threshold: float) -> Predictor:
    """A model that alarms above its own threshold."""

    def answer(values: Values) -> Answer:
        probabilities = served.probabilities(values)
        return Answer(probabilities, probabilities > threshold, probabilities)

    return answer


class _Alarms(NamedTuple):
    """What `warnings` and `false_alarms` make of the alarms; None where the table cannot tell."""

    warnings: pd.DataFrame | None
    false: pd.DataFrame | None

    @classmethod
    def of(cls, rows: HeldOutRows, answer: Answer) -> _Alarms:
        groups, hours, alarms = rows.groups, rows.hours, answer.alarms
        if groups is None or hours is None:
            return cls(None, None)
        false = false_alarms(groups, hours, rows.labels, alarms)
        if rows.failed_h is None:
            return cls(None, false)
        types = np.full(len(groups), "") if rows.failure_types is None else rows.failure_types
        return cls(warnings(groups, hours, rows.failed_h, types, alarms), false)

    def of_group(self, name: object) -> _Alarms:
        """Those of one group."""
        return _Alarms(
            None if self.warnings is None else self.warnings[self.warnings["group"] == name],
            None if self.false is None else self.false[self.false.index == name],
        )


def _figures(rows: HeldOutRows, answer: Answer, alarms: _Alarms, costs: Costs) -> Figures:
    return {
        **figures(rows.labels, answer.scores, answer.alarms, costs, answer.probabilities),
        **_lead(alarms.warnings),
        "false_alarms_per_group_month": _false_alarm_rate(alarms.false),
    }


def _episodes(rows: HeldOutRows) -> Episodes | None:
    if rows.groups is None or rows.hours is None or rows.failed_h is None:
        return None
    return Episodes.of(rows.groups, rows.hours, rows.failed_h)


def _sustained(episodes: Episodes | None, answer: Answer) -> Figures:
    """Lead times that the horizon of the labels does not bound."""
    if episodes is None or not episodes.failures:
        return {"sustained_lead_median_h": None, "lead_at_budget_h": None}
    return {
        "sustained_lead_median_h": float(np.median(episodes.leads(answer.alarms))),
        "lead_at_budget_h": episodes.lead_at_budget(answer.scores),
    }


def _lead(announced: pd.DataFrame | None) -> Figures:
    """How many failures, the share of them that an alarm announced, and how early at the median."""
    if announced is None or announced.empty:
        return {"failures": None, "failures_announced": None, "lead_time_median_h": None}
    leads = announced["lead_h"].dropna()
    return {
        "failures": len(announced),
        "failures_announced": len(leads) / len(announced),
        "lead_time_median_h": float(leads.median()) if len(leads) else None,
    }


def _false_alarm_rate(counted: pd.DataFrame | None) -> float | None:
    if counted is None or not counted["months"].sum():
        return None
    return float(counted["false_alarms"].sum() / counted["months"].sum())


def _per_group(
    rows: HeldOutRows, model: Answer, alarms: _Alarms, costs: Costs
) -> dict[str, Figures]:
    if rows.groups is None:
        return {}
    found = []
    for name, mine in pd.Series(rows.groups).groupby(rows.groups).indices.items():
        part, answer = rows.take(mine), model.take(mine)
        counts: Figures = {"rows": len(mine), "positives": int(part.labels.sum())}
        told = _figures(part, answer, alarms.of_group(name), costs)
        found.append((str(name), {**counts, **told}))
    dearest = sorted(found, key=lambda item: -(item[1]["cost"] or 0))[:GROUPS_TOLD]
    return dict(sorted(dearest, key=itemgetter(0)))


def _per_failure_type(
    rows: HeldOutRows, model: Answer, announced: pd.DataFrame | None
) -> dict[str, Figures]:
    """Rows before a failure of each type, the share of them in alarm, and the lead times."""
    if announced is None or rows.failure_types is None:
        return {}
    by_type: dict[str, Figures] = {}
    for name in sorted(set(announced["failure_type"]) - {""}):
        mine = rows.failure_types == name
        counts: Figures = {"rows": int(mine.sum()), "recall": float(model.alarms[mine].mean())}
        by_type[name] = {**counts, **_lead(announced[announced["failure_type"] == name])}
    return by_type


def _importance(
    rows: HeldOutRows, model: Predictor, features: tuple[str, ...], seed: int
) -> dict[str, float]:
    """Mean loss of average precision over shuffles of one column (Breiman 2001)."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(rows.labels))[:SHUFFLED_ROWS]
    values, labels = rows.values[chosen], rows.labels[chosen]
    if not 0 < labels.sum() < len(labels):
        return {}
    whole = average_precision_score(labels, model(values).scores)
    losses = {}
    for index, name in enumerate(features):
        shuffled = []
        for _ in range(SHUFFLES):
            changed = values.copy()
            changed[:, index] = rng.permutation(changed[:, index])
            shuffled.append(average_precision_score(labels, model(changed).scores))
        losses[name] = float(whole - np.mean(shuffled))
    return losses
