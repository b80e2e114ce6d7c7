"""Transactions meet their machine."""

import pandas as pd
import pytest

from dpa.transform import critical_alerts, enrich, unknown_machines


def rows(*cells: tuple[str, float, str]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["machine_id", "volume_transferred", "status_code"])


MACHINES = pd.DataFrame(
    [("M1", "Douala", 2010)], columns=["machine_id", "site_location", "installation_year"]
).astype({"installation_year": "Int64"})


@pytest.mark.parametrize(
    ("volume", "status", "alert"),
    [(19.99, "WARN", 1), (0.0, "ERR", 1), (20.0, "ERR", 0), (20.0, "WARN", 0), (1.0, "OK", 0)],
)
def test_an_alert_is_a_bad_status_under_twenty_tonnes(
    volume: float, status: str, alert: int
) -> None:
    assert critical_alerts(rows(("M1", volume, status))).tolist() == [alert]


def test_an_unknown_machine_keeps_its_row_at_the_unknown_site() -> None:
    found = enrich(rows(("M1", 1, "OK"), ("M9", 2, "OK"), ("M9", 3, "OK")), MACHINES)
    assert found["site_location"].tolist() == ["Douala", "Inconnu", "Inconnu"]
    assert found["installation_year"].isna().tolist() == [False, True, True]
    assert unknown_machines(found) == ["M9"]


def test_a_machine_listed_twice_is_refused() -> None:
    with pytest.raises(pd.errors.MergeError):
        enrich(rows(("M1", 1, "OK")), pd.concat([MACHINES, MACHINES]))
