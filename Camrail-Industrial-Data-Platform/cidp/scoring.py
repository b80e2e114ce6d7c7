"""Readings in, failure risk out: the arithmetic that every door shares."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from cidp.telemetry import LABELS, READINGS, UNITS, Reading

Matrix = npt.NDArray[np.float32]
Table = npt.NDArray[np.float64]
Probabilities = npt.NDArray[np.float64]


CELLS = 64
"""Parts into which a reading's trained range is cut to order rows."""

MANY_ROWS = 512
"""From here on ordering rows costs less than it saves."""


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
        self.ranges = tuple(ranges)
        self._low = np.array([trained.minimum for trained in ranges], dtype=np.float32)
        self._high = np.array([trained.maximum for trained in ranges], dtype=np.float32)
        self._in_order = attrgetter(*(trained.name for trained in ranges))
        self._columns = [READINGS.index(trained.name) for trained in ranges]

    def probabilities(self, matrix: Matrix) -> Probabilities:
        """Return the risk of each row; `matrix` is (n, 4) in the order of the model's columns.

        A row has the same risk, to the last bit, alone and among others.
        """
        if len(matrix) < MANY_ROWS:
            return super().probabilities(matrix)
        order = self._neighbours_together(matrix)
        risks = np.empty(len(matrix))
        risks[order] = super().probabilities(matrix[order])
        return risks

    def _neighbours_together(self, matrix: Matrix) -> npt.NDArray[np.int64]:
        """Order rows so that those which follow each other take the same branches of the trees.

        The processor then foresees most branches, which halves the time of a large batch.
        """
        width = np.maximum(self._high - self._low, np.float32(1e-6))
        cells = np.clip((matrix - self._low) * (CELLS / width), 0, CELLS - 1).astype(np.int64)
        return np.argsort(cells @ CELLS ** np.arange(cells.shape[1]))

    def row(self, reading: Reading) -> Matrix:
        """Return `reading` as the model sees it: (1, 4) in the order of its columns."""
        return np.array([self._in_order(reading)], dtype=np.float32)

    def score_one(self, reading: Reading) -> Score:
        """Score a single reading, without the detours that pay only for many."""
        risk = float(self._session.run(self._outputs, {self._input: self.row(reading)})[0][0, 1])
        return Score(risk, risk > self.threshold, self.version)

    def score_many(self, readings: Sequence[Reading]) -> list[Score]:
        """Score readings in one run of the model, in their order."""
        if not readings:
            return []
        risks = self.risks(np.array([reading.values() for reading in readings])).tolist()
        return [Score(risk, risk > self.threshold, self.version) for risk in risks]

    def risks(self, values: Table) -> Probabilities:
        """Return the risk of each row of `values`, whose columns are those of `READINGS`."""
        if not len(values):
            return np.empty(0)
        return self.probabilities(np.ascontiguousarray(values[:, self._columns], dtype=np.float32))

    def causes(self, values: Table) -> npt.NDArray[np.int8]:
        """Return for each row of `values` which reading is furthest on its dangerous side.

        Distances are from the usual value, in spreads of training; columns are those of `READINGS`.
        """
        away = np.empty_like(values)
        for column, trained in zip(self._columns, self.ranges, strict=True):
            distance = (values[:, column] - trained.usual) / trained.spread
            away[:, column] = trained.monotone * distance if trained.monotone else abs(distance)
        furthest: npt.NDArray[np.int8] = away.argmax(axis=1).astype(np.int8)
        return furthest

    def warnings(self, reading: Reading) -> list[str]:
        """Name the readings outside what training saw, where the risk is an extrapolation."""
        return self._outside(reading.values())

    def warnings_of_rows(self, values: Table) -> dict[int, list[str]]:
        """Return the warnings of those rows of `values` that have some, by their position."""
        columns = values[:, self._columns]
        low = np.array([trained.minimum for trained in self.ranges])
        high = np.array([trained.maximum for trained in self.ranges])
        outside = ((columns < low) | (columns > high)).any(axis=1)
        return {int(row): self._outside(values[row].tolist()) for row in np.flatnonzero(outside)}

    def _outside(self, values: Sequence[float]) -> list[str]:
        return [
            _out_of_domain(trained, value)
            for column, trained in zip(self._columns, self.ranges, strict=True)
            if not trained.minimum <= (value := values[column]) <= trained.maximum
        ]


def _out_of_domain(trained: TrainedRange, value: float) -> str:
    unit = UNITS[trained.name]
    seen = f"{french(trained.minimum)} à {french(trained.maximum)} {unit}"
    return f"hors domaine : {LABELS[trained.name]} {french(value)} {unit}, appris de {seen}"


def french(value: float) -> str:
    """Write a number as French does."""
    return f"{value:.6g}".replace(".", ",")
