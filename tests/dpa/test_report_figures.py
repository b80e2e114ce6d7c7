"""The report's figures and their comparison with the period before."""

from datetime import date, datetime

import pyarrow as pa
import pytest

from dpa.report_figures import (
    Kpi,
    Period,
    by_day,
    by_site,
    by_week,
    kpis,
    machine_rates,
    measures,
)

ROWS = [
    ("M1", "Douala", 2010, datetime(2026, 1, 5, 8), 10.0, "ERR", "Oui"),
    ("M1", "Douala", 2010, datetime(2026, 1, 5, 9), 30.0, "OK", "Non"),
    ("M2", "Edéa", None, datetime(2026, 1, 6, 8), 5.0, "WARN", "Oui"),
    ("M3", "Edéa", None, datetime(2026, 1, 6, 9), 5.0, "ERR", "Non"),
]
NAMES = ["Machine", "Site", "Année d'installation", "Date (Douala)", "Volume (t)", "Statut",
         "Alerte critique"]  # fmt: skip
CODED = ("Machine", "Site", "Statut", "Alerte critique")


def transactions(*rows: tuple[object, ...]) -> pa.Table:
    columns = {
        name: pa.array(values) for name, values in zip(NAMES, zip(*rows, strict=True), strict=True)
    }
    return pa.table(
        {
            name: found.dictionary_encode() if name in CODED else found
            for name, found in columns.items()
        }
    )


def test_a_period_has_its_eve_before_it() -> None:
    february = Period(date(2026, 2, 1), date(2026, 2, 28))
    assert february.days == 28
    assert february.previous() == Period(date(2026, 1, 4), date(2026, 1, 31))
    assert str(february) == "du 01/02/2026 au 28/02/2026"


def test_kpis_sum_up_the_transactions() -> None:
    found = {kpi.label: kpi.value for kpi in kpis(transactions(*ROWS), None)}
    assert found == {
        "Volume transféré": 50.0,
        "Transactions": 4,
        "Volume moyen": 12.5,
        "Alertes critiques": 2,
        "Taux d'alerte": 0.5,
        "Taux d'erreur": 0.5,
        "Machines actives": 3,
        "Sites actifs": 2,
        "Jours d'activité": 2,
    }


def test_no_transaction_gives_no_mean_no_share_and_no_comparison() -> None:
    nothing = transactions(*ROWS).slice(0, 0)
    found = {kpi.label: kpi.value for kpi in kpis(nothing, None)}
    empty = {label for label, value in found.items() if value is None}
    assert empty == {"Volume moyen", "Taux d'alerte", "Taux d'erreur"}
    assert {value for value in found.values() if value is not None} == {0}
    assert {kpi.trend for kpi in kpis(transactions(*ROWS), measures(nothing))} == {"sans précédent"}


@pytest.mark.parametrize(
    ("value", "previous", "kind", "change", "trend"),
    [
        (15, 10, "integer", 0.5, "▲ hausse"),
        (5.0, 10.0, "decimal", -0.5, "▼ baisse"),
        (0.05, 0.02, "percent", 3.0, "▲ hausse"),
        (7, 7, "integer", 0.0, "= stable"),
        (7, 0, "integer", None, "▲ hausse"),
        (7, None, "integer", None, "sans précédent"),
    ],
)
def test_a_change_is_told_in_figures_and_in_words(
    value: float, previous: float | None, kind: str, change: float | None, trend: str
) -> None:
    kpi = Kpi("", value, previous, kind, "", "")  # type: ignore[arg-type]  # the cases' own kinds
    assert kpi.change == (change if change is None else pytest.approx(change))
    assert kpi.trend == trend


def test_nothing_is_compared_with_a_period_that_is_there_in_part() -> None:
    before = measures(transactions(*ROWS))
    for kpi in kpis(transactions(*ROWS), before, is_whole=False):
        assert (kpi.previous, kpi.change, kpi.trend) == (kpi.value, None, "précédent incomplet")


def test_weeks_begin_on_monday_and_count_their_days() -> None:
    days = pa.table(
        {
            "Jour": [date(2026, 1, 4), date(2026, 1, 5), date(2026, 1, 11)],
            "Volume (t)": [1.0, 2.0, 4.0],
            "Alertes critiques": [0, 1, 1],
            "Transactions": [1, 1, 2],
        }
    )
    assert [tuple(week.values()) for week in by_week(days).to_pylist()] == [
        (date(2025, 12, 29), 1.0, 0, 1, 1),
        (date(2026, 1, 5), 6.0, 2, 3, 2),
    ]


def test_machines_come_by_error_rate_then_by_errors_then_by_name() -> None:
    found = machine_rates(transactions(*ROWS)).to_pylist()
    assert [(row["Machine"], row["Taux d'erreur"]) for row in found] == [
        ("M3", 1.0),
        ("M1", 0.5),
        ("M2", 0.0),
    ]
    assert found[1] == {
        "Machine": "M1",
        "Site": "Douala",
        "Année d'installation": 2010,
        "Transactions": 2,
        "Volume (t)": 40.0,
        "Avertissements": 0,
        "Erreurs": 1,
        "Alertes critiques": 1,
        "Taux d'erreur": 0.5,
    }


def test_sites_come_by_volume_and_days_in_order() -> None:
    site_days = pa.table(
        {
            "Jour": pa.array([date(2026, 1, 6), date(2026, 1, 5), date(2026, 1, 5)]),
            "Site": ["Edéa", "Edéa", "Douala"],
            "Volume (t)": [1.0, 2.0, 30.0],
            "Alertes critiques": [1, 0, 2],
            "Transactions": [1, 1, 4],
        }
    )
    assert by_site(site_days).to_pydict() == {
        "Site": ["Douala", "Edéa"],
        "Volume (t)": [30.0, 3.0],
        "Alertes critiques": [2, 1],
        "Transactions": [4, 2],
    }
    assert by_day(site_days).to_pydict() == {
        "Jour": [date(2026, 1, 5), date(2026, 1, 6)],
        "Volume (t)": [32.0, 1.0],
        "Alertes critiques": [2, 1],
        "Transactions": [5, 1],
    }
