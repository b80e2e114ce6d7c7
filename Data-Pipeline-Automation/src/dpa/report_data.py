"""What the report shows: a state of the warehouse, what the filters keep of it, and its figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from dpa import report_queries as queries
from dpa.dwh_url import DwhUrl
from dpa.errors import WarehouseError
from dpa.filters import Filters
from dpa.report_columns import MACHINES
from dpa.report_figures import (
    Kpi,
    Period,
    by_day,
    by_month,
    by_site,
    by_week,
    kpis,
    machine_rates,
    measures,
)
from dpa.warehouse import reading

LONG_DAYS: Final = 62
"""Two months, after which a chart shows weeks."""
VERY_LONG_DAYS: Final = 731
"""Two years, after which it shows months."""


@dataclass(frozen=True)
class ReportData:
    """The content of every sheet, each table in the order of its sheet's columns.

    `lot` is the run's row of `dim_lot`; `period` is None when the warehouse is empty and no day was
    asked for; `span` is what the warehouse holds of the chosen sites; `in_warehouse` counts all
    transactions, whatever the filters. `weeks` or `months` only for days too many to be told apart
    in a chart.
    """

    lot: Mapping[str, Any]
    filters: Filters
    span: Period | None
    period: Period | None
    in_warehouse: int
    kpis: list[Kpi]
    sites: pa.Table
    days: pa.Table
    weeks: pa.Table | None
    months: pa.Table | None
    transactions: pa.Table
    site_days: pa.Table
    machines: pa.Table
    rejects: pa.Table

    @property
    def shows_nothing(self) -> bool:
        """Tell whether the filters keep none of the warehouse's transactions."""
        return self.in_warehouse > 0 and not self.transactions.num_rows


NOTHING_SHOWN: Final = (
    "Le rapport ne montre aucune transaction : aucune n'est dans la période et les sites demandés "
    "(--from, --to, --sites)."
)


def read_report(
    url: DwhUrl, run_id: str | None, filters: Filters, busy_timeout_s: float
) -> ReportData:
    """Read one consistent state of the warehouse: what `filters` keep, the run, open rejects.

    Without `run_id`, the last run. Raises UsageError for a site that the warehouse does not
    know, WarehouseError.
    """
    with reading(url, busy_timeout_s) as reader:
        return report_of(reader, run_id or _last_run(reader), filters)


def _last_run(reader: queries.Reader) -> str:
    runs = reader.rows("SELECT run_id FROM dim_lot ORDER BY lot_key DESC LIMIT 1")
    if not runs:
        raise WarehouseError("rien n'a encore été chargé ; lancez un chargement.")
    return str(runs[0][0])


def report_of(reader: queries.Reader, run_id: str, filters: Filters) -> ReportData:
    """Read the report's content from an open warehouse; raises UsageError."""
    names = queries.site_names(reader)
    sites = queries.site_keys(names, filters.sites)
    span = queries.span(reader, sites)
    period = _period(span, filters)
    lots = queries.lots(reader)
    lot = lots.filter(pc.equal(lots["run_id"], run_id)).to_pylist()[0]
    before, is_whole = None, True
    if span and period and span.first < period.first:
        before = measures(queries.transactions(reader, names, sites, period.previous()))
        is_whole = span.first <= period.previous().first
    transactions = queries.transactions(reader, names, sites, period)
    site_days = queries.site_days(reader, sites, period)
    days = by_day(site_days)
    length = _length(days)
    return ReportData(
        lot=lot,
        filters=filters,
        span=span,
        period=period,
        in_warehouse=queries.transaction_count(reader),
        kpis=[*kpis(transactions, before, is_whole), _rejects_kpi(lot)],
        sites=by_site(site_days),
        days=days,
        weeks=by_week(days) if LONG_DAYS <= length < VERY_LONG_DAYS else None,
        months=by_month(days) if length >= VERY_LONG_DAYS else None,
        transactions=transactions,
        site_days=site_days,
        machines=machine_rates(transactions).select([column.label for column in MACHINES]),
        rejects=queries.rejects(reader),
    )


def _length(days: pa.Table) -> int:
    """Count the days from the first to the last."""
    moments = days["Jour"]
    return (moments[-1].as_py() - moments[0].as_py()).days if len(moments) else 0


def _period(span: Period | None, filters: Filters) -> Period | None:
    """Give the days that were asked for; where none was, those of the warehouse."""
    known = [span.first, span.last] if span else []
    asked = [day for day in (filters.first_day, filters.last_day) if day]
    if not known + asked:
        return None
    return Period(
        filters.first_day or min(known[:1] + asked), filters.last_day or max(known[1:] + asked)
    )


def _rejects_kpi(lot: Mapping[str, Any]) -> Kpi:
    share = lot["rows_rejected"] / lot["rows_read"] if lot["rows_read"] else None
    return Kpi("Part de rejets", share, None, "percent", "des lignes", "Rejetées par ce lot.")
