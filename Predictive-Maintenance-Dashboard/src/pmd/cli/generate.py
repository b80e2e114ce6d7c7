"""Command `data_generator.py`: a simulated history as CSV, or a stream of events."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from pmd.cli import console
from pmd.settings import Settings
from pmd.stream import StreamPlan, WallClock, stop_on_signals, write_stream

DEFAULT_END = "2026-01-01T00:00:00Z"
EARLIEST_END = datetime(2001, 1, 1, tzinfo=UTC)
DEFAULT_RATE, DEFAULT_SPEED = 5.0, 1.0
MAXIMUM_READINGS = 10_000_000  # a history is made in memory


def main(arguments: list[str] | None = None) -> int:
    """Generate as `arguments` (default: the command line) say; return the exit code."""
    settings = Settings.from_environ(os.environ)
    parser = _parser(settings)
    return console.run(
        parser, arguments, settings.logs_dir, lambda options: _generate(options, parser)
    )


def _parser(settings: Settings) -> console.Parser:
    parser = console.Parser(
        "Simule des locomotives : historique en CSV, ou flux NDJSON avec --stream."
    )
    add = parser.add_argument
    add("--output", type=Path, default=settings.raw_telemetry, help="télémétrie CSV à écrire")
    add("--maintenance", type=Path, default=settings.maintenance, help="ordres de travail à écrire")
    add("--locos", type=console.whole(1, 999), default=20, help="locomotives (défaut : 20)")
    add(
        "--days",
        type=console.between(0.001, 3660),
        default=60.0,
        help="jours d'historique (défaut : 60)",
    )
    add("--step-minutes", type=console.whole(1, 1440), default=30,
        help="minutes entre deux mesures (défaut : 30)")  # fmt: skip
    add("--end", type=_past_instant, default=DEFAULT_END,
        help=f"dernière mesure, UTC, pas dans le futur (défaut : {DEFAULT_END})")  # fmt: skip
    add("--seed", type=console.whole(0), default=42, help="graine des tirages (défaut : 42)")
    add("--sensors-only", action="store_true", help="sans la colonne failure")
    add("--json", action="store_true", help="imprime un seul document JSON")
    add("--stream", action="store_true", help="imprime des mesures en NDJSON, sans fin")
    add(
        "--rate",
        type=console.between(0.01, 100_000),
        help="avec --stream, mesures par seconde (défaut : 5)",
    )
    add("--speed", type=console.between(0.01, 100_000),
        help="avec --stream, vitesse de l'horloge simulée (défaut : 1)")  # fmt: skip
    add(
        "--count",
        type=console.whole(1),
        help="avec --stream, nombre de mesures (défaut : sans fin)",
    )
    return parser


def _generate(options: argparse.Namespace, parser: console.Parser) -> None:
    given = [name for name in ("rate", "speed", "count") if getattr(options, name) is not None]
    if given and not options.stream:
        parser.error(f"--{given[0]} : seulement avec --stream")
    if options.stream and (options.json or options.sensors_only):
        parser.error("--stream imprime déjà des mesures en JSON : sans --json ni --sensors-only")
    if options.stream:
        return _stream(options)
    readings = options.locos * options.days * 24 * 60 / options.step_minutes
    if readings > MAXIMUM_READINGS:
        parser.error(
            f"--locos, --days et --step-minutes font {readings:.0f} mesures, au-delà de "
            f"{MAXIMUM_READINGS} : réduisez l'un d'eux"
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
    )
    with stop_on_signals() as stop:
        written = write_stream(plan, sys.stdout, WallClock(stop))
    logger.info("{} mesures émises", written)


def _history(options: argparse.Namespace) -> None:
    from pmd.history import simulate_history  # pandas: not needed, and slow to load, for a stream
    from pmd.telemetry_file import write_csv

    console.refuse_shared_paths([], [options.output, options.maintenance])
    history = simulate_history(
        options.locos, options.days, options.step_minutes, options.seed, options.end
    )
    failures = int(history.telemetry["failure"].sum())
    dropped = ["failure"] if options.sensors_only else []
    telemetry = history.telemetry.drop(columns=dropped)
    write_csv({options.output: telemetry, options.maintenance: history.maintenance})
    logger.info("{} mesures de {} locomotives écrites dans {}, dont {} pannes",
        len(history.telemetry), options.locos, options.output, failures)  # fmt: skip
    logger.info(
        "{} ordres de travail écrits dans {}", len(history.maintenance), options.maintenance
    )
    if options.json:
        document = {
            "status": "ok",
            "error": None,
            "telemetry": str(options.output.resolve()),
            "maintenance": str(options.maintenance.resolve()),
            "rows": len(history.telemetry),
            "failures": failures,
            "work_orders": len(history.maintenance),
        }
        console.write_product(json.dumps(document, ensure_ascii=False))
