"""A checked part becomes the rows that the warehouse ingests."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from dpa.columns import STATUS_CODES, UNKNOWN_MACHINE_KEY
from dpa.parts import CheckedPart
from dpa.transform import DailyPart, enrich, partial_daily_stats

_STATUS_KEYS: Final = {code: key for key, code in enumerate(STATUS_CODES, start=1)}
"""As `sql/schema.sql` fills `dim_statut`."""
_REJECT_TEXTS: Final = (
    "rule_code", "column_name", "value", "reason", "remedy", "other_rules", "raw_row",
)  # fmt: skip


@dataclass(frozen=True)
class PreparedPart:
    """What one part adds to the warehouse.

    `facts` lacks `transaction_key`, and its `date` has the database's form; `machines` are those of
    its rows, and the ones among them that `dim_machine` lacks are `unknown`.
    """

    part: CheckedPart
    facts: pa.Table
    rejects: pa.Table
    stats: DailyPart | None
    rejects_by_rule: Counter[str]
    machines: frozenset[str]
    unknown: frozenset[str]
    future_rows: int


def prepare(
    part: CheckedPart,
    machines: pd.DataFrame,
    lot_key: int,
    started_at: pd.Timestamp,
    instants: Callable[[pa.Array], pa.Array],
) -> PreparedPart:
    """Give a part its keys; `machines` has machine_id, site_location, machine_key, site_key.

    `instants` gives UTC instants (timestamp[s, UTC]) the form in which the database keeps them.
    """
    rows = enrich(part.accepted, machines)
    names = rows["machine_id"].cat.categories
    codes = rows["machine_id"].cat.codes.to_numpy()
    unknown = rows["machine_key"].to_numpy() == UNKNOWN_MACHINE_KEY
    return PreparedPart(
        part=part,
        facts=_facts(rows, lot_key, instants),
        rejects=rejects_table(part.rejects),
        stats=partial_daily_stats(rows) if len(rows) else None,
        rejects_by_rule=Counter(part.rejects["rule_code"].tolist()),
        machines=frozenset(names[np.unique(codes)]),
        unknown=frozenset(names[np.unique(codes[unknown])]),
        future_rows=int((rows["date"] > started_at).sum()),
    )


def _facts(rows: pd.DataFrame, lot_key: int, instants: Callable[[pa.Array], pa.Array]) -> pa.Table:
    statuses = rows["status_code"].cat
    keys = np.array([_STATUS_KEYS[code] for code in statuses.categories], np.int32)
    moments = rows["date"].dt.tz_localize(None).to_numpy("datetime64[s]")
    return pa.table(
        {
            "transaction_id": pa.array(rows["transaction_id"], pa.string()),
            "date_key": _integers(rows["date_key"]),
            "machine_key": _integers(rows["machine_key"]),
            "site_key": _integers(rows["site_key"]),
            "statut_key": pa.array(keys[statuses.codes.to_numpy()]),
            "lot_key": pa.array(np.full(len(rows), lot_key, np.int32)),
            "date": instants(pa.array(moments).cast(pa.timestamp("s", "UTC"))),
            "machine_id": _texts(rows["machine_id"]),
            "site_location": _texts(rows["site_location"]),
            "status_code": _texts(rows["status_code"]),
            "volume_transferred": pa.array(rows["volume_transferred"].to_numpy(np.float64)),
            "critical_alert": _integers(rows["critical_alert"]),
            "source_line": _integers(rows["source_line"]),
        }
    )


def rejects_table(rejects: pd.DataFrame) -> pa.Table:
    """Give `CheckedPart.rejects` as the rows of `staged_rejects`."""
    return pa.table(
        {
            "source_line": _integers(rejects["source_line"]),
            **{name: pa.array(rejects[name], pa.string()) for name in _REJECT_TEXTS},
        }
    )


def _integers(values: "pd.Series[int]") -> pa.Array:
    return pa.array(values.to_numpy(np.int32))


def _texts(values: pd.Series) -> pa.Array:
    """Give a category its texts, kept once each."""
    names = pa.array(values.cat.categories.tolist(), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(values.cat.codes.to_numpy(np.int32)), names)
