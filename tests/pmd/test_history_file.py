import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pmd.history import TELEMETRY, HistoryPlan, Simulation
from pmd.history_file import parts_writer
from pmd.scenario_file import read_scenario
from pmd.telemetry_file import csv_writer

CONFIG = Path(__file__).parents[2] / "Predictive-Maintenance-Dashboard/config"
PLAN = HistoryPlan(4, 10, 30, 1, datetime(2026, 1, 1, tzinfo=UTC))


def written(name: str, part_rows: int = 1000) -> bytes:
    file = io.BytesIO()
    parts_writer(Path(name), TELEMETRY, Simulation(PLAN).telemetry(part_rows))(file)
    return file.getvalue()


def test_a_csv_has_one_header_lf_ends_and_utc_instants() -> None:
    lines = written("t.csv").decode().split("\n")
    assert lines[0] == "timestamp,loco_id,flow_rate,pressure,vibration,temperature,failure"
    assert lines[1].startswith("2025-12-22T00:30:00Z,LOCO_001,")
    assert lines[-2].startswith("2026-01-01T00:00:00Z,LOCO_004,")
    assert lines[-1] == ""
    assert lines.count(lines[0]) == 1
    assert not any(character in written("t.csv") for character in (b"\r", b'"', b"e-"))


@pytest.mark.parametrize("part_rows", [1, 100, 10_000])
def test_how_the_rows_are_cut_into_parts_changes_no_byte(part_rows: int) -> None:
    assert written("t.csv", part_rows) == written("t.csv")


DIGEST = "c2a6cfff03634aaf5fcb93c5487d56e355dfedcbed67e706469d0a43c58daf99"


def test_a_history_is_the_same_bytes_on_every_python() -> None:
    """Faults of all kinds, random and planned: whatever changes this digest changes every file."""
    scenario = read_scenario(CONFIG / "scenario_demo.yaml", 30, 400.0)
    chance = replace(scenario, random_failures=True, random_sensor_faults=True)
    file = io.BytesIO()
    simulation = Simulation(replace(PLAN, locos=30, days=60, scenario=chance))
    parts_writer(Path("t.csv"), TELEMETRY, simulation.telemetry())(file)
    csv_writer(simulation.maintenance())(file)
    assert hashlib.sha256(file.getvalue()).hexdigest() == DIGEST


def test_csv_and_parquet_hold_the_same_readings() -> None:
    csv = pd.read_csv(io.BytesIO(written("t.csv")), parse_dates=["timestamp"])
    parquet = pyarrow.parquet.read_table(io.BytesIO(written("T.PARQUET"))).to_pandas()
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)


def test_a_parquet_file_has_one_group_of_rows_per_part() -> None:
    file = pyarrow.parquet.ParquetFile(io.BytesIO(written("t.parquet", 400)))
    assert file.num_row_groups == 5


def test_parts_are_written_as_they_come() -> None:
    part = next(Simulation(PLAN).telemetry(100))
    file = io.BytesIO()
    sizes = []

    def parts() -> object:
        for _ in range(3):
            yield part
            sizes.append(file.tell())

    parts_writer(Path("t.csv"), TELEMETRY, parts())(file)
    assert 0 < sizes[0] < sizes[1] < sizes[2]


def test_no_part_is_a_header_alone() -> None:
    file = io.BytesIO()
    parts_writer(Path("t.csv"), pa.schema([("a", pa.int64()), ("b", pa.string())]), [])(file)
    assert file.getvalue() == b"a,b\n"
