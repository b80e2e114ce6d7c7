import json
from pathlib import Path

import pandas as pd
import pytest

from pmd.cli.process import main
from pmd.degradation import FAILURE_TYPES
from pmd.features import FEATURE_NAMES
from pmd.french import number
from pmd.history import History
from pmd.sensors import SENSOR_NAMES
from pmd.telemetry_file import write_csv


@pytest.fixture
def raw(service: Path, history: History) -> Path:
    path = service / "data/raw_telemetry.csv"
    write_csv({path: history.telemetry.head(3000)})
    return path


@pytest.fixture
def maintenance(service: Path, history: History) -> Path:
    path = service / "data/maintenance.csv"
    write_csv({path: history.maintenance})
    return path


def test_a_run_writes_labelled_rows_with_features(
    service: Path, raw: Path, maintenance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", "--horizon-hours", "36"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    table = pd.read_csv(service / "data/processed_telemetry.csv")
    assert list(table.columns) == [
        "timestamp", "loco_id", *SENSOR_NAMES, *FEATURE_NAMES, "horizon_hours", "failed_at",
        "failure_type", "failure",
    ]  # fmt: skip
    assert set(table["horizon_hours"]) == {36}
    assert table["failed_at"].notna().tolist() == (table["failure"] == 1).tolist()
    assert set(table["failure_type"].dropna()) <= set(FAILURE_TYPES)
    assert document["kept"] == len(table)
    assert document["positives"] == table["failure"].sum() > 0
    parts = ("kept", "rejected", "duplicates", "in_repair", "unobserved")
    assert document["read"] == sum(document[part] for part in parts) == 3000
    assert f"3\u202f000 lignes lues = {number(len(table))} gardées" in captured.err


def test_a_bad_row_is_kept_among_the_rejects_with_its_reason(
    service: Path, raw: Path, maintenance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with raw.open("a", encoding="utf-8", newline="") as file:
        file.write("2026-01-01T00:00:00Z,LOCO_001,abc,5,2,45,0\n")
    assert main([]) == 0
    rejects = pd.read_csv(service / "data/rejected_telemetry.csv")
    assert rejects["line"].tolist() == [3002]
    assert "« abc » n'est pas un nombre" in rejects["reason"][0]
    assert "rejected_telemetry.csv : 1" in capsys.readouterr().err


def test_rejected_work_orders_are_counted_apart(
    service: Path, raw: Path, maintenance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with maintenance.open("a", encoding="utf-8", newline="") as file:
        file.write("LOCO_001,jamais,,bearing_wear,open\n")
        file.write("LOCO_001,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,bearing_wear,closed\n")
    assert main(["--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["rejected"], document["rejected_orders"]) == (0, 2)
    assert len(pd.read_csv(service / "data/rejected_telemetry.csv")) == 2
    assert "ordres de travail rejetés, comptés à part : 2" in captured.err
    assert "rejected_telemetry.csv : 2" in captured.err


def test_without_work_orders_the_run_says_what_it_cannot_know(
    service: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    assert "lignes en réparation non écartées" in capsys.readouterr().err


def test_the_default_work_orders_do_not_go_with_another_telemetry(
    service: Path, raw: Path, maintenance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = raw.rename(service / "other.csv")
    assert main(["--input", str(other), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["in_repair"] == 0
    assert "lignes en réparation non écartées" in captured.err


@pytest.mark.parametrize("flag", ["--output", "--rejects"])
def test_an_input_is_never_overwritten(
    service: Path, raw: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    before = raw.read_bytes()
    assert main([flag, str(raw), "--json"]) == 2
    assert "deux rôles pour un seul fichier" in json.loads(capsys.readouterr().out)["error"]
    assert raw.read_bytes() == before


def test_rejects_that_cannot_be_written_leave_the_table_alone(
    service: Path, raw: Path, maintenance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = service / "data/processed_telemetry.csv"
    output.write_text("avant", encoding="utf-8")
    assert main(["--rejects", str(service)]) == 1
    assert "écriture impossible" in capsys.readouterr().err
    assert output.read_text(encoding="utf-8") == "avant"


@pytest.mark.parametrize("content", ["", "timestamp,loco_id\n", "timestamp;loco_id\nx;y\n"])
def test_a_bad_file_is_code_1_and_changes_nothing(
    service: Path, raw: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    raw.write_text(content, encoding="utf-8")
    output = service / "data/processed_telemetry.csv"
    output.write_text("avant", encoding="utf-8")
    assert main(["--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["status"] == "error"
    assert "raw_telemetry.csv" in captured.err
    assert "Traceback" not in captured.err
    assert output.read_text(encoding="utf-8") == "avant"
    assert not (service / "data/rejected_telemetry.csv").exists()


def test_a_named_file_that_is_missing_is_code_1(
    raw: Path, service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--maintenance", str(service / "absent.csv")]) == 1
    assert "absent.csv : lecture impossible" in capsys.readouterr().err


def test_parquet_in_and_out_on_dask(
    service: Path, history: History, maintenance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history.telemetry.head(3000).to_parquet(service / "raw.parquet")
    chosen = ["--input", str(service / "raw.parquet"), "--maintenance", str(maintenance)]
    assert main([*chosen, "--engine", "dask", "--workers", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert Path(document["processed"]) == service / "data/processed_telemetry"
    assert len(pd.read_parquet(document["processed"])) == document["kept"]
    assert main([*chosen, "--output", str(service / "out.parquet"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == document["kept"]
    assert len(pd.read_parquet(service / "out.parquet")) == document["kept"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["--workers", "2"], "--workers : seulement avec --engine dask"),
        (["--workers", "2", "--engine", "pandas"], "--workers : seulement avec --engine dask"),
        (["--engine", "spark"], "option --engine : « spark » : pandas ou dask attendu"),
    ],
)
def test_an_engine_that_is_not_there_is_misuse(
    raw: Path, chosen: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([*chosen, "--json"])
    assert exit_info.value.code == 2
    assert message in json.loads(capsys.readouterr().out)["error"]
