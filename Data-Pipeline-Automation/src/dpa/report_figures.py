"""The report's figures, computed from the transactions that it shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

ALERT: Final = "Oui"
NO_ALERT: Final = "Non"


@dataclass(frozen=True)
class Period:
    """Civil days in Douala, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    def previous(self) -> "Period":
        """Give the period of the same length that ends on the eve."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))

    def __str__(self) -> str:
        return f"du {self.first:%d/%m/%Y} au {self.last:%d/%m/%Y}"


@dataclass(frozen=True)
class Kpi:
    """One figure of the period; `previous` is that of the period before, None when it has no rows.

    `value` is None for a mean or a share of nothing. `kind` is the cell format that suits it. A
    share changes by points, anything else by per cent; nothing is compared with a period that the
    warehouse holds in part, unless `is_whole`.
    """

    label: str
    value: float | None
    previous: float | None
    kind: Literal["decimal", "integer", "percent"]
    unit: str
    meaning: str
    is_whole: bool = True

    @property
    def change(self) -> float | None:
        """Points or share of the previous value; None without one, or when that one is zero."""
        if self.value is None or self.previous is None or not self.is_whole:
            return None
        if self.kind == "percent":
            return (self.value - self.previous) * 100
        return self.value / self.previous - 1 if self.previous else None

    @property
    def trend(self) -> str:
        """The direction of the change in a sign and a word."""
        if self.value is None:
            return "sans objet"
        if self.previous is None:
            return "sans précédent"
        if not self.is_whole:
            return "précédent incomplet"
        if self.value == self.previous:
            return "= stable"
        return "▲ hausse" if self.value > self.previous else "▼ baisse"


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _equal(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    return pc.equal(column, pa.scalar(value))


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0


def _distinct(column: pa.ChunkedArray) -> int:
    return len(pc.unique(column))


def measures(transactions: pa.Table) -> dict[str, float | None]:
    """Sum up transactions, in the columns of their sheet; a mean or share of nothing is None."""
    count = transactions.num_rows
    volume = pc.sum(transactions["Volume (t)"]).as_py() or 0.0
    alerts = _count(_equal(transactions["Alerte critique"], ALERT))
    return {
        "volume": volume,
        "count": count,
        "mean_volume": _share(volume, count),
        "alerts": alerts,
        "alert_rate": _share(alerts, count),
        "error_rate": _share(_count(_equal(transactions["Statut"], "ERR")), count),
        "machines": _distinct(transactions["Machine"]),
        "sites": _distinct(transactions["Site"]),
        "days": _distinct(pc.cast(transactions["Date (Douala)"], pa.date32())),
    }


_KPIS: Final[tuple[tuple[str, str, Literal["decimal", "integer", "percent"], str, str], ...]] = (
    ("volume", "Volume transféré", "decimal", "t", "Somme des volumes."),
    ("count", "Transactions", "integer", "nombre", "Transactions de la période."),
    ("mean_volume", "Volume moyen", "decimal", "t", "Par transaction."),
    ("alerts", "Alertes critiques", "integer", "nombre", "WARN ou ERR sous 20 t."),
    ("alert_rate", "Taux d'alerte", "percent", "des transactions", "Alertes critiques."),
    ("error_rate", "Taux d'erreur", "percent", "des transactions", "Au statut ERR."),
    ("machines", "Machines actives", "integer", "nombre", "Avec les inconnues."),
    ("sites", "Sites actifs", "integer", "nombre", "Avec « Inconnu »."),
    ("days", "Jours d'activité", "integer", "jour", "Jours avec transaction."),
)


def kpis(
    transactions: pa.Table, before: Mapping[str, float | None] | None, is_whole: bool = True
) -> list[Kpi]:
    """Compare the period's transactions with the measures of the period before."""
    now = measures(transactions)
    then = before if before and before["count"] else {}
    return [
        Kpi(label, now[name], then.get(name), kind, unit, meaning, is_whole)
        for name, label, kind, unit, meaning in _KPIS
    ]


_MARKS: Final = (
    ("Avertissements", "Statut", "WARN"),
    ("Erreurs", "Statut", "ERR"),
    ("Alertes critiques", "Alerte critique", ALERT),
)
"""What is counted of a machine: where a column holds a value."""
_WORST_FIRST: Final = (
    ("Taux d'erreur", "descending"),
    ("Erreurs", "descending"),
    ("Machine", "ascending"),
    ("Site", "ascending"),
)


def machine_rates(transactions: pa.Table) -> pa.Table:
    """Count the statuses of each (machine, site), the highest share of ERR first."""
    counts = _machine_counts(transactions)
    errors, all_of_them = (
        pc.cast(counts[name], pa.float64()) for name in ("Erreurs", "Transactions")
    )
    rates = counts.append_column("Taux d'erreur", pc.divide(errors, all_of_them))
    return rates.sort_by([*_WORST_FIRST])


def _machine_counts(transactions: pa.Table) -> pa.Table:
    # Arrow groups by plain text only.
    plain = {name: pc.cast(transactions[name], pa.string()) for name in ("Machine", "Site")}
    plain |= {name: transactions[name] for name in ("Année d'installation", "Volume (t)")}
    for name, column, value in _MARKS:
        plain[name] = pc.cast(_equal(transactions[column], value), pa.int64())
    sums = [(name, "sum") for name in ("Volume (t)", *(name for name, _, _ in _MARKS))]
    grouped = (
        pa.table(plain)
        .group_by(["Machine", "Site"])
        .aggregate([("Année d'installation", "max"), ([], "count_all"), *sums])
    )
    named = {"Année d'installation_max": "Année d'installation", "count_all": "Transactions"}
    return grouped.rename_columns(
        [named.get(name, name.removesuffix("_sum")) for name in grouped.column_names]
    )


def by_site(site_days: pa.Table) -> pa.Table:
    """Sum the days of each site, the largest volume first."""
    return _summed(site_days, "Site").sort_by([("Volume (t)", "descending"), ("Site", "ascending")])


def by_day(site_days: pa.Table) -> pa.Table:
    """Sum the sites of each day, in order."""
    return _summed(site_days, "Jour").sort_by("Jour")


def by_week(days: pa.Table) -> pa.Table:
    """Sum days by weeks, each named by its Monday, in order; the first and last may be partial."""
    return _by_stretch(days, "week", "Semaine du")


def by_month(days: pa.Table) -> pa.Table:
    """Sum days by months, each named by its first day, in order, as weeks are."""
    return _by_stretch(days, "month", "Mois")


def _by_stretch(days: pa.Table, unit: str, key: str) -> pa.Table:
    named = days.append_column(key, pc.floor_temporal(days["Jour"], unit=unit))
    counts = named.group_by(key).aggregate([("Jour", "count")])
    active = counts.sort_by(key)["Jour_count"]
    return _summed(named, key).sort_by(key).append_column("Jours actifs", active)


def _summed(site_days: pa.Table, key: str) -> pa.Table:
    sums = ("Volume (t)", "Alertes critiques", "Transactions")
    grouped = site_days.group_by(key).aggregate([(name, "sum") for name in sums])
    return grouped.rename_columns([name.removesuffix("_sum") for name in grouped.column_names])
