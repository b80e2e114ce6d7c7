"""The settings of the service: config.yaml, then the environment, then the command line."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from dotenv import dotenv_values

from cidp.alert_rules import AlertRules
from cidp.auth import ApiKey, is_loopback, utc_now
from cidp.errors import SettingsError
from cidp.key_sources import (
    check_distinct,
    demonstration_keys,
    environment_keys,
    read_key_file,
)
from cidp.pydantic_compat import BaseModel, ConfigDict, Field, ValidationError
from cidp.store_url import StoreUrl
from cidp.telemetry import field_errors

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
SMTP_PASSWORD = "CAMRAIL_SMTP_PASSWORD"  # noqa: S105 (a variable's name)
WEBHOOK_URL = "CAMRAIL_WEBHOOK_URL"
KAFKA_PASSWORD = "CAMRAIL_KAFKA_PASSWORD"  # noqa: S105 (a variable's name)
MQTT_PASSWORD = "CAMRAIL_MQTT_PASSWORD"  # noqa: S105 (a variable's name)
SECRETS = (SMTP_PASSWORD, WEBHOOK_URL, KAFKA_PASSWORD, MQTT_PASSWORD)
SERVICE_FOLDER = Path(__file__).resolve().parents[1]
_ETL = "../Data-Pipeline-Automation"
Seconds = Annotated[float, Field(gt=0, le=86_400)]
AnyPath = Annotated[Path, Field(strict=False)]
BodyBytes = Annotated[int, Field(ge=1_024, le=64 * 1_048_576)]
TimeOut = Annotated[float, Field(ge=0.1, le=600)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ApiSettings(_Section):
    """Where the API listens and how much it takes."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 5000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    threads: Annotated[int, Field(ge=1, le=64)] = 4
    connections: Annotated[int, Field(ge=1, le=65_535)] = 500
    header_timeout_s: TimeOut = 10.0
    body_timeout_s: TimeOut = 10.0
    predict_max_bytes: BodyBytes = 16_384
    telemetry_max_bytes: BodyBytes = 1_048_576
    batch_max_bytes: BodyBytes = 4_194_304
    batch_max_rows: Annotated[int, Field(ge=1, le=100_000)] = 20_000
    wrong_keys_per_minute: Annotated[int, Field(ge=1, le=6_000)] = 10
    metrics_need_key: bool = False
    trusted_hosts: Annotated[tuple[str, ...], Field(strict=False)] = ()
    tls_certificate: AnyPath | None = None
    tls_key: AnyPath | None = None

    @property
    def largest_body(self) -> int:
        """Bytes of the largest body that some route takes."""
        return max(self.predict_max_bytes, self.telemetry_max_bytes, self.batch_max_bytes)

    @property
    def scheme(self) -> str:
        """How the API is spoken to."""
        return "https" if self.tls_certificate else "http"

    @property
    def answered_hosts(self) -> tuple[str, ...]:
        """Names under which the API answers; none means any.

        A server that only this machine reaches has only the names of this machine: a web page
        whose own name leads here (DNS rebinding) gets no answer.
        """
        return self.trusted_hosts or (LOCAL_NAMES if is_loopback(self.host) else ())


class ModelSettings(_Section):
    """Where the registry is and how often it is looked at."""

    folder: AnyPath = Path("models")
    poll_s: Seconds = 1.0
    first_load_wait_s: Seconds = 5.0


class StoreSettings(_Section):
    """Where the event store is (see `StoreUrl`) and how long a writer waits for another."""

    url: Annotated[str, Field(min_length=1)] = "database/events.sqlite"
    timeout_s: Seconds = 5.0

    @property
    def address(self) -> StoreUrl:
        """The store's address; a relative path starts at the service's folder."""
        return StoreUrl.parse(self.url, SERVICE_FOLDER)

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """Show the address without its password."""
        yield from {"url": str(self.address), "timeout_s": self.timeout_s}.items()


class AlertSettings(_Section):
    """When an alert opens and closes by itself; see `AlertRules`."""

    opening: Annotated[int, Field(ge=1, le=1_000)] = 3
    window: Annotated[int, Field(ge=1, le=1_000)] = 5
    closing: Annotated[int, Field(ge=1, le=10_000)] = 10
    calm_share: Annotated[float, Field(gt=0, le=1)] = 0.5

    @property
    def rules(self) -> AlertRules:
        """The same, as the store takes them."""
        return AlertRules(self.opening, self.window, self.closing, self.calm_share)


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


Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class KafkaSettings(_Section):
    """Where Kafka is, if anywhere: no `servers`, no Kafka. The password is a secret.

    A batch is stored when it has `batch_events`, or `batch_s` after its first message.
    """

    servers: str = ""
    topic: Topic = "train_telemetry"
    dead_letter_topic: Topic = "train_telemetry.dead_letters"
    partitions: Annotated[int, Field(ge=1, le=1_000)] = 4
    group: Annotated[str, Field(min_length=1)] = "camrail-cidp"
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    user: str = ""
    ca_file: AnyPath | None = None
    batch_events: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    batch_s: Annotated[float, Field(ge=0.001, le=10)] = 0.05


class MqttSettings(_Section):
    """Where the MQTT broker is, if anywhere; see `MqttAddress`. The password is a secret."""

    url: str = ""
    client_id: Annotated[str, Field(min_length=1)] = "camrail-bridge"
    ca_file: AnyPath | None = None


class SourceSettings(_Section):
    """Where run_platform.py takes telemetry from; auto: what answers, else the simulator."""

    choice: Literal["auto", "kafka", "mqtt", "simulator"] = "auto"


class NotificationSettings(_Section):
    """Who is told of an opened alert, by e-mail; nobody while the server or a name is empty.

    The webhook's address and the SMTP password are secrets, and so only in the environment.
    """

    smtp_host: str = ""
    smtp_port: Annotated[int, Field(ge=1, le=65_535)] = 587
    smtp_starttls: bool = True
    smtp_user: str = ""
    email_from: str = ""
    email_to: str = ""
    simulated: bool = False


class PmdSettings(_Section):
    """Where PM-D is, which trains and simulates, and what its trainer is given.

    `sensors` and `maintenance` are the seed data; `work_orders`, of which nothing is known at
    first, tell the failures of the fleet that the event store has recorded.
    """

    folder: AnyPath = Path("../Predictive-Maintenance-Dashboard")
    sensors: AnyPath = Path("data/sensors.csv")
    maintenance: AnyPath = Path("data/maintenance.csv")
    work_orders: AnyPath | None = None
    training_timeout_s: Seconds = 600


class EtlSource(_Section):
    """One export that the server may load: files known to it, never to the caller.

    What is absent is as `main_pipeline.py` has it; `machines` may be an http(s) address.
    """

    erp: AnyPath
    sheet: str | None = None
    machines: str | None = None
    mapping: AnyPath | None = None


class EtlSettings(_Section):
    """Where the ETL is, what it may load, and where it leaves its warehouse and its report.

    `dwh` is a SQLite file or an address of PostgreSQL; `sources` are the exports by name.
    """

    folder: AnyPath = Path(_ETL)
    dwh: Annotated[str, Field(repr=False)] = f"{_ETL}/database/supply_chain_dwh.sqlite"
    report: AnyPath = Path(f"{_ETL}/reports/rapport_supply_chain.xlsx")
    sources: Mapping[str, EtlSource] = {
        "echantillon": EtlSource(
            erp=Path(f"{_ETL}/data_raw/erp_daily_transactions.csv"),
            machines=f"{_ETL}/data_raw/api_reference_machines.json",
        )
    }
    timeout_s: Seconds = 3_600
    read_timeout_s: Seconds = 10

    def warehouse(self) -> StoreUrl:
        """Give the warehouse's address; raises `SettingsError`."""
        return StoreUrl.parse(self.dwh, SERVICE_FOLDER, "Entrepôt (DPA_DWH)")

    def variables(self) -> dict[str, str]:
        """Return what has a run of the ETL write where this service reads."""
        return {"DPA_DWH": self.warehouse().target, "DPA_REPORT": str(service_path(self.report))}


class JobSettings(_Section):
    """Where jobs leave their state and their logs, how many are remembered, what may be sent."""

    folder: AnyPath = Path("database/jobs")
    history: Annotated[int, Field(ge=1, le=1_000)] = 50
    upload_max_bytes: BodyBytes = 10_485_760


class LogSettings(_Section):
    """Where log files go, and for how many answers of a kind there is one line."""

    folder: AnyPath = Path("logs")
    answers_per_line: Annotated[int, Field(ge=1)] = 1000


class Settings(_Section):
    """Everything that a deployment may change; relative paths start at the service's folder.

    `keys` are those of the environment, or the demonstration key; `file_keys` those that
    `keys_file` held when it was read. `secrets` are never shown.
    """

    api: ApiSettings = ApiSettings()
    model: ModelSettings = ModelSettings()
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    source: SourceSettings = SourceSettings()
    kafka: KafkaSettings = KafkaSettings()
    mqtt: MqttSettings = MqttSettings()
    alerts: AlertSettings = AlertSettings()
    notifications: NotificationSettings = NotificationSettings()
    pmd: PmdSettings = PmdSettings()
    etl: EtlSettings = EtlSettings()
    jobs: JobSettings = JobSettings()
    logs: LogSettings = LogSettings()
    keys: tuple[ApiKey, ...] = ()
    keys_file: AnyPath | None = None
    file_keys: tuple[ApiKey, ...] = ()
    secrets: dict[str, str] = {}  # noqa: RUF012 (pydantic copies it)

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """Show everything but the secrets."""
        yield from ((name, value) for name, value in self if name != "secrets")

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
        settings._check_together()
        settings.etl.warehouse()
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

    def _check_together(self) -> None:
        """Raise `SettingsError` for values that are good alone and not together."""
        _ = self.store.address
        if self.alerts.opening > self.alerts.window:
            raise SettingsError(
                f"alerts.opening={self.alerts.opening} : au plus alerts.window"
                f"={self.alerts.window}, sinon aucune alerte ne s'ouvrirait."
            )
        if bool(self.kafka.user) != self.kafka.security.startswith("SASL_"):
            raise SettingsError(
                f"kafka.user={self.kafka.user!r}, kafka.security={self.kafka.security} : un compte"
                " va avec SASL_SSL (ou SASL_PLAINTEXT), et seulement avec lui."
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
        found = {"keys": keys, "keys_file": file, "file_keys": filed}
        secrets = {name: environ[name] for name in SECRETS if environ.get(name)}
        return self.model_copy(update={**found, "secrets": secrets})


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
    if {"keys", "keys_file", "file_keys", "secrets"} & sections.keys():
        raise SettingsError(
            f"Réglages {path.name} : les clés vont dans API_KEY, API_KEYS ou API_KEYS_FILE,"
            " et les autres secrets dans l'environnement, pas ici."
        )
    return sections


def _from_variables(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    hosts = [name.strip() for name in environ.get("API_TRUSTED_HOSTS", "").split(",")]
    return {
        "api": {
            "host": environ.get("API_HOST") or None,
            "port": _whole_number(environ, "API_PORT", 65_535),
            "workers": _whole_number(environ, "API_WORKERS", 64),
            "trusted_hosts": tuple(filter(None, hosts)) or None,
            "tls_certificate": environ.get("API_TLS_CERTIFICATE") or None,
            "tls_key": environ.get("API_TLS_KEY") or None,
        },
        "model": {"folder": environ.get("CAMRAIL_MODELS_DIR") or None},
        "store": {"url": environ.get("CAMRAIL_EVENT_STORE") or None},
        "source": {"choice": environ.get("CAMRAIL_SOURCE") or None},
        "mqtt": {"url": environ.get("CAMRAIL_MQTT") or None},
        "kafka": {
            "servers": environ.get("CAMRAIL_KAFKA") or None,
            "security": environ.get("CAMRAIL_KAFKA_SECURITY") or None,
            "user": environ.get("CAMRAIL_KAFKA_USER") or None,
        },
        "pmd": {"work_orders": environ.get("CAMRAIL_WORK_ORDERS") or None},
        "etl": {
            "dwh": environ.get("DPA_DWH") or None,
            "report": environ.get("DPA_REPORT") or None,
        },
        "jobs": {"folder": environ.get("CAMRAIL_JOBS_DIR") or None},
        "logs": {"folder": environ.get("CAMRAIL_LOGS_DIR") or None},
    }


def _whole_number(environ: Mapping[str, str], name: str, most: int) -> int | None:
    text = environ.get(name) or None
    if text is not None and not re.fullmatch(r"[0-9]{1,5}", text):
        raise SettingsError(f"{name}={text[:20]!r} : un entier de 1 à {most} est attendu.")
    return int(text) if text else None


def _overlay(sections: dict[str, dict[str, Any]], upper: Mapping[str, Mapping[str, Any]]) -> None:
    for name, values in upper.items():
        given = {key: value for key, value in values.items() if value is not None}
        if given:
            sections[name] = sections.get(name, {}) | given


def service_path(path: str | Path) -> Path:
    """Return `path` as it is when absolute, else below the service's folder."""
    return (SERVICE_FOLDER / path).resolve()
