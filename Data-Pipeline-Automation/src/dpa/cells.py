"""How a file writes its cells, and the codes that few distinct texts stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpa.columns import STATUS_CODES
from dpa.text_buffers import trimmed


@dataclass(frozen=True)
class Conventions:
    """How a file writes its cells.

    `date_formats` are tried in order and know the directives %Y %y %m %d %b (English month, three
    letters). `decimal_from` tells whether the mapping gives the decimal mark, some volume of the
    file shows it, or it is but guessed. `volume_factor` turns the file's unit into tonnes.
    `status_codes` translates the file's statuses; OK, WARN and ERR stand for themselves unless it
    says otherwise.
    """

    date_formats: tuple[str, ...] = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%Y%m%d")
    decimal: str = "."
    volume_factor: float = 1.0
    status_codes: Mapping[str, str] = field(default_factory=dict)
    decimal_from: Literal["given", "shown", "guessed"] = "given"


@dataclass(frozen=True)
class Coded:
    """A text column as codes into its distinct values, trimmed."""

    codes: np.ndarray
    values: pa.Array

    def spread(self, per_value: np.ndarray) -> np.ndarray:
        """Give each row what `per_value` says of its value."""
        spread: np.ndarray = per_value[self.codes]
        return spread


def coded(texts: pa.Array) -> Coded:
    """Trim a column that repeats few values, each of them once."""
    raw = texts.dictionary_encode()
    values = trimmed(raw.dictionary).dictionary_encode()
    return Coded(values.indices.to_numpy()[raw.indices.to_numpy()], values.dictionary)


def statuses(values: pa.Array, status_codes: Mapping[str, str]) -> np.ndarray:
    """Give the position in STATUS_CODES of each status, translated; -1 where it is not known."""
    known = {code: code for code in STATUS_CODES} | dict(status_codes)
    places = np.array([STATUS_CODES.index(code) for code in known.values()] + [-1], dtype=np.int8)
    found = pc.index_in(values, pa.array(list(known), values.type)).fill_null(len(known))
    positions: np.ndarray = places[found.to_numpy()]
    return positions
