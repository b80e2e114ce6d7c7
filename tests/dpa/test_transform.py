"""Transactions meet their machine, and are summed up the same however they are cut."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpa.transform import combine_daily_stats, critical_alerts, enrich, partial_daily_stats

MACHINES = pd.DataFrame(
    [("M1", "Douala", 7, 3), ("M2", "Yaoundé", 8, 4)],
    columns=["machine_id", "site_location", "machine_key", "site_key"],
)


def rows(*cells: tuple[str, float, str]) -> pd.DataFrame:
    found = pd.DataFrame(cells, columns=["machine_id", "volume_transferred", "status_code"])
    return found.astype({"machine_id": "category"}).assign(
        date_key=20260105, critical_alert=critical_alerts(found)
    )


@pytest.mark.parametrize(
    ("volume", "status", "alert"),
    [(19.99, "WARN", 1), (0.0, "ERR", 1), (20.0, "ERR", 0), (20.0, "WARN", 0), (1.0, "OK", 0)],
)
def test_an_alert_is_a_bad_status_under_twenty_tonnes(
    volume: float, status: str, alert: int
) -> None:
    assert critical_alerts(rows(("M1", volume, status))).tolist() == [alert]


def test_a_machine_brings_its_site_and_its_keys_and_an_unknown_one_keeps_its_row() -> None:
    given_rows = rows(("M2", 1, "OK"), ("M9", 2, "OK"), ("M1", 3, "OK"), ("M9", 4, "OK"))
    found = enrich(given_rows, MACHINES)
    assert found["site_location"].tolist() == ["Yaoundé", "Inconnu", "Douala", "Inconnu"]
    assert found["machine_key"].tolist() == [8, -1, 7, -1]
    assert found["site_key"].tolist() == [4, -1, 3, -1]
    assert "site_location" not in given_rows


def test_rows_may_be_none_and_machines_too() -> None:
    assert enrich(rows(), MACHINES)["site_location"].tolist() == []
    found = enrich(rows(("M1", 1, "OK")), MACHINES.iloc[:0])
    assert found[["site_location", "machine_key"]].to_numpy().tolist() == [["Inconnu", -1]]


def test_a_machine_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        enrich(rows(("M1", 1, "OK")), pd.concat([MACHINES, MACHINES]))


def test_sums_are_by_day_and_site_with_machines_counted_once() -> None:
    found = enrich(rows(("M1", 0.1, "OK"), ("M1", 0.2, "ERR"), ("M2", 5, "OK")), MACHINES)
    combined = combine_daily_stats([partial_daily_stats(found)])
    assert combined.to_dict("records") == [
        {"date_key": 20260105, "site_location": "Douala", "total_volume": 0.3, "total_alerts": 1,
         "transaction_count": 2, "active_machines": 1},
        {"date_key": 20260105, "site_location": "Yaoundé", "total_volume": 5.0, "total_alerts": 0,
         "transaction_count": 1, "active_machines": 1},
    ]  # fmt: skip


transactions = st.tuples(
    st.sampled_from(["M1", "M2", "M3", "M9"]),
    st.integers(0, 100_000_000).map(lambda grams: grams / 1_000_000),
    st.sampled_from(["OK", "WARN", "ERR"]),
    st.integers(20260101, 20260104),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(transactions, min_size=1, max_size=40), st.data())
def test_any_cut_gives_the_sums_of_the_whole(
    cells: list[tuple[str, float, str, int]], data: st.DataObject
) -> None:
    whole = rows(*(cell[:3] for cell in cells)).assign(date_key=[cell[3] for cell in cells])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(cells)), max_size=4)))
    parts = [
        whole.iloc[start:stop].assign(
            machine_id=lambda part: part["machine_id"].cat.remove_unused_categories()
        )
        for start, stop in zip([0, *cuts], [*cuts, len(cells)], strict=True)
    ]
    combined = combine_daily_stats(partial_daily_stats(enrich(part, MACHINES)) for part in parts)
    enriched = enrich(whole, MACHINES).astype({"site_location": "str", "machine_id": "str"})
    expected = enriched.groupby(["date_key", "site_location"]).agg(
        total_volume=("volume_transferred", "sum"),
        total_alerts=("critical_alert", "sum"),
        transaction_count=("machine_id", "size"),
        active_machines=("machine_id", "nunique"),
    )
    pd.testing.assert_frame_equal(
        combined.sort_values(["date_key", "site_location"], ignore_index=True),
        expected.reset_index(),
        check_dtype=False,
        rtol=0,
        atol=1e-6,
    )
