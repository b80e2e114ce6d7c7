"""Command `data_processing.py`: from raw telemetry to labelled rows with causal features."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from pmd.cli import console
from pmd.french import number
from pmd.processing_summary import ProcessingSummary
from pmd.settings import Settings

if TYPE_CHECKING:
    from pmd.processing import Account

PANDAS, DASK = "pandas", "dask"


def main(arguments: list[str] | None = None) -> int:
    """Process as `arguments` (default: the command line) say; return the exit code."""
    settings = Settings.from_environ(os.environ)
    return console.run(
        _parser(settings),
        arguments,
        settings.logs_dir,
        lambda options: _process(options, settings),
    )


def _failure(message: str) -> str:
    return ProcessingSummary(
        status="error", error=message, processed=None, rejects=None
    ).model_dump_json()


def _parser(settings: Settings) -> console.Parser:
    parser = console.Parser(
        "Contrôle la télémétrie brute, l'étiquette et calcule ses variables causales.",
        _failure,
        only_with={f"--engine {DASK}": ["--workers"]},
    )
    add = parser.add_argument
    add("--input", type=Path, default=settings.raw_telemetry,
        help="télémétrie brute, CSV ou Parquet")  # fmt: skip
    add("--maintenance", type=Path,
        help="ordres de travail CSV (défaut : data/maintenance.csv, sans --input)")  # fmt: skip
    add(
        "--output",
        type=Path,
        help="table à écrire, CSV ou Parquet ; avec dask, dossier de Parquet "
        "(défaut : data/processed_telemetry.csv ; avec dask, data/processed_telemetry)",
    )
    add("--rejects", type=Path, default=settings.rejects, help="lignes rejetées, à écrire")
    add("--horizon-hours", type=console.between(0.01, 8760), default=24.0,
        help="étiquette 1 si une panne survient dans ce délai (défaut : 24)")  # fmt: skip
    add("--engine", type=_engine, default=PANDAS,
        help="pandas, en mémoire (défaut), ou dask, pour plus grand qu'elle")  # fmt: skip
    add("--workers", type=console.whole(1, 256),
        help="avec dask, nombre de processus (défaut : un par cœur)")  # fmt: skip
    add("--json", action="store_true", help="imprime un seul document JSON")
    return parser


def _engine(text: str) -> str:
    if text not in (PANDAS, DASK):
        raise argparse.ArgumentTypeError(f"« {text} » : {PANDAS} ou {DASK} attendu")
    return text


def _process(options: argparse.Namespace, settings: Settings) -> None:
    if not options.output:
        default = settings.processed_telemetry
        options.output = default if options.engine == PANDAS else default.with_suffix("")
    maintenance = _maintenance(options, settings)
    console.refuse_shared_paths(
        [options.input, maintenance] if maintenance else [options.input],
        [options.output, options.rejects],
    )
    work = _in_memory if options.engine == PANDAS else _on_dask
    account = work(options, maintenance, datetime.now(UTC))
    logger.info(
        "{} lignes lues = {} gardées + {} rejetées + {} doublons + {} en réparation + {} sans "
        "horizon observé",
        *(number(count) for count in (account.read, account.kept, account.rejected,
            account.duplicates, account.in_repair, account.unobserved)))  # fmt: skip
    logger.info("{} positives à {:g} h de {} pannes, écrites dans {}", number(account.positives),
        options.horizon_hours, number(account.failures), options.output)  # fmt: skip
    if account.rejected_orders:
        logger.warning("ordres de travail rejetés, comptés à part : {}",
            number(account.rejected_orders))  # fmt: skip
    refused = account.rejected + account.duplicates + account.rejected_orders
    if refused:
        logger.warning("rejets gardés dans {} : {}", options.rejects, number(refused))
    if options.json:
        summary = ProcessingSummary(
            status="ok",
            error=None,
            processed=str(options.output.resolve()),
            rejects=str(options.rejects.resolve()),
            **asdict(account),
        )
        console.write_product(summary.model_dump_json())


def _in_memory(options: argparse.Namespace, maintenance: Path | None, now: datetime) -> Account:
    from pmd.arrow_files import parts_writer
    from pmd.processing import PROCESSED, label_telemetry, processed_table
    from pmd.telemetry_file import csv_writer, write_atomically

    labelled = label_telemetry(options.input, maintenance, options.horizon_hours, now)
    table = processed_table(labelled.rows, options.horizon_hours)
    write_atomically(
        {
            options.output: parts_writer(options.output, PROCESSED, [table]),
            options.rejects: csv_writer(labelled.rejects),
        }
    )
    return labelled.account


def _on_dask(options: argparse.Namespace, maintenance: Path | None, now: datetime) -> Account:
    from pmd.dask_processing import process_on_dask

    return process_on_dask(
        options.input,
        maintenance,
        options.horizon_hours,
        now,
        options.output,
        options.rejects,
        options.workers,
    )


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
