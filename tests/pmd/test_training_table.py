from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmd.degradation import FAILURE_TYPES
from pmd.errors import InvalidOption, LeakingColumns, MissingColumns, UntrainableData
from pmd.sensors import SENSOR_NAMES
from pmd.training_table import Columns, any_table, telemetry_table

READINGS = Columns(SENSOR_NAMES, "failure", None, None, (-1, 0, 1, 1))
NOW = datetime(2026, 2, 1, tzinfo=UTC)
PROCESSED = "timestamp,loco_id,flow_rate,pressure,vibration,temperature,horizon_hours,failure\n"


def columns(*features: str, group: str | None = None, time: str | None = None) -> Columns:
    return Columns(features, "Machine failure", group, time, (0,) * len(features))


def table_file(folder: Path, *rows: str, header: str = "x [K],y,who,when,Machine failure") -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_raw_telemetry_is_labelled_from_its_work_orders(history_files: tuple[Path, Path]) -> None:
    table = telemetry_table(*history_files, 24, READINGS, NOW)
    assert table.values.shape == (len(table.labels), 4)
    assert table.values.dtype == np.float32
    assert 0 < table.labels.mean() < 0.2
    assert table.horizon_hours == 24
    assert [source.path for source in table.sources] == list(history_files)
    assert table.left_out["en réparation"] > 0
    read = table.sources[0].rows
    assert read == len(table.labels) + sum(table.left_out.values())


def test_processed_telemetry_brings_its_labels_and_horizon(tmp_path: Path) -> None:
    path = table_file(
        tmp_path,
        "2026-01-01T00:00:00Z,A,500,5,2,45,12.0,0",
        "2026-01-01T01:00:00Z,A,300,2,2,45,12.0,1",
        header=PROCESSED.strip(),
    )
    table = telemetry_table(path, None, 24, READINGS, NOW)
    assert table.horizon_hours == 12
    assert table.labels.tolist() == [0, 1]
    assert table.groups is not None
    assert table.groups.tolist() == ["A", "A"]


def test_chosen_features_of_processed_telemetry_keep_its_locomotives_time_and_horizon(
    tmp_path: Path,
) -> None:
    rows = [f"2026-01-01T0{i}:00:00Z,A,500,5,2,45,12.0,{i % 2}" for i in range(4)]
    path = table_file(tmp_path, *rows, header=PROCESSED.strip())
    table = any_table(path, Columns(("pressure",), "failure", None, None, (0,)))
    assert table.horizon_hours == 12
    assert (table.columns.group, table.columns.time) == ("loco_id", "timestamp")
    assert table.groups is not None
    assert table.times is not None


@pytest.mark.parametrize("horizons", [("12", "24"), ("-1", "-1"), ("x", "x")])
def test_processed_telemetry_has_one_positive_horizon(
    tmp_path: Path, horizons: tuple[str, str]
) -> None:
    rows = [f"2026-01-01T0{i}:00:00Z,A,500,5,2,45,{h},0" for i, h in enumerate(horizons)]
    path = table_file(tmp_path, *rows, header=PROCESSED.strip())
    with pytest.raises(UntrainableData, match="horizon_hours"):
        telemetry_table(path, None, 24, READINGS, NOW)


def test_column_names_may_have_spaces_and_brackets(tmp_path: Path) -> None:
    path = table_file(tmp_path, "1.1,2,a,2026-01-01,0", "3,4,b,2026-01-02,1.0")
    table = any_table(path, columns("x [K]", "y", group="who", time="when"))
    assert table.values.tolist() == [[np.float32(1.1), 2.0], [3.0, 4.0]]
    assert table.labels.tolist() == [0, 1]
    assert table.groups is not None
    assert table.groups.tolist() == ["a", "b"]
    assert table.times is not None
    assert table.horizon_hours is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("abc,2,a,2026-01-01,0", "x [K] : pas un nombre fini"),
        (",2,a,2026-01-01,0", "x [K] : pas un nombre fini"),
        ("inf,2,a,2026-01-01,0", "x [K] : pas un nombre fini"),
        ("1e300,2,a,2026-01-01,0", "x [K] : pas un nombre fini"),
        ("1,2,,2026-01-01,0", "who : pas une valeur"),
        ("1,2,a,hier,0", "when : pas un horodatage ISO 8601"),
        ("1,2,a,2026-01-01,", "Machine failure : pas 0 ou 1"),
        ("1,2", "nombre de champs"),
    ],
)
def test_an_unusable_row_is_left_out_and_counted(tmp_path: Path, bad: str, reason: str) -> None:
    path = table_file(
        tmp_path, "1,2,a,2026-01-01,0", bad, "3,4,b,2026-01-02,1", "3,4,b,2026-01-02,1"
    )
    table = any_table(path, columns("x [K]", group="who", time="when"))
    assert len(table.labels) == 3
    assert table.left_out == {reason: 1}


def test_a_row_with_two_defects_counts_once(tmp_path: Path) -> None:
    path = table_file(tmp_path, "a,b,c,2026,0", *["1,2,a,2026-01-01,0"] * 3)
    assert sum(any_table(path, columns("x [K]", "y")).left_out.values()) == 1


def test_a_column_of_text_is_refused_by_name(tmp_path: Path) -> None:
    path = table_file(tmp_path, "1,M,a,2026-01-01,0", "1,L,a,2026-01-01,1")
    with pytest.raises(UntrainableData, match=r"« y » ne contient pas un nombre fini.*« M »"):
        any_table(path, columns("y"))


def test_a_column_of_empty_cells_is_refused_with_their_number(tmp_path: Path) -> None:
    lines = ["1,,a,2026-01-01,0", "1,x,a,2026-01-01,0", *["1, ,a,2026-01-01,0"] * 3]
    told = r"un nombre fini sur 5 lignes de 6 \(cellules vides : 4, par exemple « x »\) ;"
    with pytest.raises(UntrainableData, match=told):
        any_table(table_file(tmp_path, *lines, "1,2,a,2026-01-01,1"), columns("y"))


def test_a_target_of_other_values_is_refused(tmp_path: Path) -> None:
    path = table_file(tmp_path, "1,2,a,2026-01-01,1", "1,2,a,2026-01-01,2")
    with pytest.raises(UntrainableData, match=r"0 ou 1.*\[2.0\]"):
        any_table(path, columns("y"))


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UntrainableData, match="aucune ligne utilisable"):
        any_table(table_file(tmp_path), columns("y"))


def test_a_missing_feature_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingColumns, match="torque"):
        any_table(table_file(tmp_path, "1,2,a,2026-01-01,1"), columns("torque"))


@pytest.mark.parametrize(
    "chosen",
    [
        columns("y", "Machine failure"),
        columns("y", group="y"),
        columns("y", group="who", time="who"),
        columns("y", time="Machine failure"),
    ],
)
def test_a_column_plays_one_part_only(tmp_path: Path, chosen: Columns) -> None:
    with pytest.raises(InvalidOption, match="deux rôles"):
        any_table(table_file(tmp_path, "1,2,a,2026-01-01,1"), chosen)


def test_a_column_declared_to_be_known_afterwards_is_no_feature(tmp_path: Path) -> None:
    declared = replace(columns("y"), post_hoc=("x [K]", "y"))
    with pytest.raises(LeakingColumns, match="« y »"):
        any_table(table_file(tmp_path, "1,2,a,2026-01-01,1"), declared)


@pytest.mark.parametrize("name", ["failed_at", "failure_type"])
def test_what_processed_telemetry_knows_of_the_future_is_no_feature(
    tmp_path: Path, name: str
) -> None:
    path = table_file(tmp_path, ANNOUNCED, header=f"{PROCESSED.strip()},failed_at,failure_type")
    with pytest.raises(LeakingColumns, match=name):
        any_table(path, Columns((name,), "failure", None, None, (0,)))


ANNOUNCED = "2026-01-01T00:00:00Z,A,500,5,2,45,12.0,1,2026-01-01T06:00:00Z,leak"


def test_processed_telemetry_tells_the_failure_that_a_label_announces(tmp_path: Path) -> None:
    healthy = "2026-01-01T01:00:00Z,A,500,5,2,45,12.0,0,,"
    spoilt = "2026-01-01T01:00:00Z,A,abc,5,2,45,12.0,0,,"
    header = f"{PROCESSED.strip()},failed_at,failure_type"
    path = table_file(tmp_path, spoilt, ANNOUNCED, healthy, healthy, header=header)
    table = telemetry_table(path, None, 24, READINGS, NOW)
    assert table.hours is not None
    assert table.failed_h is not None
    assert table.failure_types is not None
    assert (table.failed_h - table.hours)[0] == 6
    assert np.isnan(table.failed_h).tolist() == [False, True, True]
    assert table.failure_types.tolist() == ["leak", "", ""]


def test_raw_telemetry_tells_the_failure_that_a_label_announces(
    history_files: tuple[Path, Path],
) -> None:
    table = telemetry_table(*history_files, 24, READINGS, NOW)
    assert table.hours is not None
    assert table.failed_h is not None
    assert table.failure_types is not None
    wait = table.failed_h - table.hours
    assert (np.isfinite(wait) == (table.labels == 1)).all()
    assert ((wait[table.labels == 1] >= 0) & (wait[table.labels == 1] <= 24)).all()
    assert set(table.failure_types) == {"", *FAILURE_TYPES}


def test_the_same_table_in_parquet_trains_alike(tmp_path: Path) -> None:
    path = table_file(tmp_path, "1.1,2,a,2026-01-01,0", "3,,b,2026-01-02,1", "3,5,b,2026-01-02,1")
    frame = pd.read_csv(path, parse_dates=["when"]).astype({"Machine failure": bool})
    frame.to_parquet(tmp_path / "table.parquet")
    chosen = columns("x [K]", "y", group="who", time="when")
    text, stored = any_table(path, chosen), any_table(tmp_path / "table.parquet", chosen)
    assert stored.values.tolist() == text.values.tolist()
    assert stored.labels.tolist() == text.labels.tolist() == [0, 1]
    assert stored.left_out == text.left_out == {"y : pas un nombre fini": 1}
    assert stored.hours is not None
    assert text.hours is not None
    assert stored.hours.tolist() == text.hours.tolist()


def test_units_are_known_for_sensors_only() -> None:
    assert Columns(("pressure", "x"), "t", None, None, (0, 0)).units() == ["bar", ""]
