from pathlib import Path

from pmd.settings import SERVICE_ROOT, Settings


def test_files_lie_beside_the_sources_by_default() -> None:
    settings = Settings.from_environ({})
    assert (SERVICE_ROOT / "src" / "pmd").is_dir()
    assert settings.raw_telemetry == SERVICE_ROOT / "data/raw_telemetry.csv"
    assert settings.processed_telemetry == SERVICE_ROOT / "data/processed_telemetry.csv"
    assert settings.model_file == SERVICE_ROOT / "models/rf_failure_predict.joblib"
    assert settings.bundles == SERVICE_ROOT / "models/bundles"


def test_the_environment_moves_each_folder() -> None:
    environ = {"PMD_DATA_DIR": "d", "PMD_MODELS_DIR": "m", "PMD_LOGS_DIR": "l"}
    settings = Settings.from_environ(environ)
    assert settings.maintenance == Path("d/maintenance.csv")
    assert settings.rejects == Path("d/rejected_telemetry.csv")
    assert settings.model_file.parent == Path("m")
    assert settings.logs_dir == Path("l")


def test_an_empty_variable_is_no_folder() -> None:
    assert Settings.from_environ({"PMD_DATA_DIR": ""}).data_dir == SERVICE_ROOT / "data"
