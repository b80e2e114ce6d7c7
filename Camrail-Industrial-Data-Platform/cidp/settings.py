"""The settings of the service: config.yaml, then the environment, then the command line."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from dotenv import dotenv_values

from cidp.auth import ApiKey, is_loopback, utc_now
from cidp.errors import SettingsError
from cidp.key_sources import (
    check_distinct,
    demonstration_keys,
    environment_keys,
    read_key_file,
)
from cidp.pydantic_compat import BaseModel, ConfigDict, Field, ValidationError
from cidp.telemetry import field_errors

SERVICE_FOLDER = Path(__file__).resolve().parents[1]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
AnyPath = Annotated[Path, Field(strict=False)]
BodyBytes = Annotated[int, Field(ge=1_024, le=64 * 1_048_576)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ApiSettings(_Section):
    """Where the API listens and how much it takes."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 5000
    threads: Annotated[int, Field(ge=1, le=64)] = 4
    predict_max_bytes: BodyBytes = 16_384
    telemetry_max_bytes: BodyBytes = 1_048_576
    batch_max_bytes: BodyBytes = 4_194_304
    batch_max_rows: Annotated[int, Field(ge=1, le=100_000)] = 20_000
    wrong_keys_per_minute: Annotated[int, Field(ge=1, le=6_000)] = 10
    metrics_need_key: bool = False


class ModelSettings(_Section):
    """Where the registry is and how often it is looked at."""

    folder: AnyPath = Path("models")
    poll_s: Seconds = 1.0
    first_load_wait_s: Seconds = 5.0


class StoreSettings(_Section):
    """Where the event store is and how long a writer waits for another."""

    path: AnyPath = Path("database/events.sqlite")
    timeout_s: Seconds = 5.0


class TelemetrySettings(_Section):
    """Which instants are accepted, and when the source counts as silent."""

    retention_days: Annotated[float, Field(gt=0, le=3_650)] = 30
    future_skew_s: Seconds = 300
    stale_after_s: Seconds = 60

    @property
    def retention(self) -> timedelta:
        """Age beyond which a reading is refused."""
        return timedelta(days=self.retention_days)

    @property
    def future_skew(self) -> timedelta:
        """How far ahead of ours a sender's clock may be."""
        return timedelta(seconds=self.future_skew_s)


class PmdSettings(_Section):
    """Where PM-D is, which trains and simulates, and the seed data that its trainer is given."""

    folder: AnyPath = Path("../Predictive-Maintenance-Dashboard")
    sensors: AnyPath = Path("data/sensors.csv")
    maintenance: AnyPath = Path("data/maintenance.csv")
    training_timeout_s: Seconds = 600


class LogSettings(_Section):
    """Where log files go."""

    folder: AnyPath = Path("logs")


class Settings(_Section):
    """Everything that a deployment may change; relative paths start at the service's folder.

    `keys` are those of the environment, or the demonstration key; `file_keys` those that
    `keys_file` held when it was read.
    """

    api: ApiSettings = ApiSettings()
    model: ModelSettings = ModelSettings()
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    pmd: PmdSettings = PmdSettings()
    logs: LogSettings = LogSettings()
    keys: tuple[ApiKey, ...] = ()
    keys_file: AnyPath | None = None
    file_keys: tuple[ApiKey, ...] = ()

    @property
    def demo_key_only(self) -> bool:
        """True when no real key is set, so that only this machine may call."""
        return all(key.loopback_only for key in (*self.keys, *self.file_keys))

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], flags: Mapping[str, Mapping[str, Any]] | None = None
    ) -> "Settings":
        """Read config.yaml (or `CAMRAIL_CONFIG`), then lay `environ` and `flags` over it.

        `flags` has the sections of config.yaml; a None in it counts as not given. Raises
        `SettingsError`.
        """
        file = service_path(environ.get("CAMRAIL_CONFIG") or "config/config.yaml")
        sections = _read_yaml(file)
        _overlay(sections, _from_variables(environ))
        _overlay(sections, flags or {})
        try:
            settings = cls.model_validate(sections)
        except ValidationError as error:
            details = "; ".join(f"{d['field']} : {d['message']}" for d in field_errors(error))
            raise SettingsError(f"Réglages refusés ({file.name}) : {details}.") from None
        return settings._with_absolute_paths()._with_keys(environ)

    def _with_absolute_paths(self) -> "Settings":
        return self.model_copy(
            update={
                name: section.model_copy(
                    update={
                        key: service_path(value)
                        for key, value in section
                        if isinstance(value, Path)
                    }
                )
                for name, section in self
                if isinstance(section, _Section)
            }
        )

    def _with_keys(self, environ: Mapping[str, str]) -> "Settings":
        """Add the keys; raises `SettingsError` where only the demonstration key is left."""
        local = is_loopback(self.api.host)
        keys = environment_keys(environ, local=local)
        file = service_path(environ["API_KEYS_FILE"]) if environ.get("API_KEYS_FILE") else None
        filed = read_key_file(file) if file else ()
        check_distinct((*keys, *filed))
        if not file and not keys:
            keys = demonstration_keys(local=local)
        elif all(key.ended(utc_now()) for key in (*keys, *filed)):
            raise SettingsError("Aucune clé valable : toutes sont révoquées ou expirées.")
        return self.model_copy(update={"keys": keys, "keys_file": file, "file_keys": filed})


def launch_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` over the `.env` of the service's folder, over that of its parent.

    Raises `SettingsError` for a file that cannot be read.
    """
    merged: dict[str, str] = {}
    for folder in (SERVICE_FOLDER.parent, SERVICE_FOLDER):
        values = _read_dotenv(folder / ".env")
        merged.update({name: value for name, value in values.items() if value is not None})
    return merged | dict(environ)


def _read_dotenv(path: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"Fichier {path.name} de {path.parent.name} illisible : enregistrez-le en UTF-8"
            " (« Set-Content -Encoding utf8 » dans PowerShell)."
        ) from error


def _read_yaml(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Réglages {path.name} illisibles.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"Réglages {path.name} : YAML invalide.") from error
    sections = {} if content is None else content
    if not isinstance(sections, dict) or not all(isinstance(v, dict) for v in sections.values()):
        raise SettingsError(f"Réglages {path.name} : des sections « nom: » sont attendues.")
    if {"keys", "keys_file", "file_keys"} & sections.keys():
        raise SettingsError(
            f"Réglages {path.name} : les clés vont dans API_KEY, API_KEYS ou API_KEYS_FILE,"
            " pas ici."
        )
    return sections


def _from_variables(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    port = environ.get("API_PORT") or None
    if port is not None and not re.fullmatch(r"[0-9]{1,5}", port):
        raise SettingsError(f"API_PORT={port[:20]!r} : un entier de 1 à 65535 est attendu.")
    return {
        "api": {"host": environ.get("API_HOST") or None, "port": int(port) if port else None},
        "model": {"folder": environ.get("CAMRAIL_MODELS_DIR") or None},
        "store": {"path": environ.get("CAMRAIL_EVENT_STORE") or None},
        "logs": {"folder": environ.get("CAMRAIL_LOGS_DIR") or None},
    }


def _overlay(sections: dict[str, dict[str, Any]], upper: Mapping[str, Mapping[str, Any]]) -> None:
    for name, values in upper.items():
        given = {key: value for key, value in values.items() if value is not None}
        if given:
            sections[name] = sections.get(name, {}) | given


def service_path(path: str | Path) -> Path:
    """Return `path` as it is when absolute, else below the service's folder."""
    return (SERVICE_FOLDER / path).resolve()
