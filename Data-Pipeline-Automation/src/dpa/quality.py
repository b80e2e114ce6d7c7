"""Splits raw transaction rows into accepted rows, duplicates and rejects, none lost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dpa.cells import Conventions, douala_day, instants, numbers, statuses
from dpa.columns import TRANSACTION_COLUMNS
from dpa.rules import RULES, broken_rules

GRAM_DECIMALS = 6
"""A converted unit is rounded to the gram, so that 0.1 + 0.2 stays 0.3 in the warehouse."""


@dataclass(frozen=True)
class Checked:
    """Every row of the raw table, in exactly one of three places.

    `accepted`: typed columns, `day` (Douala) and `source_line`, on the raw table's index.
    `rejects`: one row per rejected row, on the raw table's index: `rule_code` (the first broken
    rule), `column_name`, `value` (as written) and `other_rules` (codes of the further ones).
    `duplicates`: number of identical repeats within the table, left out of `accepted`.
    """

    accepted: pd.DataFrame
    rejects: pd.DataFrame
    duplicates: int


def convert(texts: pd.DataFrame, conventions: Conventions) -> pd.DataFrame:
    """Convert trimmed text cells to their types, volumes to tonnes."""
    tonnes = numbers(texts["volume_transferred"], conventions.decimal)
    if conventions.volume_factor != 1.0:
        tonnes = (tonnes * conventions.volume_factor).round(GRAM_DECIMALS)
    return texts.assign(
        date=instants(texts["date"], conventions.date_formats),
        volume_transferred=tonnes,
        status_code=statuses(texts["status_code"], conventions.status_codes),
    )


def conflicting(rows: pd.DataFrame) -> pd.Series:
    """Mask the rows whose transaction_id stands elsewhere in `rows` with other values."""
    distinct = rows.drop_duplicates(list(TRANSACTION_COLUMNS))
    ambiguous = distinct.loc[distinct["transaction_id"].duplicated(), "transaction_id"]
    return rows["transaction_id"].isin(ambiguous)


def _rejects(raw: pd.DataFrame, faults: dict[str, np.ndarray]) -> pd.DataFrame:
    """List each faulty row once, with its first broken rule and the codes of the others."""
    codes = np.array(list(faults))
    matrix = np.column_stack(list(faults.values()))
    guilty = np.flatnonzero(matrix.any(axis=1)).tolist()
    broken = [codes[matrix[position]] for position in guilty]
    columns = [RULES[found[0]].column for found in broken]
    values = [raw[column].iat[position] for position, column in zip(guilty, columns, strict=True)]
    return pd.DataFrame(
        {
            "rule_code": [str(found[0]) for found in broken],
            "column_name": columns,
            "value": values,
            "other_rules": [", ".join(found[1:]) for found in broken],
        },
        index=raw.index[guilty],
        dtype="str",
    )


def check(raw: pd.DataFrame, conventions: Conventions) -> Checked:
    """Check raw rows against every rule.

    `raw` holds the five transaction columns as text, and `source_line`, on a RangeIndex. Identical
    repeats of a transaction count as duplicates and the first one stays; one identifier with
    several values is a conflict, and all its rows are rejected.
    """
    texts = raw[list(TRANSACTION_COLUMNS)].apply(lambda column: column.str.strip())
    typed = convert(texts, conventions)
    faults = broken_rules(texts, typed)
    valid = ~np.column_stack(list(faults.values())).any(axis=1)
    conflict = np.zeros(len(raw), dtype=bool)
    conflict[valid] = conflicting(typed.loc[np.flatnonzero(valid)]).to_numpy(dtype=bool)
    sound = typed.loc[np.flatnonzero(valid & ~conflict)]
    accepted = sound.drop_duplicates("transaction_id")
    return Checked(
        # Aligned by hand: a frame without rows would take over the index of a longer column.
        accepted=accepted.assign(
            day=douala_day(accepted["date"]), source_line=raw["source_line"].loc[accepted.index]
        ),
        rejects=_rejects(raw, {**faults, "ID_EN_CONFLIT": conflict}),
        duplicates=len(sound) - len(accepted),
    )
