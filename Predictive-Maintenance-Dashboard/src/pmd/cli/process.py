"""Command `data_processing.py`: from raw telemetry to labelled rows with causal features."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from pmd.cli import console
from pmd.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Process as `arguments` (default: the command line) say; return the exit code."""
    settings = Settings.from_environ(os.environ)
    return console.run(
        _parser(settings),
        arguments,
        settings.logs_dir,
        lambda options: _process(options, settings),
    )


def _parser(settings: Settings) -> console.Parser:
    parser = console.Parser(
        "Contrôle la télémétrie brute, l'étiquette et calcule ses variables causales."
    )
    add = parser.add_argument
    add("--input", type=Path, default=settings.raw_telemetry, help="télémétrie brute CSV")
    add("--maintenance", type=Path,
        help="ordres de travail CSV (défaut : data/maintenance.csv, sans --input)")  # fmt: skip
    add("--output", type=Path, default=settings.processed_telemetry, help="table à écrire")
    add("--rejects", type=Path, default=settings.rejects, help="lignes rejetées, à écrire")
    add("--horizon-hours", type=console.between(0.01, 8760), default=24.0,
        help="étiquette 1 si une panne survient dans ce délai (défaut : 24)")  # fmt: skip
    add("--json", action="store_true", help="imprime un seul document JSON")
    return parser


def _process(options: argparse.Namespace, settings: Settings) -> None:
    from pmd.features import add_features
    from pmd.processing import HORIZON, KNOWN_AFTERWARDS, label_telemetry
    from pmd.telemetry_file import write_csv

    maintenance = _maintenance(options, settings)
    console.refuse_shared_paths(
        [options.input, maintenance] if maintenance else [options.input],
        [options.output, options.rejects],
    )
    labelled = label_telemetry(
        options.input,
        maintenance,
        options.horizon_hours,
        datetime.now(UTC),
    )
    rows = add_features(labelled.rows)
    rows[HORIZON] = options.horizon_hours
    rows = rows[[*rows.columns.drop(list(KNOWN_AFTERWARDS)), *KNOWN_AFTERWARDS]]
    write_csv({options.output: rows, options.rejects: labelled.rejects})
    account = labelled.account
    logger.info(
        "{} lignes lues = {} gardées + {} rejetées + {} doublons + {} en réparation + {} sans "
        "horizon observé", account.read, account.kept, account.rejected, account.duplicates,
        account.in_repair, account.unobserved)  # fmt: skip
    logger.info("{} positives à {:g} h de {} pannes, écrites dans {}", account.positives,
        options.horizon_hours, account.failures, options.output)  # fmt: skip
    if len(labelled.rejects):
        logger.warning("rejets gardés dans {} : {}", options.rejects, len(labelled.rejects))
    if options.json:
        document = {
            "status": "ok",
            "error": None,
            "processed": str(options.output.resolve()),
            "rejects": str(options.rejects.resolve()),
            **asdict(account),
        }
        console.write_product(json.dumps(document, ensure_ascii=False))


def _maintenance(options: argparse.Namespace, settings: Settings) -> Path | None:
    """The work orders to use: those of the default folder go with its telemetry alone.

    Without any, rows in repair cannot be told, which is said.
    """
    if options.maintenance:
        return Path(options.maintenance)
    if options.input == settings.raw_telemetry and settings.maintenance.is_file():
        return settings.maintenance
    logger.warning("sans ordres de travail (--maintenance), lignes en réparation non écartées")
    return None
