"""A warehouse of either kind for tests: loads small parts into it, and looks inside."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pandas as pd

from dpa.dwh_url import DwhUrl
from dpa.given_back import GivenBack
from dpa.parts import CheckedPart
from dpa.warehouse import Loaded, connect, load

MACHINES = (("M1", "Douala", 2010), ("M2", "Yaoundé", None))
TABLES = (
    "dim_date", "dim_site", "dim_machine", "dim_statut", "fact_transactions",
    "aggr_daily_site_stats", "rejets", "audit_corrections",
)  # fmt: skip

Row = tuple[int, str, str, str, float, str]
"""Line, transaction, machine, instant in Douala, tonnes, status."""


def accepted(rows: Sequence[Row]) -> pd.DataFrame:
    """Give the accepted rows of a part."""
    lines, ids, machines, moments, volumes, statuses = zip(*rows, strict=True) if rows else [()] * 6
    local = pd.to_datetime(pd.Series(moments, dtype="str")).astype("datetime64[s]")
    days = local.dt.year * 10_000 + local.dt.month * 100 + local.dt.day
    volume = pd.Series(volumes, dtype="float64")
    status = pd.Series(statuses, dtype="str")
    return pd.DataFrame(
        {
            "transaction_id": pd.Series(ids, dtype="str"),
            "machine_id": pd.Series(machines, dtype="str").astype("category"),
            "date": (local - pd.Timedelta(hours=1)).dt.tz_localize("UTC"),
            "date_key": days.astype("int32"),
            "volume_transferred": volume,
            "status_code": status.astype("category"),
            "critical_alert": (volume.lt(20) & status.ne("OK")).astype("int8"),
            "source_line": pd.Series(lines, dtype="int64"),
        }
    )


def rejects(lines: Sequence[int], rule: str = "DATE_INVALIDE") -> pd.DataFrame:
    """Give the rejected lines of a part."""
    texts = {
        "rule_code": rule,
        "column_name": "date",
        "value": "hier",
        "reason": "La date n'existe pas.",
        "remedy": "Corriger la date.",
        "other_rules": "",
        "raw_row": '{"date": "hier"}',
    }
    line_numbers = pd.Series(lines, dtype="int64")
    filled = {name: pd.Series([text] * len(lines), dtype="str") for name, text in texts.items()}
    return pd.DataFrame({"source_line": line_numbers, **filled})


def part(rows: Sequence[Row] = (), rejected: Sequence[int] = (), **counts: Any) -> CheckedPart:
    """Give a part that accounts for its rows, rejects and duplicates."""
    read = len(rows) + len(rejected) + counts.get("duplicates", 0)
    return CheckedPart(read, accepted(rows), rejects(rejected), **counts)


def machine_list(machines: Iterable[tuple[str, str, int | None]]) -> pd.DataFrame:
    """Give a machine list as its reader does."""
    ids, sites, years = zip(*machines, strict=True)
    return pd.DataFrame(
        {
            "machine_id": pd.Series(ids, dtype="str"),
            "site_location": pd.Series(sites, dtype="str"),
            "installation_year": pd.array([*years], dtype="Int64"),
        }
    )


class Store:
    """A warehouse that does not exist yet, at `url`."""

    def __init__(self, url: DwhUrl) -> None:
        self.url = url
        self.runs = 0

    def load(
        self,
        *given: CheckedPart,
        parts: Iterable[CheckedPart] = (),
        machines: Iterable[tuple[str, str, int | None]] = MACHINES,
        sha256: str = "",
        closing: Mapping[int, int] | None = None,
        only_adds: bool = False,
        **lot: str,
    ) -> Loaded:
        """Load parts as one run, called R1, R2…; a file's content differs unless `sha256` says.

        `closing` gives the reject that each line mends.
        """
        self.runs += 1
        columns: dict[str, str | None] = {
            "run_id": f"R{self.runs}",
            "started_at": "2026-02-01T12:00:00Z",
            "version": "3.0.0",
            "kind": "reprise" if closing else "chargement",
            "transactions_path": "exports/erp.csv",
            "transactions_sha256": sha256 or f"{self.runs:064x}",
            "transactions_sheet": "",
            "machines_path": "machines.json",
            "machines_sha256": "b" * 64,
            "mapping_path": None,
            "mapping_sha256": None,
            **lot,
        }
        back = self._given_back(closing) if closing else None
        listed = machine_list(machines)
        return load(self.url, columns, listed, parts or given, 0.05, back, only_adds)

    def _given_back(self, closing: Mapping[int, int]) -> GivenBack:
        digests = dict(self.rows("SELECT reject_key, source_sha256 FROM rejets"))
        return GivenBack(
            {line: (key, digests.get(key, "")) for line, key in closing.items()},
            lambda lines, rule: rejects(lines, rule),
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Answer a query; days and instants as their ISO text."""
        with closing_connection(self.url) as database:
            found = database.rows(sql)
        return [tuple(_plain(value) for value in row) for row in found]

    def execute(self, sql: str) -> None:
        """Change the warehouse behind the loader's back."""
        with closing_connection(self.url) as database:
            database.execute(sql)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Give the content of every table but the runs."""
        with closing_connection(self.url) as database:
            return {
                table: sorted(database.rows(f"SELECT * FROM {table}"), key=repr)  # noqa: S608
                for table in TABLES
            }


def closing_connection(url: DwhUrl) -> Any:
    """Connect as the loader does, without a transaction."""
    return closing(connect(url, 1.0, create=False))


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat().removesuffix("+00:00")
    return value.item() if isinstance(value, np.generic) else value
