import dataclasses

import numpy as np

from pmd.baselines import Answer, never_fails
from pmd.evaluation import Costs
from pmd.judgement import GROUPS_TOLD, HeldOutRows, Judgement, judge
from pmd.training import Trained

COSTS = Costs(10, 1)
VALUES = np.array([[0.1, 7], [0.2, 3], [0.9, 5], [0.8, 1], [0.1, 2], [0.7, 9]], dtype=np.float32)
ROWS = HeldOutRows(
    values=VALUES,
    labels=np.array([0, 0, 1, 1, 0, 0]),
    groups=np.array(list("AAAABB"), dtype=object),
    hours=np.array([0.0, 10, 20, 30, 0, 10]),
    failed_h=np.array([np.nan, np.nan, 40, 40, np.nan, np.nan]),
    failure_types=np.array(["", "", "leak", "leak", "", ""], dtype=object),
)


def reads_the_first_column(values: np.ndarray) -> Answer:
    scores = values[:, 0].astype(np.float64)
    return Answer(scores, scores > 0.5, scores)


def judgement(rows: HeldOutRows = ROWS) -> Judgement:
    predictors = {"model": reads_the_first_column, "never_fails": never_fails}
    return judge(rows, predictors, ("first", "second"), COSTS, seed=1)


def test_warnings_and_false_alarms_stand_beside_the_figures_of_each_predictor() -> None:
    model, never = judgement().metrics["model"], judgement().metrics["never_fails"]
    assert (model["failures"], model["failures_announced"]) == (1, 1)
    assert model["lead_time_median_h"] == 20
    assert float(model["false_alarms_per_group_month"] or 0) > 0
    assert model["sustained_lead_median_h"] == 0, "10 h of silence before the failure"
    assert (never["failures_announced"], never["lead_time_median_h"]) == (0, None)
    assert never["false_alarms_per_group_month"] == 0
    assert (model["cost"], never["cost"]) == (1, 20)


def test_each_group_has_its_figures() -> None:
    per_group = judgement().per_group
    assert list(per_group) == ["A", "B"]
    assert (per_group["A"]["rows"], per_group["A"]["positives"]) == (4, 2)
    assert (per_group["A"]["cost"], per_group["B"]["cost"]) == (0, 1)
    assert (per_group["A"]["recall"], per_group["B"]["recall"]) == (1, None)
    assert per_group["B"]["average_precision"] is None
    assert (per_group["A"]["failures"], per_group["A"]["lead_time_median_h"]) == (1, 20)
    assert (per_group["B"]["failures"], per_group["B"]["lead_time_median_h"]) == (None, None)
    assert per_group["A"]["false_alarms_per_group_month"] == 0
    assert float(per_group["B"]["false_alarms_per_group_month"] or 0) > 0


def test_each_type_of_failure_has_its_figures() -> None:
    assert judgement().per_failure_type == {
        "leak": {
            "rows": 2,
            "recall": 1.0,
            "failures": 1,
            "failures_announced": 1.0,
            "lead_time_median_h": 20.0,
        }
    }


def test_a_column_that_the_model_ignores_has_no_importance() -> None:
    importance = judgement().importance
    assert importance["second"] == 0
    assert importance["first"] > 0


def test_without_groups_times_and_failures_the_rest_is_judged() -> None:
    bare = judgement(HeldOutRows(ROWS.values, ROWS.labels, None, None, None, None))
    assert bare.metrics["model"]["lead_time_median_h"] is None
    assert bare.metrics["model"]["false_alarms_per_group_month"] is None
    assert bare.metrics["model"]["cost"] == 1
    assert (bare.per_group, bare.per_failure_type, bare.lead_times_h) == ({}, {}, None)


def test_of_too_many_groups_the_dearest_are_told() -> None:
    count = GROUPS_TOLD + 100
    values = np.tile(np.array([[0.1, 1]], dtype=np.float32), (count, 1))
    values[-3:, 0] = 0.9
    labels = np.zeros(count, dtype=np.int64)
    labels[0] = 1
    groups = np.array([f"G{number:04d}" for number in range(count)], dtype=object)
    rows = HeldOutRows(values, labels, groups, np.zeros(count), None, None)
    told = judgement(rows).per_group
    assert len(told) == GROUPS_TOLD
    assert {"G0000", *groups[-3:]} <= set(told)


def test_each_failure_of_the_history_belongs_to_a_type(trained: Trained) -> None:
    model = trained.judgement.metrics["model"]
    by_type = trained.judgement.per_failure_type.values()
    assert sum(int(part["failures"] or 0) for part in by_type) == model["failures"]
    assert 0 < float(model["lead_time_median_h"] or 0) <= 24
    assert float(model["failures_announced"] or 0) > 0.9


def test_lead_times_are_told_where_the_table_dates_failures(trained: Trained) -> None:
    assert trained.judgement.lead_times_h is not None
    assert len(trained.judgement.lead_times_h) == trained.judgement.metrics["model"]["failures"]
    undated = dataclasses.replace(trained.table, failed_at=None)
    assert undated.failed_h is None
