"""The settings of the service: config.yaml, then the environment, then the command line."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cidp.auth import DEMO_KEY, ApiKey, is_loopback
from cidp.errors import SettingsError
from cidp.telemetry import field_errors

SERVICE_FOLDER = Path(__file__).resolve().parents[1]
MIN_KEY_LENGTH = 16
"""Shortest API_KEY that may guard an address other machines can reach."""

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
    """Everything that a deployment may change; relative paths start at the service's folder."""

    api: ApiSettings = ApiSettings()
    model: ModelSettings = ModelSettings()
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    pmd: PmdSettings = PmdSettings()
    logs: LogSettings = LogSettings()
    keys: tuple[ApiKey, ...] = ()

    @property
    def demo_key_only(self) -> bool:
        """True when no real key is set, so that only this machine may call."""
        return all(key.loopback_only for key in self.keys)

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], flags: Mapping[str, Mapping[str, Any]] | None = None
    ) -> "Settings":
        """Read config.yaml (or `CAMRAIL_CONFIG`), then lay `environ` and `flags` over it.

        `flags` has the sections of config.yaml; a None in it counts as not given. Raises
        `SettingsError`.
        """
        file = _resolved(environ.get("CAMRAIL_CONFIG") or "config/config.yaml")
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
                        key: _resolved(value) for key, value in section if isinstance(value, Path)
                    }
                )
                for name, section in self
                if isinstance(section, _Section)
            }
        )

    def _with_keys(self, environ: Mapping[str, str]) -> "Settings":
        keys = read_keys(environ, local=is_loopback(self.api.host))
        return self.model_copy(update={"keys": keys})


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


def read_keys(environ: Mapping[str, str], *, local: bool) -> tuple[ApiKey, ...]:
    """Return the keys of `API_KEY` and `API_KEYS_FILE`, or the demo key in local mode.

    Raises `SettingsError` where other machines could call and no real key is set.
    """
    secret = environ.get("API_KEY", "").strip()
    keys = _read_keys_file(environ["API_KEYS_FILE"]) if environ.get("API_KEYS_FILE") else ()
    if secret and secret != DEMO_KEY:
        if not local and len(secret) < MIN_KEY_LENGTH:
            raise SettingsError(
                f"API_KEY a {len(secret)} caractères : il en faut au moins {MIN_KEY_LENGTH} pour"
                " écouter hors de la boucle locale."
            )
        return (*keys, ApiKey.of("API_KEY", secret))
    if keys:
        return keys
    if not local:
        raise SettingsError(
            "Aucune clé réelle : hors de la boucle locale, définissez API_KEY (au moins"
            f" {MIN_KEY_LENGTH} caractères) ou API_KEYS_FILE, ou revenez à API_HOST=127.0.0.1."
        )
    return (ApiKey.of("démonstration", DEMO_KEY, loopback_only=True),)


_KEYS_FILE = TypeAdapter(Annotated[tuple[ApiKey, ...], Field(min_length=1)])


def _read_keys_file(name: str) -> tuple[ApiKey, ...]:
    """Read a YAML or JSON list of `id`, `sha256`, `scopes`."""
    path = _resolved(name)
    try:
        return _KEYS_FILE.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Fichier de clés {path.name} illisible.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"Fichier de clés {path.name} : YAML invalide.") from error
    except ValidationError as error:
        details = "; ".join(f"{d['field']} : {d['message']}" for d in field_errors(error))
        raise SettingsError(f"Fichier de clés {path.name} refusé : {details}.") from None


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
    if "keys" in sections:
        raise SettingsError(
            f"Réglages {path.name} : les clés vont dans API_KEY ou API_KEYS_FILE, pas ici."
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


def _resolved(path: str | Path) -> Path:
    return (SERVICE_FOLDER / path).resolve()
