"""Why a reading has its risk, and the smallest change that would make it nominal.

Contributions are Shapley values: the mean, over every order in which the four readings can be
learnt, of what each adds to the expected risk, the readings not yet learnt being those of the
background (Lundberg and Lee 2017, "A unified approach to interpreting model predictions").
With four readings all sixteen coalitions are computed, so that nothing is sampled.
"""

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cidp.scoring import Matrix, Scorer, TrainedRange, french
from cidp.telemetry import LABELS, READINGS, UNITS, Reading

STEPS: Final = {"flow_rate": 1.0, "pressure": 0.1, "vibration": 0.1, "temperature": 1.0}
"""Finest change that is worth asking of a workshop, in the unit of the reading."""

LEADING_VALUES: Final = {2: 12, 3: 6, 4: 4}
"""Values tried of each reading but the last, by how many readings change."""

Row = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WIDTH: Final = len(READINGS)
_MEMBERS: Final = np.array(list(product((False, True), repeat=WIDTH)))


class Counterfactual(NamedTuple):
    """New values of some readings, by name, the risk with them, and how to say it."""

    changes: dict[str, float]
    probability: float
    sentence: str


class Explanation(NamedTuple):
    """A risk as its parts: `probability` is `base_probability` and the `contributions` added up.

    `counterfactual` is None when the reading is nominal already, or when no reading inside what
    training saw is.
    """

    probability: float
    base_probability: float
    contributions: dict[str, float]
    sentence: str
    counterfactual: Counterfactual | None

    def body(self) -> dict[str, Any]:
        """Return the `explanation` of an answer to `POST /predict`, nothing of it rounded."""
        nearest = self.counterfactual
        return self._asdict() | {"counterfactual": nearest._asdict() if nearest else None}


class Explainer:
    """Explains the risks of `scorer` against `background`, rows in the order of its columns."""

    def __init__(self, scorer: Scorer, background: Sequence[Sequence[float]]) -> None:
        self._scorer = scorer
        self._background = np.array(background, dtype=np.float32)
        self._names = [trained.name for trained in scorer.ranges]
        self._base = float(scorer.probabilities(self._background).mean())
        self._weights = _shapley_weights()

    def explain(self, reading: Reading) -> Explanation:
        """Explain the risk of `reading` and look for its way back to nominal."""
        row = self._scorer.row(reading)
        expected = self._expected_risks(row)
        parts = dict(zip(self._names, (self._weights @ expected).tolist(), strict=True))
        contributions = {name: parts[name] for name in READINGS}
        probability = float(expected[-1])
        critical = probability > self._scorer.threshold
        return Explanation(
            probability,
            self._base,
            contributions,
            contributions_sentence(contributions),
            nearest_nominal(self._scorer, row[0]) if critical else None,
        )

    def _expected_risks(self, row: Matrix) -> npt.NDArray[np.float64]:
        """Mean risk of each coalition: its readings from `row`, the others from the background."""
        partial = _MEMBERS[1:-1, np.newaxis, :]
        mixed = np.where(partial, row, self._background).reshape(-1, WIDTH)
        risks = self._scorer.probabilities(np.concatenate([mixed, row]))
        means = risks[:-1].reshape(-1, len(self._background)).mean(axis=1)
        return np.concatenate([[self._base], means, risks[-1:]])


def _shapley_weights() -> npt.NDArray[np.float64]:
    """Return the (4, 16) matrix that turns the risks of the coalitions into Shapley values."""
    sizes = _MEMBERS.sum(axis=1)
    orders = math.factorial(WIDTH)
    weights = np.zeros((WIDTH, len(_MEMBERS)))
    for coalition, (members, size) in enumerate(zip(_MEMBERS, sizes.tolist(), strict=True)):
        for player in range(WIDTH):
            others = size - int(members[player])
            share = math.factorial(others) * math.factorial(WIDTH - others - 1) / orders
            weights[player, coalition] = share if members[player] else -share
    return weights


def contributions_sentence(contributions: dict[str, float]) -> str:
    """Say the contributions in points of risk, the heaviest first: « Vibration +34 pts »."""
    points = {name: round(100 * part) for name, part in contributions.items()}
    heaviest = sorted((name for name in points if points[name]), key=lambda n: -abs(points[n]))
    if not heaviest:
        return "Aucune mesure ne déplace le risque d'un point"
    said = ", ".join(f"{LABELS[name]} {_points(points[name])}" for name in heaviest)
    return said[0].upper() + said[1:]


def _points(points: int) -> str:
    sign = "+" if points > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(points)} {'pt' if abs(points) == 1 else 'pts'}"


def nearest_nominal(scorer: Scorer, row: Row) -> Counterfactual | None:
    """Return the smallest change of a critical `row` that makes it nominal.

    As few readings as possible change, each to a value inside what training saw and in the
    direction that lowers its risk; among those the smallest sum of changes, as shares of the
    ranges. Exact for one reading; for several, the best of a grid, moved back as far as it goes.
    """
    search = _Search(scorer, row)
    for size in range(1, WIDTH + 1):
        found = search.changing(size)
        if found is not None:
            return _counterfactual(scorer, row, found)
    return None


def _counterfactual(scorer: Scorer, row: Row, found: Row) -> Counterfactual:
    changed = [column for column in range(WIDTH) if found[column] != row[column]]
    targets = {scorer.ranges[c].name: (_plain(found[c]), _direction(scorer, c)) for c in changed}
    ordered = [name for name in READINGS if name in targets]
    said = [f"{LABELS[n]} {targets[n][1]} {french(targets[n][0])} {UNITS[n]}" for n in ordered]
    probability = float(scorer.probabilities(found[np.newaxis, :])[0])
    return Counterfactual(
        {name: targets[name][0] for name in ordered}, probability, " et ".join(said)
    )


def _direction(scorer: Scorer, column: int) -> str:
    return {1: "sous", -1: "au-dessus de", 0: "à"}[scorer.ranges[column].monotone]


def _plain(value: np.float32) -> float:
    """Return a target as it is written; every target is a whole number of tenths at most."""
    return round(float(value), 1)


def _options(trained: TrainedRange, value: float) -> Row:
    """Values that a reading may take instead of `value`, the nearest first."""
    step = STEPS[trained.name]
    first, last = math.ceil(trained.minimum / step), math.floor(trained.maximum / step)
    values = np.round(np.arange(first, last + 1) * step, 1)
    if trained.monotone:
        values = values[(value - values) * trained.monotone > 0]
    nearest = np.argsort(np.abs(values - value), kind="stable")
    return values[nearest].astype(np.float32)


class _Search:
    """The search for the nearest nominal reading around one critical `row`.

    `_options` holds, for each column, the values that it may take instead, the nearest first, and
    `_costs` how far each is, as a share of the range that training saw (Gower 1971). Where the risk
    is monotone it falls along the options, so that halving finds the first nominal one.
    """

    def __init__(self, scorer: Scorer, row: Row) -> None:
        self._scorer = scorer
        self._row = row
        ranges = scorer.ranges
        options = [_options(t, float(v)) for t, v in zip(ranges, row, strict=True)]
        self._counts = np.array([len(values) for values in options])
        self._options = np.stack([np.resize(v, max(self._counts.max(), 1)) for v in options])
        self._widths = np.array([t.maximum - t.minimum or 1.0 for t in ranges])
        self._costs = np.abs(self._options - row[:, np.newaxis]) / self._widths[:, np.newaxis]
        self._falling = [bool(trained.monotone) for trained in ranges]
        # A reading that is not monotone comes first: along the last one the search halves.
        changeable = np.flatnonzero(self._counts).tolist()
        self._changeable: list[int] = sorted(changeable, key=lambda c: self._falling[c])

    def changing(self, size: int) -> Row | None:
        """Return the nearest nominal row that changes `size` readings, or None."""
        led, columns, found = [], [], []
        for *leading, last in combinations(self._changeable, size):
            rows = self._led(leading, size)
            if self._falling[last]:
                led.append(rows)
                columns += [last] * len(rows)
            else:
                found += [self._first_nominal(row, last) for row in rows]
        if led:
            found.append(self._nearest_halved(np.concatenate(led), np.array(columns)))
        nominal = [row for row in found if row is not None]
        return self._moved_back(min(nominal, key=self._distance)) if nominal else None

    def _led(self, columns: Sequence[int], size: int) -> Matrix:
        """Rows in which `columns` take some of their options, every combination of them."""
        chosen = [self._spread(column, LEADING_VALUES[size]) for column in columns]
        values = list(product(*chosen))
        rows = np.repeat(self._row[np.newaxis, :], len(values), axis=0)
        rows[:, list(columns)] = np.array(values, dtype=np.float32).reshape(len(values), -1)
        return rows

    def _spread(self, column: int, count: int) -> list[float]:
        """Return about `count` options of `column`, the nearest and the farthest among them."""
        last = int(self._counts[column]) - 1
        places = sorted({round(last * part / (count - 1)) for part in range(count)})
        values: list[float] = self._options[column, places].tolist()
        return values

    def _nearest_halved(self, rows: Matrix, columns: Places) -> Row | None:
        """Move the one column of each row until the row is nominal; return the nearest such row.

        Rows are moved at once, and dropped as soon as another one is sure to be nearer.
        """
        kept = np.flatnonzero(self._are_nominal(rows, columns, self._counts[columns] - 1))
        rows, columns = rows[kept], columns[kept]
        if not len(rows):
            return None
        led = (np.abs(rows - self._row) / self._widths).sum(axis=1)
        low, high = np.full(len(rows), -1), self._counts[columns] - 1
        while True:
            at_most = (led + self._costs[columns, high]).min()
            hopeful = (high - low > 1) & (led + self._costs[columns, low + 1] <= at_most)
            if not hopeful.any():
                break
            middle = (low[hopeful] + high[hopeful]) // 2
            nominal = self._are_nominal(rows[hopeful], columns[hopeful], middle)
            high[hopeful] = np.where(nominal, middle, high[hopeful])
            low[hopeful] = np.where(nominal, low[hopeful], middle)
        best = np.argmin(led + self._costs[columns, high])
        nearest: Row = self._moved(rows[[best]], columns[[best]], high[[best]])[0]
        return nearest

    def _first_nominal(self, row: Row, column: int) -> Row | None:
        """Return `row` with the nearest option of `column` that makes it nominal, or None."""
        if self._falling[column]:
            return self._nearest_halved(row[np.newaxis, :], np.array([column]))
        places = np.arange(self._counts[column])
        rows = np.repeat(row[np.newaxis, :], len(places), axis=0)
        rows[:, column] = self._options[column, places]
        nominal = np.flatnonzero(self._nominal(rows))
        return rows[nominal[0]] if len(nominal) else None

    def _moved_back(self, row: Row) -> Row:
        """Move each changed reading back towards what it was, as far as the row stays nominal.

        The last one is where it must be already, the more so once the others have moved back.
        """
        changed = [column for column in self._changeable if row[column] != self._row[column]]
        for column in changed[:-1]:
            nearer = self._first_nominal(row, column)
            row = row if nearer is None else nearer
        return row

    def _are_nominal(self, rows: Matrix, columns: Places, options: Places) -> Flags:
        return self._nominal(self._moved(rows, columns, options))

    def _nominal(self, rows: Matrix) -> Flags:
        nominal: Flags = self._scorer.probabilities(rows) <= self._scorer.threshold
        return nominal

    def _moved(self, rows: Matrix, columns: Places, options: Places) -> Matrix:
        moved = rows.copy()
        moved[np.arange(len(rows)), columns] = self._options[columns, options]
        return moved

    def _distance(self, row: Row) -> float:
        return float(np.sum(np.abs(row - self._row) / self._widths))
