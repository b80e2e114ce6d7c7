"""Contributions are exact Shapley values; the change back to nominal works and is the smallest."""

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from test_scoring import FakeSession

from cidp.explanation import STEPS, Explainer, contributions_sentence, nearest_nominal
from cidp.model_bundle import load_bundle
from cidp.scoring import Scorer, TrainedRange
from cidp.telemetry import READINGS, Reading

RANGES = [
    TrainedRange("flow_rate", 400, 440, 420, 10, -1),
    TrainedRange("pressure", 4, 6, 5, 1, 0),
    TrainedRange("vibration", 0, 3, 2, 1, 1),
    TrainedRange("temperature", 20, 60, 45, 10, 1),
]


def reading(flow: float, pressure: float, vibration: float, temperature: float) -> Reading:
    return Reading(
        loco_id="L1",
        flow_rate=flow,
        pressure=pressure,
        vibration=vibration,
        temperature=temperature,
    )


class Rule(FakeSession):
    """A model that is a formula of the four columns."""

    def __init__(self, risk: Any) -> None:
        self._risk = risk

    def run(self, outputs: list[str], feed: dict[str, Any]) -> list[Any]:
        risks = np.clip(self._risk(*feed["X"].astype(np.float64).T), 0, 1)
        return [np.column_stack([1 - risks, risks]).astype(np.float32)]


def of_rule(risk: Any) -> Scorer:
    return Scorer(Rule(risk), "probabilities", RANGES, 0.5, "v1")


def forest() -> Scorer:
    """A served forest whose risk is monotone where `RANGES` says so."""
    import onnxruntime

    rng = np.random.default_rng(3)
    low, high = np.array([[r.minimum, r.maximum] for r in RANGES]).T
    rows = rng.uniform(low, high, (600, 4)).astype(np.float32)
    away = (440 - rows[:, 0]) / 40 + abs(rows[:, 1] - 5) + rows[:, 2] / 3 + (rows[:, 3] - 20) / 40
    model = RandomForestClassifier(30, max_depth=6, monotonic_cst=[-1, 0, 1, 1], random_state=0)
    model.fit(rows, away + rng.normal(0, 0.2, 600) > 1.9)
    onnx = to_onnx(model, rows[:1], options={"zipmap": False}).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as served: the same row gives the same bits
    session = onnxruntime.InferenceSession(onnx, options)
    return Scorer(session, "probabilities", RANGES, 0.4, "v1")


FOREST = forest()
BACKGROUND = np.random.default_rng(5).uniform([400, 4, 0, 20], [440, 6, 3, 60], (50, 4))
SOME = [
    reading(*values) for values in np.random.default_rng(7).uniform(
        [395, 3.5, 0, 15], [445, 6.5, 4, 80], (40, 4)
    ).round(2).tolist()
]  # fmt: skip
CRITICAL = [one for one in SOME if FOREST.score_one(one).critical]


def test_contributions_sum_to_the_probability_that_decides() -> None:
    explainer = Explainer(FOREST, BACKGROUND.tolist())
    for one in SOME:
        found = explainer.explain(one)
        assert found.probability == FOREST.score_one(one).probability
        total = found.base_probability + sum(found.contributions.values())
        assert total == pytest.approx(found.probability, abs=1e-12)


def test_contributions_agree_with_shap() -> None:
    shap = pytest.importorskip("shap")
    explainer = Explainer(FOREST, BACKGROUND.tolist())

    def risk(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return FOREST.probabilities(np.asarray(rows, dtype=np.float32))

    peer = shap.explainers.Exact(risk, shap.maskers.Independent(BACKGROUND, max_samples=50))
    values = peer(np.array([one.values() for one in SOME], dtype=np.float32))
    for one, expected, base in zip(SOME, values.values, values.base_values, strict=True):
        found = explainer.explain(one)
        assert list(found.contributions.values()) == pytest.approx(expected.tolist(), abs=1e-6)
        assert found.base_probability == pytest.approx(float(base), abs=1e-6)


def test_a_reading_without_influence_contributes_nothing() -> None:
    scorer = of_rule(lambda flow, pressure, vibration, temperature: vibration / 10)
    found = Explainer(scorer, [[420, 5, 1, 40], [400, 4, 3, 20]]).explain(reading(410, 4, 4, 50))
    assert found.contributions == pytest.approx(
        {"flow_rate": 0, "pressure": 0, "vibration": 0.2, "temperature": 0}, abs=1e-7
    )
    assert found.sentence == "Vibration +20 pts"
    assert found.counterfactual is None


def test_contributions_are_named_whatever_the_order_of_the_columns(bundles: list[Path]) -> None:
    ranges = [RANGES[2], RANGES[0], RANGES[3], RANGES[1]]
    scorer = Scorer(Rule(lambda v, f, t, p: v / 10), "probabilities", ranges, 0.5, "v1")
    found = Explainer(scorer, [[1, 420, 40, 5]]).explain(reading(410, 4, 6, 50))
    assert found.contributions["vibration"] == pytest.approx(0.5)
    assert tuple(found.contributions) == READINGS
    assert found.counterfactual is not None
    assert found.counterfactual.changes == {"vibration": 3.0}


def test_a_bundle_explains_with_its_own_rows(bundles: list[Path]) -> None:
    bundle = load_bundle(bundles[0])
    found = bundle.explainer.explain(reading(500, 5, 15, 120))
    rows = np.array(bundle.manifest.background, dtype=np.float32)
    assert found.base_probability == pytest.approx(bundle.scorer.probabilities(rows).mean())
    assert found.counterfactual is not None
    assert list(found.body()["counterfactual"]) == ["changes", "probability", "sentence"]


@pytest.mark.parametrize(
    ("contributions", "said"),
    [
        ({"vibration": 0.344, "temperature": 0.206}, "Vibration +34 pts, température +21 pts"),
        ({"vibration": 0.01, "flow_rate": -0.5}, "Débit −50 pts, vibration +1 pt"),
        ({"vibration": 0.004}, "Aucune mesure ne déplace le risque d'un point"),
    ],
)
def test_contributions_are_said_in_points(contributions: dict[str, float], said: str) -> None:
    assert contributions_sentence(contributions) == said


def test_one_reading_changes_where_one_suffices() -> None:
    scorer = of_rule(lambda f, p, v, t: (v > 1.25) * 0.4 + (t > 30) * 0.2)
    found = nearest_nominal(scorer, scorer.row(reading(420, 5, 2, 50))[0])
    assert found is not None
    assert found.changes == {"vibration": 1.2}
    assert found.sentence == "vibration sous 1,2 mm/s"
    assert found.probability == pytest.approx(0.2)


def test_several_readings_change_where_one_does_not_suffice() -> None:
    scorer = of_rule(lambda f, p, v, t: (v > 1) * 0.6 + (t > 30) * 0.6)
    found = nearest_nominal(scorer, scorer.row(reading(420, 5, 2, 50))[0])
    assert found is not None
    assert found.changes == {"vibration": 1.0, "temperature": 30.0}
    assert found.sentence == "vibration sous 1 mm/s et température sous 30 °C"


def test_pressure_moves_towards_its_fault_free_middle_from_both_sides() -> None:
    scorer = of_rule(lambda f, p, v, t: abs(p - 5))
    for pressure, target in ((4.0, 4.5), (6.0, 5.5), (20.0, 5.5)):
        found = nearest_nominal(scorer, scorer.row(reading(420, pressure, 1, 30))[0])
        assert found is not None
        assert found.changes == {"pressure": target}
    assert found.sentence == "pression à 5,5 bar"


def test_flow_rises() -> None:
    scorer = of_rule(lambda f, p, v, t: f < 425)
    found = nearest_nominal(scorer, scorer.row(reading(0, 5, 1, 30))[0])
    assert found is not None
    assert found.sentence == "débit au-dessus de 425 L/min"


def test_a_risk_that_no_change_lowers_has_no_counterfactual() -> None:
    scorer = of_rule(lambda f, p, v, t: np.full(len(f), 0.9))
    assert nearest_nominal(scorer, scorer.row(reading(420, 5, 1, 30))[0]) is None


def test_applying_the_change_gives_a_nominal_reading_inside_the_trained_range() -> None:
    assert len(CRITICAL) > 10
    for one in CRITICAL:
        found = nearest_nominal(FOREST, FOREST.row(one)[0])
        assert found is not None
        changed = one.model_copy(update=found.changes)
        assert not FOREST.score_one(changed).critical
        assert FOREST.score_one(changed).probability == found.probability
        for trained in RANGES:
            if trained.name in found.changes:
                assert trained.minimum <= found.changes[trained.name] <= trained.maximum


def size(one: Reading, values: Sequence[float]) -> float:
    widths = [trained.maximum - trained.minimum for trained in RANGES]
    return sum(abs(new - old) / w for new, old, w in zip(values, one.values(), widths, strict=True))


def least(one: Reading, columns: tuple[int, ...], every: int) -> float:
    """Size of the smallest nominal change of `columns`, by trying one grid value out of `every`."""
    grids = [
        np.arange(RANGES[c].minimum, RANGES[c].maximum + 1e-9, STEPS[READINGS[c]]) for c in columns
    ]
    values = np.array(list(product(*(grid[::every].round(1) for grid in grids))))
    rows = np.tile(one.values(), (len(values), 1))
    rows[:, columns] = values
    nominal = rows[FOREST.probabilities(rows.astype(np.float32)) <= FOREST.threshold]
    return min((size(one, row) for row in nominal.tolist()), default=np.inf)


def test_no_smaller_change_exists() -> None:
    """Of one reading exactly; of two within a tenth of the best that a grid finds."""
    sizes = []
    for one in CRITICAL:
        found = nearest_nominal(FOREST, FOREST.row(one)[0])
        assert found is not None
        ours = size(one, one.model_copy(update=found.changes).values())
        by_one = min(least(one, (column,), 1) for column in range(4))
        sizes.append(len(found.changes))
        if len(found.changes) == 1:
            assert ours == pytest.approx(by_one)
        else:
            assert by_one == np.inf
            assert ours <= min(least(one, pair, 2) for pair in combinations(range(4), 2)) + 0.1
    assert {1, 2} <= set(sizes)
