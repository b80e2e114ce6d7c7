"""The report shows what the filters keep of one state of the warehouse."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from dpa.dwh_url import DwhUrl
from dpa.errors import UsageError
from dpa.filters import Filters
from dpa.report_data import ReportData, read_report
from dpa.report_figures import Period

from .conftest import Desk


@pytest.fixture
def either(desk: Desk, dwh_url: DwhUrl) -> Desk:
    """A desk whose warehouse is of either kind."""
    desk.settings = replace(desk.settings, dwh=dwh_url)
    desk.erp(
        "T3,M1,2026-01-08 09:00,7,WARN",
        "T1,M1,2026-01-05 00:30,10.25,ERR",
        "T2,M2,2026-01-06 09:00,30.5,OK",
        "T4,M9,2026-01-08 07:00,1,OK",
        "T5,M1,hier,1,OK",
    )
    return desk


def report(desk: Desk, filters: Filters) -> ReportData:
    run_id = desk.run().summary.run_id
    assert run_id is not None
    return read_report(desk.settings.dwh, run_id, filters, 1)


def shown(data: ReportData) -> list[str]:
    found: list[str] = data.transactions["Transaction"].to_pylist()
    return found


def test_everything_is_read_in_the_types_of_its_columns(either: Desk) -> None:
    data = report(either, Filters())
    assert shown(data) == ["T1", "T2", "T4", "T3"]
    first = data.transactions.slice(0, 1).to_pylist()[0]
    assert first.pop("Lot") == data.lot["run_id"]
    assert first == {
        "Transaction": "T1",
        "Machine": "M1",
        "Site": "Douala",
        "Année d'installation": 2010,
        "Date (Douala)": datetime(2026, 1, 5, 0, 30),
        "Volume (t)": 10.25,
        "Statut": "ERR",
        "Alerte critique": "Oui",
        "Fichier source": "erp.csv",
        "Feuille source": None,
        "Ligne source": 3,
    }
    assert data.transactions["Site"].to_pylist() == ["Douala", "Yaoundé", "Inconnu", "Douala"]
    assert data.site_days["Jour"].to_pylist()[0] == date(2026, 1, 5)
    assert (data.in_warehouse, data.rejects.num_rows) == (4, 1)
    assert data.rejects["Ligne d'origine"].to_pylist() == ["T5 | M1 | hier | 1 | OK"]
    assert data.period == Period(date(2026, 1, 5), date(2026, 1, 8))


@pytest.mark.parametrize(
    ("filters", "kept", "period"),
    [
        (Filters(("Douala",)), ["T1", "T3"], (5, 8)),
        (Filters(("Douala", "Yaoundé"), date(2026, 1, 6)), ["T2", "T3"], (6, 8)),
        (Filters((), None, date(2026, 1, 6)), ["T1", "T2"], (5, 6)),
        (Filters((), date(2026, 1, 6), date(2026, 1, 7)), ["T2"], (6, 7)),
        (Filters((), date(2026, 1, 20)), [], (20, 20)),
        (Filters((), None, date(2026, 1, 2)), [], (2, 2)),
    ],
)
def test_filters_keep_sites_and_days(
    desk: Desk, filters: Filters, kept: list[str], period: tuple[int, int]
) -> None:
    desk.erp("T1,M1,2026-01-05,10,OK", "T2,M2,2026-01-06,30,OK", "T3,M1,2026-01-08 23:59:59,7,WARN")
    data = report(desk, filters)
    assert shown(data) == kept
    assert data.site_days["Transactions"].to_pylist() == [1] * len(kept)
    assert sorted(data.sites["Site"].to_pylist()) == sorted(
        set(data.transactions["Site"].to_pylist())
    )
    assert sum(data.machines["Transactions"].to_pylist()) == len(kept)
    assert data.kpis[1].value == len(kept)
    assert data.period is not None
    assert (data.period.first.day, data.period.last.day) == period


def test_the_period_before_has_the_same_length_and_the_same_sites(either: Desk) -> None:
    data = report(either, Filters(("Douala",), date(2026, 1, 8), date(2026, 1, 10)))
    volume = data.kpis[0]
    assert (volume.value, volume.previous) == (7, 10.25)
    assert data.kpis[1].previous == 1
    assert "précédent incomplet" not in {kpi.trend for kpi in data.kpis}
    data = report(either, Filters(("Douala",), date(2026, 1, 6), date(2026, 1, 10)))
    assert {kpi.trend for kpi in data.kpis[:-1]} == {"précédent incomplet"}


def test_an_unknown_site_is_refused_with_the_known_ones(either: Desk) -> None:
    with pytest.raises(UsageError, match=r"« Paris » : ni dans .* Douala, Inconnu, Yaoundé"):
        report(either, Filters(("Douala", "Paris")))


def test_a_warehouse_without_transactions_has_no_period(either: Desk) -> None:
    either.erp("T5,M1,hier,1,OK")
    data = report(either, Filters())
    assert (data.period, data.in_warehouse, shown(data)) == (None, 0, [])
    assert data.rejects["Règle"].to_pylist() == ["DATE_INVALIDE"]


def test_rejects_given_back_uncorrected_stay_in_sight_when_the_export_is_read_again(
    desk: Desk,
) -> None:
    desk.erp("T1,M1,2026-01-05,10,OK", "T2,M1,hier,1,OK")
    desk.run()
    desk.run(resubmit=desk.settings.rejects_workbook)
    data = report(desk, Filters())
    assert data.lot["rows_rejected"] == 1
    assert data.rejects["Règle"].to_pylist() == ["DATE_INVALIDE"]
