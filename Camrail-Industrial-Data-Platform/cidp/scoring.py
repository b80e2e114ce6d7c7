"""Readings in, failure risk out: the arithmetic that every door shares."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from cidp.telemetry import LABELS, READINGS, UNITS, Reading

Matrix = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]


class TrainedRange(NamedTuple):
    """What training saw of one reading: its extremes, its usual value and how far it spreads.

    `monotone` is the sign that the risk has in this reading, 0 where both directions are faults.
    """

    name: str
    minimum: float
    maximum: float
    usual: float
    spread: float
    monotone: int


class Score(NamedTuple):
    """Risk of one reading; `critical` is decided before any rounding."""

    probability: float
    critical: bool
    model_version: str


class Model:
    """A loaded model of either slot, safe to share between threads.

    A row is critical when its probability is strictly above `threshold`, as scikit-learn decides.
    """

    def __init__(
        self, session: ort.InferenceSession, output: str, threshold: float, version: str
    ) -> None:
        self.threshold = threshold
        self.version = version
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [output]

    def probabilities(self, matrix: Matrix) -> Probabilities:
        """Return the risk of each row of `matrix`, which has the columns of the model in order."""
        both_classes = self._session.run(self._outputs, {self._input: matrix})[0]
        risks: Probabilities = both_classes[:, 1].astype(np.float64)
        return risks


class Scorer(Model):
    """A loaded model of the *instant* slot; `ranges` gives its readings in their order."""

    def __init__(
        self,
        session: ort.InferenceSession,
        output: str,
        ranges: Sequence[TrainedRange],
        threshold: float,
        version: str,
    ) -> None:
        super().__init__(session, output, threshold, version)
        self._ranges = tuple(ranges)
        self._in_order = attrgetter(*(trained.name for trained in ranges))
        self._columns = [READINGS.index(trained.name) for trained in ranges]

    def score_one(self, reading: Reading) -> Score:
        """Score a single reading, without the detours that pay only for many."""
        row = np.array([self._in_order(reading)], dtype=np.float32)
        risk = float(self._session.run(self._outputs, {self._input: row})[0][0, 1])
        return Score(risk, risk > self.threshold, self.version)

    def score_many(self, readings: Sequence[Reading]) -> list[Score]:
        """Score readings in one run of the model, in their order."""
        if not readings:
            return []
        risks = self.risks(np.array([reading.values() for reading in readings])).tolist()
        return [Score(risk, risk > self.threshold, self.version) for risk in risks]

    def risks(self, values: Probabilities) -> Probabilities:
        """Return the risk of each row of `values`, whose columns are those of `READINGS`."""
        if not len(values):
            return np.empty(0)
        return self.probabilities(values[:, self._columns].astype(np.float32))

    def causes(self, values: Probabilities) -> npt.NDArray[np.int8]:
        """Return for each row of `values` which reading is furthest on its dangerous side.

        Distances are from the usual value, in spreads of training; columns are those of `READINGS`.
        """
        away = np.empty_like(values)
        for column, trained in zip(self._columns, self._ranges, strict=True):
            distance = (values[:, column] - trained.usual) / trained.spread
            away[:, column] = trained.monotone * distance if trained.monotone else abs(distance)
        furthest: npt.NDArray[np.int8] = away.argmax(axis=1).astype(np.int8)
        return furthest

    def warnings(self, reading: Reading) -> list[str]:
        """Name the readings outside what training saw, where the risk is an extrapolation."""
        values = reading.values()
        return [
            _out_of_domain(trained, value)
            for column, trained in zip(self._columns, self._ranges, strict=True)
            if not trained.minimum <= (value := values[column]) <= trained.maximum
        ]


def _out_of_domain(trained: TrainedRange, value: float) -> str:
    unit = UNITS[trained.name]
    seen = f"{_french(trained.minimum)} à {_french(trained.maximum)} {unit}"
    return f"hors domaine : {LABELS[trained.name]} {_french(value)} {unit}, appris de {seen}"


def _french(value: float) -> str:
    return f"{value:.6g}".replace(".", ",")
