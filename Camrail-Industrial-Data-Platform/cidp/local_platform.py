"""The whole platform on one machine: which programs it is made of, and in which order they start.

API → model (made if none can serve) → source of telemetry → dashboard → one run of the ETL → trend
model (made if none is promoted) → watch.
The supervision does not need the warehouse: an ETL that fails is said, and the rest goes on.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import requests
from loguru import logger

from cidp.api_answers import Readiness
from cidp.api_client import READY_TIMEOUT_S, ApiClient, ClientSettings
from cidp.api_errors import ApiError
from cidp.child_process import ChildProcess
from cidp.cli import FrenchParser, positive
from cidp.errors import (
    BundleRefused,
    ChildError,
    ChildFailed,
    CidpError,
    ModelError,
    SettingsError,
)
from cidp.french import number
from cidp.kafka_client import client_options, kafka_answers
from cidp.logs import configure_logs, one_line
from cidp.model_bundle import Slot
from cidp.mqtt_client import mqtt_address, mqtt_answers
from cidp.orchestration import EtlSummary, checked_document
from cidp.ports import free_address
from cidp.registry import INSTANT, TREND, Registry
from cidp.settings import SERVICE_FOLDER, Settings, launch_environment
from cidp.source_choice import NAMES, Decision, Source, SourceKeeper, decide
from cidp.stop_signals import stop_on_signals
from cidp.store_watch import StoreWatch
from cidp.supervisor import StopAsked, Supervisor

LOOPBACK = "127.0.0.1"
ETL = SERVICE_FOLDER.parent / "Data-Pipeline-Automation" / "src" / "main_pipeline.py"
START_TIMEOUT_S = 90.0
ETL_TIMEOUT_S = 600.0
PROBE_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start and where, once settings and flags are read."""

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    client: ApiClient
    api_url: str
    dashboard_port: int
    rate_per_s: float
    simulator: bool
    duration_s: float | None

    @property
    def dashboard_url(self) -> str:
        """Address of the dashboard, for this machine only."""
        return f"http://{LOOPBACK}:{self.dashboard_port}"

    @property
    def logs(self) -> Path:
        """Folder of every log of the platform."""
        return self.settings.logs.folder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the platform until it is asked to stop (0), or until a part falls without end (1)."""
    options = _parser().parse_args(argv)
    try:
        plan = _plan(options, launch_environment(os.environ))
        configure_logs(plan.logs, "platform")
        free_address(plan.settings.api.host, plan.settings.api.port, "API_PORT")
        free_address(LOOPBACK, plan.dashboard_port, "DASHBOARD_PORT")
    except CidpError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    stop = threading.Event()
    with stop_on_signals(stop):
        return _supervise(plan, Supervisor(plan.environ, stop))


def _supervise(plan: Plan, supervisor: Supervisor) -> int:
    try:
        keeper = _keeper(plan, supervisor)
        _start(plan, supervisor, keeper)
        supervisor.watch(plan.duration_s)
    except StopAsked:
        code = 0
    except CidpError as error:
        sys.stderr.write(f"{error}\n")
        code = 1
    finally:
        logger.info("Arrêt des parties de la plateforme")
        supervisor.stop_all()
    logger.info("Plateforme arrêtée")
    return code


def _keeper(plan: Plan, supervisor: Supervisor) -> SourceKeeper:
    settings = plan.settings
    probes: dict[Source, Callable[[], bool]] = {}
    if settings.kafka.servers:
        client_options(settings)
        probes["kafka"] = partial(kafka_answers, settings, PROBE_S)
    if settings.mqtt.url:
        mqtt_address(settings)
        probes["mqtt"] = partial(mqtt_answers, settings, PROBE_S)
    decide(settings.source.choice, dict.fromkeys(probes, False), simulator=plan.simulator)
    rate = ["--rate", f"{plan.rate_per_s:g}"] if plan.simulator else None
    return SourceKeeper(settings, supervisor, partial(_child, plan), probes, rate)


def _start(plan: Plan, supervisor: Supervisor, keeper: SourceKeeper) -> None:
    supervisor.start(_child(plan, "API", "api", "api/api.py"))
    supervisor.wait_for(lambda: _readiness(plan.client) is not None, START_TIMEOUT_S, "API")
    StoreWatch(plan.client, _store_name(plan)).start()
    _ensure_model(plan, supervisor)
    keeper.look()
    supervisor.start(_child(plan, "Tableau de bord", "dashboard", *_dashboard_program(plan)))
    supervisor.wait_for(lambda: _dashboard_answers(plan), START_TIMEOUT_S, "Tableau de bord")
    if keeper.decision and keeper.decision.source == "simulator":
        supervisor.wait_for(lambda: _is_fed(plan.client), START_TIMEOUT_S, "Simulateur")
    supervisor.attend(keeper.look)  # a first load may take minutes, a source may come meanwhile
    summary = _run_etl(plan, supervisor)
    _ensure_trend(plan, supervisor)
    _say(_where_to_look(plan, summary, keeper.decision))


def _store_name(plan: Plan) -> str:
    of_server = plan.settings.store.address.kind == "postgresql"
    return "PostgreSQL" if of_server else "Base d'événements"


def _child(plan: Plan, name: str, log: str, *program: str) -> ChildProcess:
    return ChildProcess(name, program, plan.logs / f"console_{log}.log")


def _dashboard_program(plan: Plan) -> list[str]:
    return [
        *("-m", "streamlit", "run", "dashboard/app.py"),
        *("--server.address", LOOPBACK),
        *("--server.port", str(plan.dashboard_port)),
        *("--server.headless", "true"),
    ]


def _ensure_model(plan: Plan, supervisor: Supervisor) -> None:
    """Have a model trained when the API can serve none, then wait until it serves."""

    def status() -> str:
        readiness = _readiness(plan.client)
        return readiness.model.status if readiness else "loading"

    supervisor.wait_for(lambda: status() != "loading", START_TIMEOUT_S, "Modèle")
    if status() == "missing":
        logger.info("Aucun modèle ne peut servir : entraînement, une dizaine de secondes")
        _bootstrap(plan, supervisor, INSTANT)
    supervisor.wait_for(lambda: status() == "serving", START_TIMEOUT_S, "Modèle")


def _ensure_trend(plan: Plan, supervisor: Supervisor) -> None:
    """Have a trend model trained when none can serve; without one the platform runs on."""
    registry = Registry(plan.settings.model.folder)
    try:
        registry.load_trend(registry.promoted_version(TREND))
    except ModelError as refusal:
        if isinstance(refusal, BundleRefused):
            logger.warning("{}", refusal)
        logger.info("Aucun modèle de tendance utilisable : entraînement, une dizaine de secondes")
        try:
            _bootstrap(plan, supervisor, TREND)
        except ChildError as error:
            supervisor.check()
            logger.error("{}", one_line(error))


def _bootstrap(plan: Plan, supervisor: Supervisor, slot: Slot) -> None:
    job = _child(plan, "Amorçage du modèle", "bootstrap", "bootstrap_local.py", "--slot", slot)
    code = supervisor.run(job, plan.settings.pmd.training_timeout_s)
    if code:
        raise ChildFailed(f"{job.name} a échoué (code {code}) :\n{job.tail()}")


def _run_etl(plan: Plan, supervisor: Supervisor) -> EtlSummary | None:
    """Run the ETL once; without a usable result, say why and return None."""
    job = _child(plan, "ETL", "etl", str(ETL), "--json")
    logger.info("ETL en cours")
    with tempfile.TemporaryFile() as output:
        try:
            code = supervisor.run(job, ETL_TIMEOUT_S, output)
            output.seek(0)
            return _etl_summary(job, code, output.read())
        except ChildError as error:
            supervisor.check()
            logger.error("{}", one_line(error))
            return None


def _etl_summary(job: ChildProcess, code: int, printed: bytes) -> EtlSummary:
    """Check the document that the ETL printed; raises `ChildFailed` when its run failed."""
    tail = job.tail().splitlines()
    summary = checked_document("L'ETL", EtlSummary, printed, code, tail)
    for warning in summary.warnings:
        logger.warning("ETL : {}", warning)
    return summary


def _readiness(client: ApiClient) -> Readiness | None:
    try:
        return client.ready()
    except ApiError:
        return None


def _is_fed(client: ApiClient) -> bool:
    """Tell whether readings come; while the store is away nobody can, and the rest goes on."""
    readiness = _readiness(client)
    return readiness is not None and bool(readiness.store.error or not readiness.source.stale)


def _dashboard_answers(plan: Plan) -> bool:
    try:
        return requests.get(f"{plan.dashboard_url}/_stcore/health", timeout=1).ok
    except requests.RequestException:
        return False


def _say(text: str) -> None:
    """Print, if somebody listens: the platform runs all the same without standard output."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            sys.stdout.close()  # or the interpreter tries again, and complains, at its end


def _where_to_look(plan: Plan, summary: EtlSummary | None, decision: Decision | None) -> str:
    settings = plan.settings
    report = summary.report if summary else None
    rows = [
        ("Tableau de bord", plan.dashboard_url),
        ("API", f"{plan.api_url}  (/health, /ready, /predict, /metrics)"),
        ("Données", f"{NAMES[decision.source]} ({decision.reason})" if decision else "aucune"),
        ("Kafka", settings.kafka.servers or "non réglé (CAMRAIL_KAFKA)"),
        ("MQTT", str(mqtt_address(settings)) if settings.mqtt.url else "non réglé (CAMRAIL_MQTT)"),
        ("Événements", str(settings.store.address)),
        ("Rapport Excel", report or "absent, voir le message de l'ETL ci-dessus"),
        ("Entrepôt", summary.dwh if summary else "voir le message de l'ETL ci-dessus"),
        ("ETL", _etl_line(summary) if summary else "ÉCHEC, voir ci-dessus"),
        ("Journaux", str(plan.logs)),
    ]
    lines = "".join(f"  {name:<16} {value}\n" for name, value in rows)
    return f"\nLa plateforme CAMRAIL est en marche ; Ctrl-C l'arrête.\n{lines}\n"


def _etl_line(summary: EtlSummary) -> str:
    warned = "" if summary.status == "ok" else " (données chargées, à vérifier : voir ci-dessus)"
    return (
        f"{number(summary.read)} lignes lues = {number(summary.loaded)} chargées "
        f"+ {number(summary.rejected)} rejetées + {number(summary.duplicates)} doublons{warned}"
    )


def _plan(options: argparse.Namespace, environ: Mapping[str, str]) -> Plan:
    settings = Settings.from_environ(environ)
    api = settings.api
    api_url = f"{api.scheme}://{_local_host(api.host)}:{api.port}"
    inherited = {
        **environ,
        **settings.etl.variables(),
        "API_URL": api_url,
        "API_PORT": str(api.port),
    }
    return Plan(
        settings,
        inherited,
        ApiClient(_patient(ClientSettings.from_environ(inherited), settings.store.timeout_s)),
        api_url,
        _dashboard_port(environ, settings.api.port),
        options.rate,
        not options.no_simulator,
        options.duration,
    )


def _patient(settings: ClientSettings, store_timeout_s: float) -> ClientSettings:
    """Have `/ready` wait longer than the API does for its store, at each of two addresses."""
    return replace(settings, ready_timeout_s=2 * store_timeout_s + READY_TIMEOUT_S)


def _local_host(bound: str) -> str:
    """Return the address at which this machine reaches a server bound to `bound`."""
    if bound in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return LOOPBACK
    return f"[{bound}]" if ":" in bound else bound


def _dashboard_port(environ: Mapping[str, str], api_port: int) -> int:
    text = environ.get("DASHBOARD_PORT", "").strip() or "8501"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise SettingsError(f"DASHBOARD_PORT={text[:20]!r} : un entier de 1 à 65535 est attendu.")
    if int(text) == api_port:
        raise SettingsError(f"API_PORT et DASHBOARD_PORT valent tous deux {text} : changez l'un.")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="run_platform.py",
        description=(
            "Lance toute la plateforme sur cette machine : modèle, API, simulateur, tableau de "
            "bord, et un passage de l'ETL. Ctrl-C arrête tout, avec le code 0 ; une partie qui "
            "tombe est relancée ; elle n'arrête le reste, avec le code 1, qu'après six rechutes."
        ),
    )
    parser.add_argument(
        "--rate",
        type=positive,
        default=5.0,
        metavar="N",
        help="mesures simulées par seconde (défaut : 5)",
    )
    parser.add_argument(
        "--no-simulator",
        action="store_true",
        help="sans simulateur : la télémétrie arrive par Kafka, MQTT ou POST /telemetry",
    )
    parser.add_argument(
        "--duration",
        type=positive,
        metavar="S",
        help="s'arrête d'elle-même S secondes après le démarrage complet",
    )
    return parser
