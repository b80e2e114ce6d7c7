"""bootstrap_local.py trains through the trainer's command, checks, promotes; else nothing moves."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger

from cidp import bootstrap
from cidp.errors import BundleRefused, ChildFailed
from cidp.orchestration import TrainingSummary
from cidp.registry import Registry
from cidp.settings import SERVICE_FOLDER, PmdSettings, Settings

Trainer = Callable[[str], Settings]


@pytest.fixture(autouse=True)
def restored_logger_and_signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    logger.remove()
    logger.configure(patcher=lambda record: None)


@pytest.fixture
def trainer(tmp_path: Path, settings: Settings, bundles: list[Path]) -> Trainer:
    """Settings whose trainer is a script that copies the second bundle, then runs `body`."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("sensors.csv", "maintenance.csv"):
        (data / name).write_text("x\n", encoding="utf-8")
    folder = tmp_path / "trainer"
    (folder / "src").mkdir(parents=True)
    manifest = (bundles[1] / "manifest.json").read_text(encoding="utf-8")

    def make(body: str) -> Settings:
        (folder / "src" / "model_training.py").write_text(
            "import json, pathlib, shutil, sys\n"
            "options = dict(zip(sys.argv[2::2], sys.argv[3::2]))\n"
            "assert sys.argv[1] == '--json' and set(options) == "
            "{'--input', '--maintenance', '--slot', '--bundles', '--model-file'}\n"
            f"source = pathlib.Path({str(bundles[1])!r})\n"
            "target = pathlib.Path(options['--bundles']) / source.name\n"
            "shutil.copytree(source, target, dirs_exist_ok=True)\n"
            "sys.stderr.write('évaluation\\n')\n"
            "summary = {'status': 'ok', 'error': None, 'bundle': str(target),"
            " 'model_file': options['--model-file'],"
            f" 'manifest': json.loads({manifest!r})}}\n"
            "path = target / 'manifest.json'\n"
            "summary['manifest']['slot'] = options['--slot']\n"
            "path.write_text(json.dumps(summary['manifest']))\n"
            f"{body}\n"
            "print(json.dumps(summary))\n",
            encoding="utf-8",
        )
        return settings.model_copy(
            update={
                "pmd": PmdSettings(
                    folder=folder,
                    sensors=data / "sensors.csv",
                    maintenance=data / "maintenance.csv",
                )
            }
        )

    return make


def promoted(settings: Settings) -> str:
    return Registry(settings.model.folder).promoted_version()


def test_the_trained_bundle_is_promoted(trainer: Trainer, bundles: list[Path]) -> None:
    settings, lines = trainer(""), list[str]()
    manifest = bootstrap.train_and_promote(settings, lines.append)
    assert manifest.version == promoted(settings) == bundles[1].name
    assert lines == ["évaluation"]


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("sys.exit('plus de mémoire')", ChildFailed, "plus de mémoire"),
        ("summary.update(status='error', error='trop peu de pannes')", ChildFailed, "trop peu"),
        ("summary.update(manifest=None)", BundleRefused, "manifeste"),
        ("(target / 'model.onnx').write_bytes(b'')", BundleRefused, "empreinte"),
        ("(target / 'model.pkl').unlink()", BundleRefused, "model.pkl"),
    ],
)
def test_a_training_that_fails_leaves_the_served_model(
    trainer: Trainer, bundles: list[Path], body: str, error: type[Exception], said: str
) -> None:
    settings = trainer(body)
    with pytest.raises(error, match=said):
        bootstrap.train_and_promote(settings, lambda line: None)
    assert promoted(settings) == bundles[0].name


def test_missing_seed_data_is_named(trainer: Trainer) -> None:
    settings = trainer("")
    settings.pmd.maintenance.unlink()
    with pytest.raises(ChildFailed, match=r"maintenance\.csv"):
        bootstrap.train_and_promote(settings, lambda line: None)


def test_a_model_is_trained_where_there_is_no_registry_yet(
    trainer: Trainer, bundles: list[Path]
) -> None:
    settings = trainer("")
    shutil.rmtree(settings.model.folder)
    bootstrap.train_and_promote(settings, lambda line: None)
    assert promoted(settings) == bundles[1].name


def environment(tmp_path: Path, settings: Settings) -> dict[str, str]:
    config = tmp_path / "config.yaml"
    pmd = {name: str(value) for name, value in settings.pmd if isinstance(value, Path)}
    config.write_text(json.dumps({"pmd": pmd}), encoding="utf-8")
    return {
        "CAMRAIL_CONFIG": str(config),
        "CAMRAIL_MODELS_DIR": str(settings.model.folder),
        "CAMRAIL_LOGS_DIR": str(tmp_path / "logs"),
    }


def run_main(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings, argv: list[str]
) -> int:
    environ = environment(tmp_path, settings)
    monkeypatch.setattr(bootstrap, "launch_environment", lambda _: environ)
    monkeypatch.setattr(sys, "argv", ["bootstrap_local.py", *argv])
    return bootstrap.main()


def test_the_command_says_what_it_promoted(
    trainer: Trainer,
    bundles: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = trainer("")
    assert run_main(monkeypatch, tmp_path, settings, []) == 0
    said = capsys.readouterr()
    assert f"Modèle instant {bundles[1].name} promu" in said.out
    assert f"Modèle trend {bundles[1].name} promu" in said.out
    assert "évaluation" in said.err
    assert (settings.model.folder / "latest.pkl").exists()
    registry = Registry(settings.model.folder)
    assert registry.promoted_version("trend") == bundles[1].name


def test_the_progress_of_both_models_is_that_of_one_work(
    trainer: Trainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = ['{"step":"forêt","percent":50}', '{"step":"export","percent":null}', '{"autre":1}']
    settings = trainer(f"sys.stderr.write({chr(10).join(['', *lines, ''])!r})")
    assert run_main(monkeypatch, tmp_path, settings, []) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    whole = [line.replace("50", share) for share in ("25.0", "75.0") for line in lines]
    assert told == whole


def test_one_slot_alone_can_be_trained(
    trainer: Trainer,
    bundles: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = trainer("")
    assert run_main(monkeypatch, tmp_path, settings, ["--slot", "trend"]) == 0
    assert "instant" not in capsys.readouterr().out
    assert promoted(settings) == bundles[0].name


def test_a_program_gets_one_document(
    trainer: Trainer,
    bundles: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = trainer("")
    assert run_main(monkeypatch, tmp_path, settings, ["--json"]) == 0
    summary = TrainingSummary.model_validate_json(capsys.readouterr().out)
    assert summary.manifest
    assert summary.manifest.version == bundles[1].name
    assert Path(summary.model_file or "") == settings.model.folder / "latest.pkl"
    (settings.pmd.folder / "src" / "model_training.py").unlink()
    assert run_main(monkeypatch, tmp_path, settings, ["--json"]) == 1
    summary = TrainingSummary.model_validate_json(capsys.readouterr().out)
    assert (summary.status, summary.manifest) == ("error", None)
    assert "introuvable" in (summary.error or "")


def test_the_command_fails_with_one_and_a_reason(
    trainer: Trainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = trainer("")
    (settings.pmd.folder / "src" / "model_training.py").unlink()
    assert run_main(monkeypatch, tmp_path, settings, []) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "model_training.py est introuvable" in said.err
    assert "Traceback" not in said.err


def test_an_interruption_is_said_without_a_trace(
    trainer: Trainer,
    bundles: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    settings = trainer("")
    monkeypatch.setattr(bootstrap, "run_for_document", interrupted)
    assert run_main(monkeypatch, tmp_path, settings, []) == 1
    assert "Interrompu" in capsys.readouterr().err
    assert promoted(settings) == bundles[0].name


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_a_request_to_stop_ends_the_trainer_as_well(
    trainer: Trainer, bundles: list[Path], tmp_path: Path
) -> None:
    settings = trainer(
        "import os, time; sys.stderr.write(f'pid {os.getpid()}\\n'); sys.stderr.flush();"
        " time.sleep(600)"
    )
    child = subprocess.Popen(
        [sys.executable, str(SERVICE_FOLDER / "bootstrap_local.py")],
        env=dict(os.environ) | environment(tmp_path, settings),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert child.stderr is not None
    pid = next(line for line in child.stderr if line.startswith("pid")).split()[1]
    child.terminate()
    said = child.communicate(timeout=240)[1]
    assert child.returncode == 1
    assert "Interrompu" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert promoted(settings) == bundles[0].name
