import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd.features import BY_FEATURE, FEATURE_NAMES, add_features
from pmd.sensors import SENSOR_NAMES

START = pd.Timestamp("2026-01-01", tz="UTC")

instants = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 2000)),
    min_size=1,
    max_size=40,
    unique=True,
)


VALUES = np.random.default_rng(0).uniform(1, 100, (2, 2001, 4)).round(2)


def frame(keys: list[tuple[str, int]]) -> pd.DataFrame:
    """Readings at (locomotive, quarter of an hour), whose values depend on the key alone."""
    locos, quarters = [loco for loco, _ in keys], np.array([quarter for _, quarter in keys])
    values = VALUES[["AB".index(loco) for loco in locos], quarters]
    table = pd.DataFrame(values, columns=list(SENSOR_NAMES))
    table.insert(0, "loco_id", locos)
    table.insert(0, "timestamp", START + pd.to_timedelta(15 * quarters, unit="min"))
    return table


def keyed(features: pd.DataFrame) -> pd.DataFrame:
    return features.set_index(["loco_id", "timestamp"])


def steady(values: list[float], step_minutes: int = 60) -> pd.DataFrame:
    table = pd.DataFrame(dict.fromkeys(SENSOR_NAMES, values))
    table.insert(0, "loco_id", "A")
    table.insert(
        0, "timestamp", pd.date_range(START, periods=len(values), freq=f"{step_minutes}min")
    )
    return table


@settings(deadline=None)
@given(instants, st.randoms(use_true_random=False))
def test_shuffled_rows_change_nothing(keys: list[tuple[str, int]], random: object) -> None:
    shuffled = list(keys)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    pd.testing.assert_frame_equal(add_features(frame(keys)), add_features(frame(shuffled)))


@settings(deadline=None)
@given(instants, st.integers(0, 2000))
def test_the_future_changes_no_past_feature(keys: list[tuple[str, int]], now: int) -> None:
    past = [key for key in keys if key[1] <= now]
    if past:
        whole, seen = keyed(add_features(frame(keys))), keyed(add_features(frame(past)))
        pd.testing.assert_frame_equal(whole.loc[seen.index], seen)


@settings(deadline=None)
@given(instants)
def test_other_locomotives_do_not_matter(keys: list[tuple[str, int]]) -> None:
    alone = [key for key in keys if key[0] == "B"]
    if alone:
        whole, seen = keyed(add_features(frame(keys))), keyed(add_features(frame(alone)))
        pd.testing.assert_frame_equal(whole.loc[seen.index], seen)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2000), min_size=1, max_size=40, unique=True))
def test_features_equal_their_definition(quarters: list[int]) -> None:
    table = add_features(frame([("A", quarter) for quarter in quarters]))
    hours = (table["timestamp"] - START).dt.total_seconds().to_numpy() / 3600
    pressure = table["pressure"].to_numpy()
    columns = [f"pressure_{kind}" for kind in ("mean_6h", "slope_24h", "deviation_24h")]
    for row, now in enumerate(hours):
        short, day = ((hours > now - window) & (hours <= now) for window in (6, 24))
        past = (hours >= now - 14 * 24) & (hours <= now - 48)
        slope = np.polyfit(hours[day], pressure[day], 1)[0] if day.sum() > 1 else 0.0
        deviation = pressure[day].mean() - pressure[past].mean() if past.any() else 0.0
        expected = [pressure[short].mean(), slope, deviation]
        assert table.loc[row, columns].tolist() == pytest.approx(expected, abs=1e-3)


def test_a_ramp_has_its_slope() -> None:
    table = add_features(steady([10.0, 12.0, 14.0, 16.0]))
    assert table["vibration_slope_24h"].tolist() == [0.0, 2.0, 2.0, 2.0]


def test_a_constant_deviates_by_nothing() -> None:
    table = add_features(steady([5.0] * 80))
    assert (table["pressure_mean_24h"] == 5).all()
    assert (table["pressure_slope_24h"] == 0).all()
    assert (table["pressure_deviation_6h"] == 0).all()


def test_a_step_deviates_from_what_the_locomotive_was() -> None:
    table = add_features(steady([5.0] * 72 + [8.0] * 30))
    assert table["pressure_deviation_6h"].iloc[-1] == 3
    assert table["pressure_deviation_24h"].iloc[72 + 11] == 1.5


def test_the_first_row_has_no_past() -> None:
    first = add_features(steady([7.0])).iloc[0]
    assert (first["flow_rate_mean_6h"], first["flow_rate_slope_24h"]) == (7.0, 0.0)
    assert first["flow_rate_deviation_24h"] == 0.0


def test_a_higher_reading_lowers_no_feature_of_its_row() -> None:
    """So that a risk monotone in the features is monotone in the reading itself."""
    readings = frame([("A", quarter) for quarter in range(0, 2000, 25)])
    higher = readings.copy()
    higher.loc[len(higher) - 1, "vibration"] += 5.0
    columns = [name for name in FEATURE_NAMES if name.startswith("vibration")]
    before, after = (add_features(part)[columns].iloc[-1] for part in (readings, higher))
    assert (after > before).all()


def test_the_callers_frame_is_left_alone() -> None:
    table = steady([3.0, 1.0]).iloc[::-1]
    before = table.copy()
    add_features(table)
    pd.testing.assert_frame_equal(table, before)


def test_each_recipe_names_its_column_unit_and_sign() -> None:
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 20
    slope = BY_FEATURE["temperature_slope_24h"]
    assert (slope.unit, slope.monotone) == ("°C/h", 1)
    assert (BY_FEATURE["flow_rate_mean_6h"].unit, BY_FEATURE["flow_rate_mean_6h"].monotone) == (
        "L/min", -1,
    )  # fmt: skip


def test_no_row_gives_no_row_and_all_columns() -> None:
    empty = add_features(steady([1.0]).iloc[:0])
    assert len(empty) == 0
    assert set(FEATURE_NAMES) <= set(empty.columns)
