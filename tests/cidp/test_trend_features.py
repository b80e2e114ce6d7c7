"""The trend model is asked about the features that it learned, on either database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from postgres import BACK_ENDS
from stores import NOON, batch, event, new_url, store_at

from cidp.event_store import EventStore
from cidp.model_bundle import ManifestFeature
from cidp.telemetry import READINGS
from cidp.trend_features import FleetFeatures, fleet_features
from pmd.features import RECIPES, add_features
from pmd.model_bundle import _recipe

NAMES = [*READINGS, *(recipe.name for recipe in RECIPES)]


def wanted() -> list[ManifestFeature]:
    """What a trend manifest of the trainer lists."""
    return [
        ManifestFeature.model_validate(
            {
                "name": name,
                "unit": "",
                "monotone": 0,
                "minimum": 0,
                "maximum": 1,
                "reference": {"edges": [], "shares": [1]},
                "recipe": recipe.model_dump() if (recipe := _recipe(name)) else None,
            }
        )
        for name in NAMES
    ]


@pytest.fixture(params=BACK_ENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    made = store_at(new_url(request, request.param, tmp_path))
    yield made
    made.close()


def hourly(loco_id: str, hours: int, seed: int) -> pd.DataFrame:
    """One reading an hour, the last at noon, with hours missing."""
    rng = np.random.default_rng(seed)
    values = np.array([500.0, 5.0, 2.0, 45.0]) * (1 + rng.random((hours, 4)))
    columns = dict(zip(READINGS, np.round(values.T, 3), strict=True))
    instants = pd.date_range(end=NOON, periods=hours, freq="h")
    table = pd.DataFrame({"loco_id": loco_id, "timestamp": instants} | columns)
    return table[(rng.random(hours) > 0.1) | (instants == NOON) | (instants == instants[0])]


def kept(store: EventStore, table: pd.DataFrame) -> None:
    events = [
        event(loco_id=row.loco_id)
        | {"instant": row.timestamp.to_pydatetime()}
        | {"values": (row.flow_rate, row.pressure, row.vibration, row.temperature)}
        for row in table.itertuples()
    ]
    store.save(batch(*events, door="kafka"), [], NOON)


def asked(store: EventStore) -> FleetFeatures:
    with store.session(writes=False) as session:
        return fleet_features(session, "real", wanted(), NOON)


def test_hourly_readings_give_the_features_that_the_trainer_computes(store: EventStore) -> None:
    tables = [hourly("L1", 24 * 20, 1), hourly("L2", 60, 2), hourly("L3", 24, 3)]
    for table in tables:
        kept(store, table)
    found = asked(store)
    assert found.loco_ids == ["L1", "L2", "L3"]
    learned = add_features(pd.concat(tables)).groupby("loco_id").last()[NAMES]
    assert np.abs(found.values - learned.to_numpy(np.float64)).max() < 2e-4
    assert learned.loc["L1", "vibration_deviation_24h"] != 0
    assert learned.loc["L3", "vibration_deviation_24h"] == 0


def test_many_readings_an_hour_weigh_by_their_number(store: EventStore) -> None:
    old = [event(-3600 * hour, vibration=2) for hour in range(1, 30)]
    new = [event(minute, vibration=4) for minute in range(3)]
    store.save(batch(*old, *new, door="mqtt"), [], NOON)
    found = dict(zip(NAMES, asked(store).values[0].tolist(), strict=True))
    assert found["vibration"] == 4
    assert found["vibration_mean_6h"] == pytest.approx((5 * 2 + 3 * 4) / 8)


def test_history_that_does_not_fill_the_longest_window_is_left_out(store: EventStore) -> None:
    kept(store, hourly("L1", 23, 1))
    assert asked(store).loco_ids == []


def test_an_empty_store_and_the_other_series_have_nobody(store: EventStore) -> None:
    store.save(batch(event(), event(-86_400), door="simulator"), [], NOON)
    assert asked(store).values.shape == (0, len(NAMES))


def test_what_is_older_than_the_windows_changes_nothing(store: EventStore) -> None:
    kept(store, hourly("L1", 24 * 16, 1))
    before = asked(store).values
    day_s = timedelta(days=1).total_seconds()
    store.save(batch(event(-18 * day_s, vibration=90), door="kafka"), [], NOON)
    assert asked(store).values.tolist() == before.tolist()
