"""How far the readings that come now lie from those that training saw."""

import itertools
import mmap
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from cidp.model_bundle import Distribution, Manifest

KEPT_ROWS = 8192
"""Newest readings that each worker keeps."""

WINDOW_S = 3600.0
ENOUGH_ROWS = 500
"""Fewer readings than this would move the index by chance alone."""

RISK = "risk"
_ROW = struct.Struct("<6d")  # instant, the four readings, the risk
_EMPTY_SHARE = 1e-4
Rows = npt.NDArray[np.float64]


class RecentReadings:
    """The newest readings that this process scored and did not store, in a ring of fixed size.

    With a `file` other processes can read the ring while it is written.
    """

    def __init__(self, file: Path | None = None, now_s: Callable[[], float] = time.time) -> None:
        size = KEPT_ROWS * _ROW.size
        self._ring: bytearray | mmap.mmap = bytearray(size) if file is None else _mapped(file, size)
        self._now_s = now_s
        self._turn = itertools.count()

    def note(self, readings: Sequence[float], risk: float) -> None:
        """Keep one scored reading, given in the order of the contract."""
        place = next(self._turn) % KEPT_ROWS * _ROW.size
        _ROW.pack_into(self._ring, place, self._now_s(), *readings, risk)

    def rows(self) -> Rows:
        """Copy the ring: one row per reading, with zeros where none has come yet."""
        return as_rows(bytes(self._ring))


def _mapped(file: Path, size: int) -> mmap.mmap:
    with file.open("a+b") as opened:
        opened.truncate(size)
        return mmap.mmap(opened.fileno(), size)


def as_rows(ring: bytes) -> Rows:
    """Read the bytes of a ring."""
    return np.frombuffer(ring, dtype="<f8").reshape(-1, 6)


def stability_index(reference: "Distribution", values: Rows) -> float:
    """Return the population stability index of `values` against the shares of `reference`.

    Sum of (now - then) * ln(now / then) over the intervals (Siddiqi, Credit Risk Scorecards, 2006);
    by custom, 0.1 is a shift and 0.25 a large one. An empty interval counts as one in 10,000.
    """
    edges = np.asarray(reference.edges)
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    now = np.maximum(counts / len(values), _EMPTY_SHARE)
    then = np.maximum(np.asarray(reference.shares), _EMPTY_SHARE)
    return float(np.sum((now - then) * np.log(now / then)))


def within_window(rings: Iterable[Rows], now_s: float) -> Rows:
    """Return the four readings and the risk of what the rings have of the last `WINDOW_S`."""
    rows = np.concatenate([*rings, np.empty((0, 6))])
    return rows[rows[:, 0] > max(now_s - WINDOW_S, 0), 1:]  # 0: no reading yet


class DriftCollector(Collector):
    """Compares at each scrape what came with the reference of the model that serves.

    `sources` give by name the readings, in the `order` of the contract, and the risk, or None when
    they cannot be read; one is never mixed with another.
    """

    def __init__(
        self,
        sources: Mapping[str, Callable[[], Rows | None]],
        manifest: "Callable[[], Manifest | None]",
        order: Sequence[str],
    ) -> None:
        self._sources = sources
        self._manifest = manifest
        self._columns = {name: column for column, name in enumerate(order)}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the number of readings and, where there are enough, one index per variable.

        A source that cannot be read has neither.
        """
        counts = GaugeMetricFamily(
            "api_drift_readings", "Readings that drift is measured on.", labels=["source"]
        )
        index = GaugeMetricFamily(
            "api_drift_psi",
            "Population stability index of the readings and of the risk against training.",
            labels=["source", "variable"],
        )
        manifest = self._manifest()
        for source, read in self._sources.items():
            rows = read()
            if rows is None:
                continue
            counts.add_metric([source], len(rows))
            if manifest is None or len(rows) < ENOUGH_ROWS:
                continue
            for feature in manifest.features:
                column = rows[:, self._columns[feature.name]]
                found = stability_index(feature.reference, column)
                index.add_metric([source, feature.name], found)
            found = stability_index(manifest.risk_reference, rows[:, -1])
            index.add_metric([source, RISK], found)
        yield counts
        yield index
