import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pmd.cli.generate import main

SMALL = ["--locos", "4", "--days", "30", "--step-minutes", "240"]


def test_a_run_writes_readings_and_work_orders(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    telemetry = pd.read_csv(service / "data/raw_telemetry.csv")
    orders = pd.read_csv(service / "data/maintenance.csv")
    assert document["status"] == "ok"
    assert document["rows"] == len(telemetry)
    assert document["failures"] == telemetry["failure"].sum() > 0
    assert document["work_orders"] == len(orders)
    assert Path(document["telemetry"]) == service / "data/raw_telemetry.csv"
    assert telemetry["timestamp"].max() == "2026-01-01T00:00:00Z"


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(service: Path) -> None:
    contents = []
    for seed in ("7", "7", "8"):
        assert main([*SMALL, "--seed", seed]) == 0
        contents.append((service / "data/raw_telemetry.csv").read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_paths_end_and_columns_can_be_chosen(service: Path) -> None:
    telemetry, orders = service / "t.csv", service / "m.csv"
    chosen = ["--output", str(telemetry), "--maintenance", str(orders), "--sensors-only"]
    assert main([*SMALL, *chosen, "--end", "2025-06-01T12:00:00+01:00"]) == 0
    frame = pd.read_csv(telemetry)
    assert list(frame.columns)[-1] == "temperature"
    assert frame["timestamp"].max() == "2025-06-01T11:00:00Z"
    assert orders.exists()
    assert not (service / "data").exists()


def test_the_stream_prints_one_event_per_line(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stream", "--count", "5", "--rate", "1000", "--locos", "2"]) == 0
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert len(events) == 5
    assert {event["loco_id"] for event in events} == {"LOCO_001", "LOCO_002"}
    assert "5 mesures émises" in captured.err
    assert not (service / "data").exists()


DEMO = Path(__file__).parents[3] / "Predictive-Maintenance-Dashboard/config/scenario_demo.yaml"


def test_a_scenario_is_all_that_happens_in_its_history(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--scenario", str(DEMO), "--locos", "8", "--days", "3"]) == 0
    orders = pd.read_csv(service / "data/maintenance.csv")
    assert sorted(zip(orders["loco_id"], orders["failure_type"], strict=True)) == [
        ("LOCO_002", "hydraulic_leak"),
        ("LOCO_003", "clogged_filter"),
        ("LOCO_004", "cooling_loss"),
        ("LOCO_005", "bearing_wear"),
    ]
    assert "4 pannes, 4 défauts de capteurs" in capsys.readouterr().err


def test_a_scenario_plays_in_the_stream_too(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = service / "scenario.yaml"
    scenario.write_text(
        "random_failures: false\nrandom_sensor_faults: false\n"
        "failures: [{loco_id: LOCO_002, failure_type: hydraulic_leak, onset_h: 1, growth_h: 5}]\n",
        encoding="utf-8",
    )
    fast = ["--stream", "--rate", "1000", "--speed", "100000", "--locos", "2", "--count", "210"]
    assert main(["--scenario", str(scenario), *fast]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lowest = {
        name: min(event["flow_rate"] for event in events if event["loco_id"] == name)
        for name in ("LOCO_001", "LOCO_002")
    }
    assert lowest["LOCO_002"] < 350 < 400 < lowest["LOCO_001"]


@pytest.mark.parametrize(
    ("onset_h", "growth_h", "fails"),
    [(0, 71, True), (0.4, 71.4, True), (0, 71.9, False), (0, 900, False)],  # 71.8 h last
)
def test_a_failure_beyond_the_last_reading_is_told(
    service: Path,
    capsys: pytest.CaptureFixture[str],
    onset_h: float,
    growth_h: float,
    fails: bool,
) -> None:
    scenario = service / "scenario.yaml"
    scenario.write_text(
        "random_failures: false\nrandom_sensor_faults: false\nfailures: [{loco_id: LOCO_002, "
        f"failure_type: hydraulic_leak, onset_h: {onset_h}, growth_h: {growth_h}}}]\n",
        encoding="utf-8",
    )
    plan = ["--locos", "2", "--days", "3", "--step-minutes", "12"]
    assert main(["--scenario", str(scenario), *plan, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["failures"] == json.loads(captured.out)["work_orders"] == fails
    told = "LOCO_002 tomberait en panne à " in captured.err
    assert told == ("sans panne ni ordre de travail" in captured.err) == (not fails)


@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_a_scenario_that_cannot_be_played_is_misuse_and_writes_nothing(
    service: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main(["--scenario", str(DEMO), "--locos", "4", *more]) == 2
    assert "« LOCO_005 » n'est pas du parc" in capsys.readouterr().err
    assert not (service / "data").exists()


def test_the_scenario_is_never_overwritten(service: Path) -> None:
    scenario = service / "scenario.yaml"
    scenario.write_text("random_failures: false", encoding="utf-8")
    assert main([*SMALL, "--scenario", str(scenario), "--output", str(scenario)]) == 2
    assert scenario.read_text(encoding="utf-8") == "random_failures: false"


def test_a_parquet_history_holds_what_the_csv_holds(service: Path) -> None:
    assert main(SMALL) == 0
    assert main([*SMALL, "--output", str(service / "t.parquet"), "--sensors-only"]) == 0
    csv = pd.read_csv(service / "data/raw_telemetry.csv", parse_dates=["timestamp"])
    parquet = pd.read_parquet(service / "t.parquet")
    pd.testing.assert_frame_equal(csv.drop(columns="failure"), parquet, check_dtype=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "5"], "--rate : seulement avec --stream"),
        (["--count", "5"], "--count : seulement avec --stream"),
        (["--rate", "5", "--speed", "2"], "--rate, --speed : seulement avec --stream"),
        (["--stream", "--json"], "--json : sans effet avec --stream"),
        (["--stream", "--sensors-only"], "--sensors-only : sans effet avec --stream"),
        (["--stream", "--days", "3"], "--days : sans effet avec --stream ; retirez l'un"),
        (["--days=3", "--stream", "--end=2025-06-01"], "--days, --end : sans effet avec --stream"),
        (["--stream", "--days", "90"], "--days : sans effet avec --stream"),
        (["--stream", "--step-minutes", "5"], "--step-minutes : sans effet avec --stream"),
        (["--stream", "--output", "t.csv"], "--output : sans effet avec --stream"),
        (["--stream", "--maintenance", "m.csv"], "--maintenance : sans effet avec --stream"),
        (["--end", "demain"], "horodatage ISO 8601 attendu"),
        (["--end", "0001-01-01T00:00:00+23:00"], "est avant 2001"),
        (["--end", (datetime.now(UTC) + timedelta(days=1)).isoformat()], "dans le futur"),
        (["--locos", "0"], "entier de 1 à 999"),
        (["--days", "1e9"], "nombre de 0.001 à 3660"),
        (["--locos", "999", "--days", "3660", "--step-minutes", "1"], "réduisez l'un d'eux"),
        (["--days", "nan"], "nombre de 0.001 à 3660"),
        (["--seed", "-1"], "entier de 0"),
    ],
)
def test_misuse_is_refused_and_nothing_is_written(
    service: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err
    assert not (service / "data").exists()


def test_both_outputs_in_one_file_are_refused(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--output", str(service / "t.csv"), "--maintenance", str(service / "t.csv")]
    assert main([*SMALL, *chosen, "--json"]) == 2
    assert "deux rôles" in json.loads(capsys.readouterr().out)["error"]
    assert not (service / "t.csv").exists()


def test_an_output_in_a_place_that_cannot_be_is_code_1(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (service / "file").write_text("in the way", encoding="utf-8")
    assert main([*SMALL, "--json", "--output", str(service / "file" / "t.csv")]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "error"
