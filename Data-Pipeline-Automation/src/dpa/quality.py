"""Converts the text cells of a part, checks every row, and finds repeated transactions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dpa.cells import Coded, Conventions, coded, statuses
from dpa.columns import GRAM_DECIMALS, STATUS_CODES, TRANSACTION_COLUMNS
from dpa.dates import douala_days, instants
from dpa.rules import (
    FIRST_YEAR,
    LAST_YEAR,
    Faults,
    date_faults,
    identifier_faults,
    status_faults,
    volume_faults,
)
from dpa.text_buffers import byte_lengths, trimmed
from dpa.transform import critical_alerts
from dpa.volumes import numbers

Cells = Mapping[str, pa.Array]
"""The cells of each of our columns, large_string, as written."""


@dataclass(frozen=True)
class Typed:
    """The cells of a part, converted; NaT, NaN or -1 where a cell could not be.

    `date` is datetime64[s] in UTC, `tonnes` float64, `status` a position in STATUS_CODES.
    """

    transaction_id: pa.Array
    machine: Coded
    date: np.ndarray
    tonnes: np.ndarray
    status: np.ndarray


def fill_empty(cells: pa.Array, default: str) -> tuple[pa.Array, int]:
    """Put `default` into the blank cells; give the column and how many they were."""
    blank = byte_lengths(trimmed(cells)) == 0
    filled = pc.if_else(pa.array(blank), pa.scalar(default, cells.type), cells)
    return filled, int(blank.sum())


def check(cells: Cells, dates: np.ndarray, conventions: Conventions) -> tuple[Typed, Faults]:
    """Convert and check cells, whose dates are converted already, against the rules on one row."""
    identifiers, machines = trimmed(cells["transaction_id"]), coded(cells["machine_id"])
    tonnes = _tonnes(cells["volume_transferred"], conventions)
    states = coded(cells["status_code"])
    known = statuses(states.values, conventions.status_codes)
    machine_faults = identifier_faults("MACHINE", machines.values, "E")
    state_faults = status_faults(states.values, known)
    faults = {
        **identifier_faults("ID", identifiers),
        **{code: machines.spread(mask) for code, mask in machine_faults.items()},
        **date_faults(cells["date"], dates),
        **volume_faults(cells["volume_transferred"], tonnes),
        **{code: states.spread(mask) for code, mask in state_faults.items()},
    }
    return Typed(identifiers, machines, dates, tonnes, states.spread(known)), faults


def read_dates(cells: Cells, conventions: Conventions) -> np.ndarray:
    """Convert the dates."""
    return instants(cells["date"], conventions.date_formats)


def _tonnes(cells: pa.Array, conventions: Conventions) -> np.ndarray:
    read = numbers(cells, conventions.decimal)
    if conventions.volume_factor == 1.0:
        return read
    return np.round(read * conventions.volume_factor, GRAM_DECIMALS)


def accepted_rows(typed: Typed, sound: np.ndarray, lines: np.ndarray) -> pd.DataFrame:
    """Give the sound rows (a mask) as `CheckedPart.accepted` describes them."""
    tonnes, status, dates = typed.tonnes[sound], typed.status[sound], typed.date[sound]
    identifiers = typed.transaction_id
    if not sound.all():
        identifiers = identifiers.filter(pa.array(sound))
    rows = pd.DataFrame(
        {
            "transaction_id": pd.Series(_text(identifiers)),
            "machine_id": pd.Categorical.from_codes(
                typed.machine.codes[sound], pd.Index(_text(typed.machine.values))
            ),
            "date": pd.Series(dates).dt.tz_localize("UTC"),
            "date_key": date_keys(dates),
            "volume_transferred": tonnes,
            "status_code": pd.Categorical.from_codes(status, pd.Index(STATUS_CODES, dtype="str")),
            "source_line": lines[sound],
        },
        copy=False,
    )
    rows.insert(len(rows.columns) - 1, "critical_alert", critical_alerts(rows).astype("int8"))
    return rows


def _text(texts: pa.Array) -> pd.api.extensions.ExtensionArray:
    array: pd.api.extensions.ExtensionArray = pd.array(texts, dtype="str")
    return array


def date_keys(moments: np.ndarray) -> np.ndarray:
    """Give the civil day in Douala as a number, YYYYMMDD."""
    first, keys = _calendar()
    place = douala_days(moments) - first
    found: np.ndarray = keys[place.astype(np.int64)]
    return found


@cache
def _calendar() -> tuple[np.datetime64, np.ndarray]:
    """List YYYYMMDD of every day that an accepted row may have, and the first of these days."""
    days = np.arange(f"{FIRST_YEAR}-01-01", f"{LAST_YEAR + 1}-01-01", dtype="datetime64[D]")
    texts = np.char.replace(days.astype("U10"), "-", "")
    return days[0], texts.astype(np.int32)


def repeated_hashes(hashes: Iterable[np.ndarray]) -> np.ndarray:
    """Give, sorted, the hashes that stand more than once in all the arrays together."""
    everything = np.concatenate([np.empty(0, dtype=np.uint64), *hashes])
    everything.sort()
    repeats: np.ndarray = np.unique(everything[1:][everything[1:] == everything[:-1]])
    return repeats


def among(hashes: np.ndarray, repeated: np.ndarray) -> np.ndarray:
    """Mask the hashes that stand in `repeated`, which is sorted."""
    if not len(repeated):
        return np.zeros(len(hashes), dtype=bool)
    place = np.minimum(np.searchsorted(repeated, hashes), len(repeated) - 1)
    mask: np.ndarray = repeated[place] == hashes
    return mask


def conflicting(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Mask the rows whose transaction_id stands elsewhere in `rows` with other values."""
    distinct = rows.drop_duplicates(list(TRANSACTION_COLUMNS))
    ambiguous = distinct.loc[distinct["transaction_id"].duplicated(), "transaction_id"]
    return rows["transaction_id"].isin(ambiguous)
