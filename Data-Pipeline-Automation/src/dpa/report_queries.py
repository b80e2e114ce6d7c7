"""The report's queries: typed Arrow tables out of a warehouse's views, SQLite or PostgreSQL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpa.columns import UNKNOWN_MACHINE_KEY
from dpa.filters import refuse_unknown_sites
from dpa.report_columns import REJECTS, SITE_DAYS, TRANSACTIONS, Column
from dpa.report_figures import ALERT, NO_ALERT, Period

_TYPES: Final = {
    "text": pa.string(),
    "integer": pa.int64(),
    "plain": pa.int64(),
    "decimal": pa.float64(),
    "percent": pa.float64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("s"),
}


LookedUp: TypeAlias = Mapping[str, tuple[str, Mapping[int, Any]]]


class Reader(Protocol):
    """One consistent state of a warehouse."""

    def table(self, sql: str, *values: object) -> pa.Table:
        """Give the whole answer."""
        ...

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Give the answer part by part."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Give the rows of a small answer."""
        ...


def lots(reader: Reader) -> pa.Table:
    """Read `dim_lot`, a row per run."""
    return reader.table("SELECT * FROM dim_lot")


def site_names(reader: Reader) -> dict[int, str]:
    """Read the sites by their keys."""
    return dict(reader.rows('SELECT "Clé site", "Site" FROM v_lieux'))


def site_keys(names: Mapping[int, str], chosen: Sequence[str]) -> list[int] | None:
    """Give the keys of the chosen sites, None for all; raises UsageError."""
    keys = {name: key for key, name in names.items()}
    refuse_unknown_sites(chosen, keys)
    return [keys[site] for site in chosen] or None


def _condition(sites: list[int] | None, period: Period | None) -> str:
    """Write the SQL condition of a filter, made of integers only."""
    parts = ["1 = 1"]
    if sites:
        parts.append(f'"Clé site" IN ({", ".join(map(str, sites))})')
    if period:
        parts.append(f'"Clé jour" BETWEEN {period.first:%Y%m%d} AND {period.last:%Y%m%d}')
    return " AND ".join(parts)


def span(reader: Reader, sites: list[int] | None) -> Period | None:
    """Give the first and the last day with a transaction of those sites."""
    first, last = reader.rows(
        'SELECT MIN("Clé jour"), MAX("Clé jour") FROM v_stats_sites '  # noqa: S608  (integers)
        f"WHERE {_condition(sites, None)}"
    )[0]
    return Period(_day(first), _day(last)) if first is not None else None


def _day(date_key: int) -> date:
    return date(date_key // 10_000, date_key // 100 % 100, date_key % 100)


def transaction_count(reader: Reader) -> int:
    """Count the transactions of the whole warehouse."""
    return int(reader.rows('SELECT COALESCE(SUM("Transactions"), 0) FROM v_stats_sites')[0][0])


def site_days(reader: Reader, sites: list[int] | None, period: Period | None) -> pa.Table:
    """Read the daily statistics of those sites and days, by day and site."""
    found = reader.table(
        f"SELECT * FROM v_stats_sites WHERE {_condition(sites, period)}"  # noqa: S608  (integers)
    )
    return _typed(found, SITE_DAYS).sort_by([("Jour", "ascending"), ("Site", "ascending")])


def transactions(
    reader: Reader, names: Mapping[int, str], sites: list[int] | None, period: Period | None
) -> pa.Table:
    """Read the transactions of those sites and days, by date; a repeated text is kept once."""
    looked_up = _looked_up_columns(reader, names)
    query = (
        'SELECT "Transaction", "Machine", "Clé site", "Clé machine", "Date (Douala)", '  # noqa: S608
        '"Volume (t)", "Statut", "Alerte critique", "Ligne source", "Clé lot" '
        f"FROM v_transactions WHERE {_condition(sites, period)}"
    )
    # Handed over without a name here, which would keep the unsorted columns alive.
    return _by_date(_concatenated([_complete(batch, looked_up) for batch in reader.batches(query)]))


def _looked_up_columns(reader: Reader, names: Mapping[int, str]) -> LookedUp:
    """Give the columns that a key stands for: the key's column, and the value of each key."""
    years: dict[int, int | None] = dict(
        reader.rows('SELECT "Clé machine", "Année d\'installation" FROM v_parc')
    )
    runs = lots(reader).to_pylist()
    return {
        "Site": ("Clé site", names),
        "Année d'installation": ("Clé machine", {**years, UNKNOWN_MACHINE_KEY: None}),
        "Alerte critique": ("Alerte critique", {0: NO_ALERT, 1: ALERT}),
        "Fichier source": ("Clé lot", {run["lot_key"]: run["transactions_file"] for run in runs}),
        "Feuille source": (
            "Clé lot",
            {run["lot_key"]: run["transactions_sheet"] or None for run in runs},
        ),
        "Lot": ("Clé lot", {run["lot_key"]: run["run_id"] for run in runs}),
    }


def _complete(batch: pa.RecordBatch, looked_up: LookedUp) -> pa.Table:
    """Give the columns of the sheet for some transactions."""
    columns = {name: batch[name] for name in batch.schema.names}
    for name, (key, values) in looked_up.items():
        columns[name] = _looked_up(batch[key], values)
    typed = _typed(pa.table(columns), TRANSACTIONS)
    for at, name in enumerate(typed.column_names):
        if name in ("Machine", "Statut"):
            typed = typed.set_column(at, name, typed[name].dictionary_encode())
    # Copied, since one column would keep the whole batch in the driver's memory.
    return typed.take(np.arange(typed.num_rows))


def _concatenated(parts: list[pa.Table]) -> pa.Table:
    empty = pa.schema([(column.label, _TYPES[column.kind]) for column in TRANSACTIONS])
    return pa.concat_tables(parts or [empty.empty_table()]).unify_dictionaries()


def _by_date(found: pa.Table) -> pa.Table:
    order = pc.sort_indices(found, [("Date (Douala)", "ascending"), ("Transaction", "ascending")])
    in_order = {}
    for name in found.column_names:
        # One by one, so that two copies of one column exist at a time, not of all.
        in_order[name] = found[name].take(order)
        found = found.drop_columns([name])
    return pa.table(in_order)


def _looked_up(keys: pa.Array, values: Mapping[int, Any]) -> pa.Array:
    """Give the value of each key, missing for an unknown key."""
    at = pc.index_in(pc.cast(keys, pa.int64()), value_set=pa.array(values, pa.int64()))
    found = pa.array(values.values())
    return (
        pa.DictionaryArray.from_arrays(at, found)
        if pa.types.is_string(found.type)
        else found.take(at)
    )


def rejects(reader: Reader) -> pa.Table:
    """Read the open rejects, those of the last run first, in the order of their file."""
    found = reader.table(
        """SELECT * FROM v_rejets WHERE "État" = 'ouvert' """
        'ORDER BY "Clé lot" DESC, "Ligne", "Rejet"'
    )
    typed = _typed(found, REJECTS)
    shown = [" | ".join(json.loads(row).values()) for row in typed["Ligne d'origine"].to_pylist()]
    at = typed.column_names.index("Ligne d'origine")
    return typed.set_column(at, "Ligne d'origine", pa.array(shown, pa.string()))


def _typed(found: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Give the columns of a sheet, each in the type of its kind, whichever database answered."""
    return pa.table(
        {column.label: _cast(found[column.label], _TYPES[column.kind]) for column in columns}
    )


def _cast(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(values.type) and pa.types.is_string(kind):
        return values
    if values.null_count == len(values):
        # SQLite tells no type without a value.
        return pa.chunked_array([pa.nulls(len(values), kind)])
    return pc.cast(values, kind, safe=False)
