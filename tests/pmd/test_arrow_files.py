import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pmd import arrow_files
from pmd.arrow_files import parts_writer
from pmd.history import TELEMETRY, HistoryPlan, Simulation
from pmd.scenario_file import read_scenario
from pmd.telemetry_file import csv_writer, write_atomically

CONFIG = Path(__file__).parents[2] / "Predictive-Maintenance-Dashboard/config"
PLAN = HistoryPlan(4, 10, 30, 1, datetime(2026, 1, 1, tzinfo=UTC))


def history(name: str, part_rows: int = 1000) -> bytes:
    file = io.BytesIO()
    parts_writer(Path(name), TELEMETRY, Simulation(PLAN).telemetry(part_rows))(file)
    return file.getvalue()


def test_a_csv_has_one_header_lf_ends_and_utc_instants() -> None:
    lines = history("t.csv").decode().split("\n")
    assert lines[0] == "timestamp,loco_id,flow_rate,pressure,vibration,temperature,failure"
    assert lines[1].startswith("2025-12-22T00:30:00Z,LOCO_001,")
    assert lines[-2].startswith("2026-01-01T00:00:00Z,LOCO_004,")
    assert lines[-1] == ""
    assert lines.count(lines[0]) == 1
    assert not any(character in history("t.csv") for character in (b"\r", b'"', b"e-"))


@pytest.mark.parametrize("part_rows", [1, 100, 10_000])
def test_how_the_rows_are_cut_into_parts_changes_no_byte(part_rows: int) -> None:
    assert history("t.csv", part_rows) == history("t.csv")


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
    csv = pd.read_csv(io.BytesIO(history("t.csv")), parse_dates=["timestamp"])
    parquet = pyarrow.parquet.read_table(io.BytesIO(history("T.PARQUET"))).to_pandas()
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)


def test_a_parquet_file_has_one_group_of_rows_per_part() -> None:
    file = pyarrow.parquet.ParquetFile(io.BytesIO(history("t.parquet", 400)))
    assert file.num_row_groups == 5


def test_parts_are_written_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    part = next(Simulation(PLAN).telemetry(100))
    file = io.BytesIO()
    sizes = []

    def parts() -> object:
        for _ in range(6):
            yield part
            sizes.append(file.tell())

    parts_writer(Path("t.csv"), TELEMETRY, parts())(file)
    assert 0 < sizes[2] < sizes[3] < sizes[4] < sizes[5], "beside two threads, three in memory"


def test_no_part_is_a_header_alone() -> None:
    file = io.BytesIO()
    parts_writer(Path("t.csv"), pa.schema([("a", pa.int64()), ("b", pa.string())]), [])(file)
    assert file.getvalue() == b"a,b\n"


def written(path: Path, *parts: pa.Table) -> bytes:
    write_atomically({path: parts_writer(path, parts[0].schema, parts)})
    return path.read_bytes()


def table(names: list[str | None], at: list[str | None]) -> pa.Table:
    instants = pa.array(pd.to_datetime(pd.Series(at), utc=True, format="ISO8601"))
    instants = instants.cast(pa.timestamp("us", "UTC"))
    values = pa.array([0.5] * len(names))
    return pa.table({"t": instants, "n": pa.array(names).dictionary_encode(), "x": values})


def test_csv_has_utc_instants_lf_ends_and_no_quote_that_is_not_needed(tmp_path: Path) -> None:
    rows = table(["A", "", None], ["2026-01-01T01:00:00+01:00", None, "2026-01-02"])
    assert written(tmp_path / "t.csv", rows, rows.slice(0, 1)) == (
        b"t,n,x\n2026-01-01T00:00:00Z,A,0.5\n,,0.5\n2026-01-02T00:00:00Z,,0.5\n"
        b"2026-01-01T00:00:00Z,A,0.5\n"
    )


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb"])
def test_a_text_that_would_break_a_line_is_quoted(tmp_path: Path, name: str) -> None:
    written(tmp_path / "t.csv", table([name], ["2026-01-01"]))
    assert pd.read_csv(tmp_path / "t.csv")["n"].tolist() == [name]


def test_instants_between_two_seconds_keep_their_microseconds(tmp_path: Path) -> None:
    content = written(tmp_path / "t.csv", table(["A"], ["2026-01-01T00:00:00.25Z"]))
    assert b"2026-01-01T00:00:00.250000Z" in content


def test_slices_rendered_by_threads_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_files, "SLICE_ROWS", 3)
    content = written(tmp_path / "t.csv", pa.table({"x": list(range(20))}))
    assert content.split() == [b"x", *(str(number).encode() for number in range(20))]


def test_parquet_is_chosen_by_the_suffix(tmp_path: Path) -> None:
    rows = table(["A"], ["2026-01-01"])
    written(tmp_path / "t.PARQUET", rows, rows)
    stored = pyarrow.parquet.read_table(tmp_path / "t.PARQUET")
    assert (len(stored), stored.schema) == (2, rows.schema)
