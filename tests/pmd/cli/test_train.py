import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pmd.cli.train import CONFIGURABLE, _parser, main
from pmd.history import simulate_history
from pmd.settings import Settings
from pmd.telemetry_file import write_csv

CONTRACT = Path(__file__).parents[3] / "docs/contracts/training-summary.schema.json"


@pytest.fixture
def machines(service: Path) -> Path:
    """A table of machines with brackets in its names, groups, days and a column that leaks."""
    rng = np.random.default_rng(1)
    rows = ["\ufeffTorque [Nm],Air temperature [K],line,day,kind,TWF,Machine failure"]
    for index in range(1800):
        torque, air = rng.normal(40, 10), rng.normal(300, 2)
        failed = int(torque + rng.normal(0, 3) > 52)
        day = f"2025-01-{1 + index // 60:02d}"
        rows.append(f"{torque:.1f},{air:.1f},L{index % 9},{day},M,{failed},{failed}")
    path = service / "machines.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def arguments(machines: Path, *more: str) -> list[str]:
    features = ["--features", "Torque [Nm],Air temperature [K]"]
    return ["--input", str(machines), *features, "--target", "Machine failure", *more]


def test_raw_telemetry_becomes_a_model_file_and_a_bundle(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, maintenance = str(service / "sensors.csv"), str(service / "orders.csv")
    history = simulate_history(12, 40, 240, 5, datetime(2026, 1, 1, tzinfo=UTC))
    sensors = history.telemetry.drop(columns="failure")
    write_csv({Path(raw): sensors, Path(maintenance): history.maintenance})
    signs = ["--monotone", "vibration=+", "--seed", "3", "--json"]
    card = ["--model-card", str(service / "card.md")]
    assert main(["--input", raw, "--maintenance", maintenance, *signs, *card]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    jsonschema.Draft202012Validator(json.loads(CONTRACT.read_text(encoding="utf-8"))).validate(
        document
    )
    assert document["status"] == "ok"
    assert Path(document["model_file"]) == service / "models/rf_failure_predict.joblib"
    assert Path(document["bundle"]).parent == service / "models/bundles"
    assert Path(document["bundle"], "model.onnx").is_file()
    assert document["manifest"]["seed"] == 3
    assert document["manifest"]["version"] in (service / "card.md").read_text(encoding="utf-8")
    assert len(list((service / "card").glob("*.png"))) == 4
    assert [feature["monotone"] for feature in document["manifest"]["features"]] == [0, 0, 1, 0]
    assert document["manifest"]["held_out"]["groups"] == 4
    assert "ne tombe jamais en panne" in captured.err
    assert "lignes laissées de côté : en réparation" in captured.err


def test_any_table_trains_with_its_own_columns(
    machines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--group", "line", "--time", "day", "--monotone", "Torque [Nm]=+"]
    assert main(arguments(machines, *more, "--json")) == 0
    manifest = json.loads(capsys.readouterr().out)["manifest"]
    assert [(f["name"], f["monotone"]) for f in manifest["features"]] == [
        ("Torque [Nm]", 1), ("Air temperature [K]", 0),
    ]  # fmt: skip
    assert manifest["held_out"]["split"] == "3 groupes sur 9 et dernier tiers de la période"
    assert manifest["training_window"]["start"] == "2025-01-01T00:00:00Z"
    assert manifest["horizon_hours"] is None
    assert manifest["metrics"]["model"]["cost"] < manifest["metrics"]["never_fails"]["cost"]


def test_without_json_the_report_is_printed(
    machines: Path, service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--bundles", str(service / "b"), "--model-file", str(service / "m.joblib")]
    costs = ["--cost-miss", "3", "--cost-false-alarm", "2"]
    assert main(arguments(machines, *chosen, *costs)) == 0
    report = capsys.readouterr().out
    assert "quart stratifié" in report
    assert "panne manquée 3,0, fausse alerte 2,0" in report
    assert (service / "m.joblib").is_file()
    assert not (service / "models").exists()


def test_a_config_file_stands_for_options_and_those_given_prevail(
    machines: Path, service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = service / "machines.yaml"
    config.write_text(
        f"input: '{machines.as_posix()}'\n"
        "features: ['Torque [Nm]', 'Air temperature [K]']\n"
        "post_hoc: [TWF]\n"
        "target: Machine failure\n"
        "monotone: {'Torque [Nm]': +}\n"
        "trials: 3\n"
        "seed: 7\n",
        encoding="utf-8",
    )
    assert main(["--config", str(config), "--seed", "8", "--seeds", "2", "--json"]) == 0
    captured = capsys.readouterr()
    manifest = json.loads(captured.out)["manifest"]
    assert (manifest["trials"], manifest["seed"], manifest["seeds"]) == (3, 8, [8, 9])
    assert [feature["monotone"] for feature in manifest["features"]] == [1, 0]
    interval = manifest["intervals"]["model"]["average_precision"]
    assert interval["low"] < interval["mean"] < interval["high"]
    assert "sur 2 graines" in captured.err


def test_a_card_that_cannot_be_written_leaves_no_model(
    machines: Path, service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (service / "file").write_text("in the way", encoding="utf-8")
    assert main(arguments(machines, "--model-card", str(service / "file" / "card.md"))) == 1
    assert "card.md : écriture impossible" in capsys.readouterr().err
    assert [path for path in (service / "models").rglob("*") if path.is_file()] == []


def test_a_config_file_that_cannot_be_used_is_misuse(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = service / "machines.yaml"
    config.write_text("essais: 3\n", encoding="utf-8")
    for more in (["--config", str(config)], ["--config"]):
        with pytest.raises(SystemExit) as exit_info:
            main(["--json", *more])
        assert exit_info.value.code == 2
        assert json.loads(capsys.readouterr().out)["status"] == "error"


def test_every_option_but_the_way_of_answering_may_stand_in_a_config_file() -> None:
    parser = _parser(Settings.from_environ({}))
    options = {action.dest.replace("_", "-") for action in parser._actions}
    told_apart = {"help", "config", "json", "progress", "verify"}
    assert options - set(CONFIGURABLE) == told_apart
    assert set(CONFIGURABLE) <= options


def test_a_name_with_a_comma_stands_in_quotes(
    machines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = machines.read_text(encoding="utf-8").replace("Torque [Nm]", '"Torque, Nm"', 1)
    machines.write_text(text, encoding="utf-8")
    options = ["--features", '"Torque, Nm"', "--monotone", '"Torque, Nm=+"', "--json"]
    assert main(arguments(machines, *options)) == 0
    (feature,) = json.loads(capsys.readouterr().out)["manifest"]["features"]
    assert (feature["name"], feature["monotone"]) == ("Torque, Nm", 1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--post-hoc", "TWF,Torque [Nm]"], "« Torque [Nm] » (déclarée connue après coup)"),
        (["--features", "Torque [Nm],TWF"], "Fuite de l'étiquette : « TWF »"),
        (["--features", "Torque [Nm],kind"], "« kind » ne contient pas un nombre"),
        (["--features", "absente"], "colonnes absentes ['absente']"),
        (["--target", "line"], "« line » ne contient pas 0 ou 1"),
        (["--input", "absent.csv"], "lecture impossible"),
    ],
)
def test_what_cannot_train_is_code_1_with_one_document(
    machines: Path,
    service: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    assert main(arguments(machines, *more, "--json")) == 1
    check_refusal(service, capsys, message)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--features", "a,,b"], "noms distincts et non vides"),
        (["--features", ""], "noms distincts et non vides"),
        (["--features", "a,a"], "noms distincts"),
        (["--features", "Machine failure"], "colonnes à deux rôles : ['Machine failure']"),
        (["--monotone", "Torque [Nm]"], "attendu nom=+"),
        (["--monotone", "Torque [Nm]=2"], "attendu nom=+"),
        (["--monotone", "vibration=+"], "--monotone nomme ['vibration']"),
        (["--maintenance", "m.csv"], "--maintenance ne va pas avec"),
        (["--horizon-hours", "24"], "--horizon-hours 24 : la table est déjà étiquetée"),
    ],
)
def test_options_that_do_not_go_together_are_code_2_with_one_document(
    machines: Path,
    service: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    assert main(arguments(machines, *more, "--json")) == 2
    check_refusal(service, capsys, message)


def test_the_input_is_never_overwritten(
    machines: Path, service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = machines.read_bytes()
    assert main(arguments(machines, "--model-file", str(machines), "--json")) == 2
    assert machines.read_bytes() == before
    check_refusal(service, capsys, "deux rôles pour un seul fichier")


def check_refusal(service: Path, capsys: pytest.CaptureFixture[str], message: str) -> None:
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["status"] == "error"
    assert message in document["error"]
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not (service / "models").exists()


def test_misuse_is_code_2_with_the_document_of_the_contract(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--json", "--cost-miss", "-1"])
    assert exit_info.value.code == 2
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(CONTRACT.read_text(encoding="utf-8"))).validate(
        document
    )
    assert "nombre positif attendu" in document["error"]


def test_a_default_run_without_processed_data_says_what_is_missing(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 1
    assert "processed_telemetry.csv : lecture impossible" in capsys.readouterr().err


@pytest.fixture
def raw(service: Path) -> list[str]:
    telemetry, maintenance = service / "sensors.csv", service / "orders.csv"
    history = simulate_history(12, 40, 240, 5, datetime(2026, 1, 1, tzinfo=UTC))
    sensors = history.telemetry.drop(columns="failure")
    write_csv({telemetry: sensors, maintenance: history.maintenance})
    return ["--input", str(telemetry), "--maintenance", str(maintenance)]


def test_the_trend_model_tells_how_to_compute_its_features(
    service: Path, raw: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*raw, "--slot", "trend", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads(CONTRACT.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert Path(document["model_file"]) == service / "models/rf_failure_trend.joblib"
    manifest = document["manifest"]
    assert manifest["slot"] == "trend"
    features = {feature["name"]: feature for feature in manifest["features"]}
    assert len(features) == 24
    assert features["vibration"]["recipe"] is None
    deviation = features["temperature_deviation_24h"]
    assert (deviation["unit"], deviation["monotone"]) == ("°C", 1)
    assert deviation["recipe"] == {
        "reading": "temperature", "statistic": "deviation", "window_hours": 24,
        "baseline_from_hours": 336, "baseline_to_hours": 48, "decimals": 4,
    }  # fmt: skip
    assert features["flow_rate_slope_24h"]["recipe"]["baseline_from_hours"] is None


def test_the_trend_model_takes_no_column_that_a_stream_could_not_compute(
    machines: Path, service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(machines, "--slot", "trend", "--json")) == 2
    check_refusal(service, capsys, "ne sont ni des mesures ni leurs variables causales")


def test_a_bundle_is_verified_instead_of_training(
    service: Path, raw: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*raw, "--json"]) == 0
    bundle = Path(json.loads(capsys.readouterr().out)["bundle"])
    assert main(["--verify", str(bundle), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["manifest"]["version"] == bundle.name
    assert "200\u202f000 lignes" in captured.err
    (bundle / "model.pkl").write_bytes(b"altered")
    assert main(["--verify", str(bundle), "--json"]) == 1
    assert "model.pkl ne correspond pas" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("name", [*CONFIGURABLE, "config", "progress"])
def test_a_bundle_is_verified_with_no_option_of_a_training(
    service: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    config = service / "options.yaml"
    config.write_text("trials: 5\n", encoding="utf-8")
    values = {"slot": "trend", "progress": "json", "trees": "50", "config": str(config)}
    with pytest.raises(SystemExit) as exit_info:
        main(["--verify", "lot", f"--{name}", values.get(name, "1"), "--json"])
    assert exit_info.value.code == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error == f"--{name} : sans effet avec --verify ; retirez l'un ou l'autre"


def test_an_earlier_bundle_is_judged_on_the_same_rows(
    service: Path, history_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry, maintenance = map(str, history_files)
    words = ["--input", telemetry, "--maintenance", maintenance, "--json"]
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*words, "--against", first["bundle"]]) == 0
    captured = capsys.readouterr()
    again = json.loads(captured.out)["manifest"]
    version = first["manifest"]["version"]
    assert again["metrics"][version] == again["metrics"]["model"]  # same data, same seed
    assert any(line.startswith(version) for line in captured.err.splitlines())
    assert main([*words, "--against", str(service / "nowhere")]) == 1
    assert "Lot nowhere refusé" in json.loads(capsys.readouterr().out)["error"]
