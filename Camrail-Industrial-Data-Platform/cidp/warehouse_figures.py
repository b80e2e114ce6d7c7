"""The figures of the logistics page, equal to those of the Excel report for the same filters."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cidp.errors import FieldError, RequestRefused
from cidp.warehouse import Query, day_text, instant_text, placeholders

MAX_ROWS = 20_000
"""Rows of one answer, beyond which the period must be narrowed."""


@dataclass(frozen=True)
class Asked:
    """What a caller wants to see: sites by name (none means all), first and last day, included."""

    sites: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Scope:
    """What is looked at: the sites that were asked for, and days that are known.

    `before_first` tells that the warehouse holds earlier days of these sites.
    """

    sites: tuple[str, ...]
    first: date | None
    last: date | None
    before_first: bool

    def condition(self) -> tuple[str, tuple[object, ...]]:
        """Return the SQL condition of this scope, and its values."""
        parts: list[str] = ["1 = 1"]
        values: list[object] = []
        if self.sites:
            parts.append(
                '"Clé site" IN (SELECT "Clé site" FROM v_lieux'  # noqa: S608 (question marks)
                f' WHERE "Site" IN ({placeholders(self.sites)}))'
            )
            values += self.sites
        if self.first and self.last:
            parts.append('"Clé jour" BETWEEN ? AND ?')
            values += [_key(self.first), _key(self.last)]
        return " AND ".join(parts), tuple(values)

    def previous(self) -> "Scope | None":
        """Return the days of the same number that end on the eve, if the warehouse has any."""
        if self.first is None or self.last is None or not self.before_first:
            return None
        days = (self.last - self.first).days + 1
        eve = self.first - timedelta(days=1)
        return Scope(self.sites, self.first - timedelta(days=days), eve, before_first=True)

    def as_json(self) -> dict[str, Any]:
        """Say which sites and days an answer is about."""
        return {
            "sites": list(self.sites),
            "from": self.first.isoformat() if self.first else None,
            "to": self.last.isoformat() if self.last else None,
        }


def scope_of(query: Query, asked: Asked) -> Scope:
    """Complete what was asked for by what the warehouse knows.

    Raises `RequestRefused` for a site that it does not know.
    """
    known = site_names(query)
    unknown = [site for site in asked.sites if site not in known]
    if unknown:
        raise RequestRefused(
            [FieldError(field="sites", message=f"site inconnu ; connus : {', '.join(known)}")]
        )
    everywhere = Scope(asked.sites, None, None, before_first=False)
    condition, values = everywhere.condition()
    low, high = query(
        f'SELECT MIN("Clé jour"), MAX("Clé jour") FROM v_stats_sites WHERE {condition}',  # noqa: S608
        *values,
    )[0]
    span = (_day(low), _day(high)) if low is not None else None
    first, last = _period(span, asked)
    return Scope(asked.sites, first, last, before_first=bool(span and first and span[0] < first))


def _period(span: tuple[date, date] | None, asked: Asked) -> tuple[date | None, date | None]:
    """Give the days that were asked for; where none was, those of the warehouse."""
    chosen = [day for day in (asked.first, asked.last) if day]
    days = [*(span or ()), *chosen]
    if not days:
        return None, None
    starts = [*(span or ())[:1], *chosen]
    ends = [*(span or ())[1:], *chosen]
    return asked.first or min(starts), asked.last or max(ends)


def site_names(query: Query) -> list[str]:
    """Return every site of the warehouse, in order."""
    return sorted(name for (name,) in query('SELECT "Site" FROM v_lieux'))


def measures(query: Query, scope: Scope) -> dict[str, float]:
    """Sum up the transactions of `scope`; tonnes, numbers, and shares from 0 to 1."""
    condition, values = scope.condition()
    count, volume, alerts, errors, machines, sites, days = query(
        'SELECT COUNT(*), SUM("Volume (t)"), SUM("Alerte critique"),'  # noqa: S608 (ours)
        ' SUM(CASE WHEN "Statut" = \'ERR\' THEN 1 ELSE 0 END), COUNT(DISTINCT "Machine"),'
        ' COUNT(DISTINCT "Clé site"), COUNT(DISTINCT "Clé jour")'
        f" FROM v_transactions WHERE {condition}",
        *values,
    )[0]
    count, volume, alerts, errors = (
        int(count),
        float(volume or 0),
        int(alerts or 0),
        int(errors or 0),
    )
    return {
        "volume_t": volume,
        "transactions": count,
        "mean_volume_t": volume / count if count else 0.0,
        "alerts": alerts,
        "alert_rate": alerts / count if count else 0.0,
        "error_rate": errors / count if count else 0.0,
        "machines": int(machines),
        "sites": int(sites),
        "days": int(days),
    }


def kpis(query: Query, scope: Scope) -> dict[str, Any]:
    """Compare the measures of `scope` with those of the period before, null without one."""
    now = measures(query, scope)
    earlier = scope.previous()
    then = measures(query, earlier) if earlier else None
    if then is None or not then["transactions"]:
        earlier, then = None, None
    return {
        "previous_period": earlier.as_json() if earlier else None,
        "kpis": [
            {"name": name, "value": value, "previous": then[name] if then else None}
            for name, value in now.items()
        ],
    }


def volumes(query: Query, scope: Scope) -> list[dict[str, Any]]:
    """Return one row per day and site with a transaction."""
    condition, values = scope.condition()
    rows = query(
        'SELECT "Jour", "Site", "Volume (t)", "Transactions", "Alertes critiques"'  # noqa: S608
        f" FROM v_stats_sites WHERE {condition} LIMIT {MAX_ROWS + 1}",
        *values,
    )
    _refuse_too_many(rows)
    found = [
        {
            "day": day_text(day),
            "site": site,
            "volume_t": float(volume),
            "transactions": int(transactions),
            "alerts": int(alerts),
        }
        for day, site, volume, transactions, alerts in rows
    ]
    return sorted(found, key=lambda row: (row["day"], row["site"]))


def alerts(query: Query, scope: Scope) -> list[dict[str, Any]]:
    """Return one row per day with a transaction."""
    condition, values = scope.condition()
    rows = query(
        'SELECT "Jour", SUM("Alertes critiques"), SUM("Transactions")'  # noqa: S608 (ours)
        f' FROM v_stats_sites WHERE {condition} GROUP BY "Jour" ORDER BY "Jour"'
        f" LIMIT {MAX_ROWS + 1}",
        *values,
    )
    _refuse_too_many(rows)
    return [
        {"day": day_text(day), "alerts": int(count), "transactions": int(transactions)}
        for day, count, transactions in rows
    ]


def machines(query: Query, scope: Scope, top: int) -> list[dict[str, Any]]:
    """Return the (machine, site) with the highest shares of status ERR, worst first."""
    condition, values = scope.condition()
    rows = query(
        'SELECT "Machine", "Site", COUNT(*),'  # noqa: S608 (ours)
        " SUM(CASE WHEN \"Statut\" = 'ERR' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN \"Statut\" = 'WARN' THEN 1 ELSE 0 END),"
        ' SUM("Alerte critique"), SUM("Volume (t)")'
        f' FROM v_transactions WHERE {condition} GROUP BY "Machine", "Site"',
        *values,
    )
    found = [
        {
            "machine": machine,
            "site": site,
            "transactions": int(transactions),
            "errors": int(errors),
            "warnings": int(warnings),
            "alerts": int(alerts),
            "volume_t": float(volume),
            "error_rate": int(errors) / int(transactions),
        }
        for machine, site, transactions, errors, warnings, alerts, volume in rows
    ]
    # Sorted here: each database has its own order of texts.
    return sorted(
        found, key=lambda row: (-row["error_rate"], -row["errors"], row["machine"], row["site"])
    )[:top]


def open_rejects(query: Query) -> list[dict[str, Any]]:
    """Return one row per rule that open rejects break first, the most frequent first."""
    rows = query(
        'SELECT "Règle", COUNT(*), SUM(CASE WHEN "Clé lot" ='
        ' (SELECT MAX("Clé lot") FROM v_lots) THEN 1 ELSE 0 END)'
        ' FROM v_rejets WHERE "État" = \'ouvert\' GROUP BY "Règle"'
        ' ORDER BY COUNT(*) DESC, "Règle"'
    )
    return [
        {"rule": rule, "open": int(count), "in_last_run": int(last)} for rule, count, last in rows
    ]


def runs(query: Query, limit: int) -> list[dict[str, Any]]:
    """Return the last committed runs, the newest first."""
    rows = query(
        'SELECT "Lot", "Début (UTC)", "Durée (s)", "Nature", "Lues", "Chargées", "Nouvelles",'  # noqa: S608
        ' "Corrigées", "Rejetées", "Doublons", "Volume chargé (t)"'
        f' FROM v_lots ORDER BY "Clé lot" DESC LIMIT {limit:d}'
    )
    names = ("run_id", "started_at", "duration_s", "kind", "read", "loaded", "inserted",
             "corrected", "rejected", "duplicates", "volume_t")  # fmt: skip
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [{**run, "started_at": instant_text(run["started_at"])} for run in found]


def _refuse_too_many(rows: list[tuple[Any, ...]]) -> None:
    if len(rows) > MAX_ROWS:
        raise RequestRefused(
            [FieldError(field="from", message=f"plus de {MAX_ROWS} lignes : réduisez la période")]
        )


def _key(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _day(key: int) -> date:
    return date(key // 10_000, key // 100 % 100, key % 100)
