"""Where the service reads and writes unless a flag says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SERVICE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders of the service."""

    data_dir: Path
    models_dir: Path
    logs_dir: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read `PMD_DATA_DIR`, `PMD_MODELS_DIR` and `PMD_LOGS_DIR`; default: beside `src/`."""

        def folder(name: str, default: str) -> Path:
            return Path(environ.get(name) or SERVICE_ROOT / default)

        return cls(
            data_dir=folder("PMD_DATA_DIR", "data"),
            models_dir=folder("PMD_MODELS_DIR", "models"),
            logs_dir=folder("PMD_LOGS_DIR", "logs"),
        )

    @property
    def raw_telemetry(self) -> Path:
        return self.data_dir / "raw_telemetry.csv"

    @property
    def maintenance(self) -> Path:
        return self.data_dir / "maintenance.csv"

    @property
    def processed_telemetry(self) -> Path:
        return self.data_dir / "processed_telemetry.csv"

    @property
    def rejects(self) -> Path:
        return self.data_dir / "rejected_telemetry.csv"

    @property
    def model_file(self) -> Path:
        return self.models_dir / "rf_failure_predict.joblib"

    @property
    def trend_model_file(self) -> Path:
        return self.models_dir / "rf_failure_trend.joblib"

    @property
    def bundles(self) -> Path:
        return self.models_dir / "bundles"
