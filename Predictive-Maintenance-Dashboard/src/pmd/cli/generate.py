"""Command `data_generator.py`: a simulated history as CSV, or a stream of events."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from loguru import logger

from pmd.cli import console
from pmd.french import number
from pmd.scenario import NOTHING_PLANNED, Scenario
from pmd.sensors import loco_name
from pmd.settings import Settings
from pmd.stream import StreamPlan, WallClock, stop_on_signals, write_stream

if TYPE_CHECKING:
    from pmd.history import Simulation

DEFAULT_END = "2026-01-01T00:00:00Z"
EARLIEST_END = datetime(2001, 1, 1, tzinfo=UTC)
HISTORY_LOCOS, STREAM_LOCOS = 40, 20
DEFAULT_RATE, DEFAULT_SPEED = 5.0, 1.0
STREAM_ONLY = ("--rate", "--speed", "--count")
HISTORY_ONLY = (
    "--output", "--maintenance", "--days", "--step-minutes", "--end", "--sensors-only", "--json",
)  # fmt: skip
MAXIMUM_READINGS = 1_000_000_000  # some 60 GB: beyond it, a slip of the finger


def main(arguments: list[str] | None = None) -> int:
    """Generate as `arguments` (default: the command line) say; return the exit code."""
    settings = Settings.from_environ(os.environ)
    parser = _parser(settings)
    return console.run(
        parser, arguments, settings.logs_dir, lambda options: _generate(options, parser)
    )


def _parser(settings: Settings) -> console.Parser:
    parser = console.Parser(
        "Simule des locomotives : historique en CSV, ou flux NDJSON avec --stream.",
        only_with={"--stream": STREAM_ONLY},
        never_with={"--stream": HISTORY_ONLY},
    )
    add = parser.add_argument
    add("--output", type=Path, default=settings.raw_telemetry,
        help="télémétrie à écrire, en CSV, ou en Parquet (.parquet)")  # fmt: skip
    add("--maintenance", type=Path, default=settings.maintenance, help="ordres de travail à écrire")
    add("--locos", type=console.whole(1, 999),
        help=f"locomotives (défaut : {HISTORY_LOCOS} ; {STREAM_LOCOS} avec --stream)")  # fmt: skip
    add("--days", type=console.between(0.001, 3660), default=90.0,
        help="jours d'historique (défaut : 90)")  # fmt: skip
    add("--step-minutes", type=console.whole(1, 1440), default=60,
        help="minutes entre deux mesures (défaut : 60)")  # fmt: skip
    add("--end", type=_past_instant, default=DEFAULT_END,
        help=f"dernière mesure, UTC, pas dans le futur (défaut : {DEFAULT_END})")  # fmt: skip
    add("--seed", type=console.whole(0), default=42, help="graine des tirages (défaut : 42)")
    add("--scenario", type=Path, help="fichier YAML de pannes et de défauts de capteurs choisis")
    add("--sensors-only", action="store_true", help="sans la colonne failure")
    add("--json", action="store_true", help="imprime un seul document JSON")
    _add_stream_options(parser)
    return parser


def _add_stream_options(parser: console.Parser) -> None:
    add = parser.add_argument
    add("--stream", action="store_true", help="imprime des mesures en NDJSON, sans fin")
    add("--rate", type=console.between(0.01, 100_000),
        help="avec --stream, mesures par seconde (défaut : 5)")  # fmt: skip
    add("--speed", type=console.between(0.01, 100_000),
        help="avec --stream, vitesse de l'horloge simulée (défaut : 1)")  # fmt: skip
    add("--count", type=console.whole(1),
        help="avec --stream, nombre de mesures (défaut : sans fin)")  # fmt: skip


def _generate(options: argparse.Namespace, parser: console.Parser) -> None:
    options.locos = options.locos or (STREAM_LOCOS if options.stream else HISTORY_LOCOS)
    if options.stream:
        return _stream(options)
    readings = options.locos * options.days * 24 * 60 / options.step_minutes
    if readings > MAXIMUM_READINGS:
        parser.error(
            f"--locos, --days et --step-minutes font {number(readings)} mesures, au-delà de "
            f"{number(MAXIMUM_READINGS)} : réduisez l'un d'eux"
        )
    _history(options)


def _past_instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"« {text} » : horodatage ISO 8601 attendu") from error
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if not EARLIEST_END <= aware <= datetime.now(UTC):
        raise argparse.ArgumentTypeError(f"« {text} » est avant 2001 ou dans le futur")
    return aware.astimezone(UTC).replace(microsecond=0)


def _stream(options: argparse.Namespace) -> None:
    plan = StreamPlan(
        locos=options.locos,
        rate=options.rate or DEFAULT_RATE,
        speed=options.speed or DEFAULT_SPEED,
        seed=options.seed,
        count=options.count,
        scenario=_scenario(options, float("inf")),
    )
    with stop_on_signals() as stop:
        written = write_stream(plan, sys.stdout, WallClock(stop))
    logger.info("{} mesures émises", number(written))


def _history(options: argparse.Namespace) -> None:
    from pmd.history import HistoryPlan, Simulation  # not needed, and slow to load, for a stream

    console.refuse_shared_paths(
        [options.scenario] if options.scenario else [], [options.output, options.maintenance]
    )
    plan = HistoryPlan(options.locos, options.days, options.step_minutes, options.seed, options.end)
    plan = replace(plan, scenario=_scenario(options, plan.hours))
    written = _write(options, Simulation(plan))
    logger.info("{} mesures de {} locomotives écrites dans {}, dont {} pannes",
        number(written["rows"]), options.locos, options.output,
        number(written["failures"]))  # fmt: skip
    logger.info("{} ordres de travail écrits dans {}",
        number(written["work_orders"]), options.maintenance)  # fmt: skip
    if options.json:
        document = {
            "status": "ok",
            "error": None,
            "telemetry": str(options.output.resolve()),
            "maintenance": str(options.maintenance.resolve()),
            **written,
        }
        console.write_product(json.dumps(document, ensure_ascii=False))


def _write(options: argparse.Namespace, simulation: Simulation) -> dict[str, int]:
    """Write the readings part by part, then the work orders that they made; return the counts."""
    import pyarrow as pa

    from pmd.arrow_files import parts_writer
    from pmd.history import TELEMETRY
    from pmd.telemetry_file import csv_writer, write_atomically

    written = {"rows": 0, "failures": 0, "work_orders": 0}
    dropped = ["failure"] if options.sensors_only else []
    schema = pa.schema([field for field in TELEMETRY if field.name not in dropped])

    def parts() -> Iterator[pa.Table]:
        for part in simulation.telemetry():
            written["rows"] += part.num_rows
            written["failures"] += int(part["failure"].to_numpy().sum())
            yield part.drop_columns(dropped)

    def write_orders(file: BinaryIO) -> None:
        orders = simulation.maintenance()
        written["work_orders"] = len(orders)
        csv_writer(orders)(file)

    began_s = time.monotonic()
    write_atomically(
        {options.output: parts_writer(options.output, schema, parts()),
         options.maintenance: write_orders}
    )  # fmt: skip
    seconds = time.monotonic() - began_s
    logger.info("{} s, soit {} mesures par seconde",
        number(seconds, 1), number(written["rows"] / seconds))  # fmt: skip
    return written


def _scenario(options: argparse.Namespace, hours: float) -> Scenario:
    """What `--scenario` plans over so many simulated hours; nothing without it."""
    if options.scenario is None:
        return NOTHING_PLANNED
    from pmd.degradation import ROUNDING
    from pmd.scenario_file import read_scenario

    scenario = read_scenario(options.scenario, options.locos, hours)
    logger.info("scénario {} : {} pannes, {} défauts de capteurs", options.scenario,
        len(scenario.failures), len(scenario.sensor_faults))  # fmt: skip
    last_h = hours + ROUNDING * options.step_minutes / 60
    for failure in scenario.failures:
        if failure.failure_h > last_h:
            logger.warning(
                "{} : {} tomberait en panne à {} h, après la dernière mesure ({} h) : sa "
                "dégradation est simulée, sans panne ni ordre de travail ; voir growth_h et --days",
                options.scenario, loco_name(failure.loco), number(failure.failure_h, 1),
                number(hours, 1))  # fmt: skip
    return scenario
