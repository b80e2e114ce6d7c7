"""Sample inputs with a realistic rhythm and realistic dirt, the same bytes for the same seed."""

import csv
import io
import json
import os
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from dpa.columns import TRANSACTION_COLUMNS
from dpa.errors import UsageError

DEFAULT_SEED: Final = 2026
FIRST_DAY: Final = date(2026, 1, 1)
DAYS: Final = 30
CLEAN_ROWS: Final = 3_000
MACHINES_FILE: Final = "api_reference_machines.json"
TRANSACTIONS_FILE: Final = "erp_daily_transactions.csv"

# Our assumptions, not figures of the railway: machines of each site, and mean tonnes a transaction.
SITES: Final = {
    "Douala": (6, 60.0),
    "Yaoundé": (5, 45.0),
    "Ngaoundéré": (4, 38.0),
    "Bélabo": (3, 30.0),
    "Edéa": (2, 26.0),
}
WEEKDAY_WEIGHTS: Final = (1.0, 1.05, 1.05, 1.0, 0.95, 0.55, 0.3)
HOUR_WEIGHTS: Final = (
    (0.1,) * 5 + (0.4, 1.2, 2.2, 2.6, 2.4, 2.2, 1.8, 1.0, 1.4, 2.2, 2.4, 2.0, 1.4) + (0.5,) * 6
)


def machines(rng: np.random.Generator) -> list[dict[str, str | int]]:
    """Make the 20 machines of the five sites."""
    sites = [site for site, (count, _) in SITES.items() for _ in range(count)]
    years = rng.integers(1998, 2025, size=len(sites))
    return [
        {"machine_id": f"MACH-{number:03d}", "site_location": site, "installation_year": int(year)}
        for number, (site, year) in enumerate(zip(sites, years, strict=True), start=1)
    ]


def _shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _instants(rng: np.random.Generator) -> list[datetime]:
    """Draw the sorted local times of the transactions: working hours, quiet week-ends."""
    days = [FIRST_DAY + timedelta(days=offset) for offset in range(DAYS)]
    chances = _shares([WEEKDAY_WEIGHTS[day.weekday()] for day in days])
    day = rng.choice(DAYS, size=CLEAN_ROWS, p=chances)
    hour = rng.choice(24, size=CLEAN_ROWS, p=_shares(HOUR_WEIGHTS))
    second = rng.integers(0, 3600, size=CLEAN_ROWS)
    start = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day)
    offsets = np.sort(day * 86_400 + hour * 3_600 + second)
    return [start + timedelta(seconds=int(offset)) for offset in offsets]


def _clean_rows(rng: np.random.Generator, fleet: list[dict[str, str | int]]) -> list[list[str]]:
    """Make transactions without dirt; older machines fail more often and then carry less."""
    chosen = rng.choice(
        len(fleet), size=CLEAN_ROWS, p=_shares([SITES[str(m["site_location"])][1] for m in fleet])
    )
    luck = rng.random(CLEAN_ROWS)
    spread = rng.triangular(0.4, 1.0, 1.8, size=CLEAN_ROWS)
    rows = []
    for number, when in enumerate(_instants(rng), start=1):
        machine = fleet[chosen[number - 1]]
        status = _status(luck[number - 1], int(machine["installation_year"]))
        loss = {"OK": 1.0, "WARN": 0.6, "ERR": 0.25}[status]
        tonnes = SITES[str(machine["site_location"])][1] * spread[number - 1] * loss
        rows.append(
            [
                f"TRX-{number:06d}",
                str(machine["machine_id"]),
                f"{when:%Y-%m-%d %H:%M:%S}",
                f"{tonnes:.2f}",
                status,
            ]
        )
    return rows


def _status(luck: float, installation_year: int) -> str:
    error = 0.02 + 0.004 * (2025 - installation_year)
    if luck < error:
        return "ERR"
    return "WARN" if luck < 3 * error else "OK"


def _soiled(rng: np.random.Generator, rows: list[list[str]]) -> list[list[str]]:
    """Add the faults that real exports have, each kind on rows of its own."""
    dirty = [list(row) for row in rows]
    picks = iter(rng.permutation(len(dirty)).tolist())
    faults: list[tuple[int, int, Any]] = [
        (22, 3, lambda cell: ""),
        (14, 3, lambda cell: f"-{cell}"),
        (10, 3, lambda cell: "voir bon de livraison"),
        (6, 3, lambda cell: f"{cell} t"),
        (9, 2, lambda cell: "2026-02-30 08:00:00"),
        (5, 2, lambda cell: ""),
        (12, 4, lambda cell: "UNKNOWN"),
        (4, 4, lambda cell: ""),
        (3, 0, lambda cell: ""),
        (8, 1, lambda cell: "MACH-099"),
    ]
    for count, column, spoil in faults:
        for _ in range(count):
            row = dirty[next(picks)]
            row[column] = spoil(row[column])
    repeats = [list(dirty[next(picks)]) for _ in range(15)]
    conflicts = [list(dirty[next(picks)]) for _ in range(4)]
    for row in conflicts:
        row[3] = f"{float(row[3]) + 5:.2f}"
    for row in repeats + conflicts:
        dirty.insert(int(rng.integers(0, len(dirty))), row)
    return dirty


def _csv_text(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(TRANSACTION_COLUMNS)
    writer.writerows(rows[: len(rows) // 2])
    buffer.write("\n")
    writer.writerows(rows[len(rows) // 2 :])
    return buffer.getvalue()


def sample_files(seed: int) -> dict[str, bytes]:
    """Make the two sample files, UTF-8 with LF; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    fleet = machines(rng)
    rows = _soiled(rng, _clean_rows(rng, fleet))
    listing = json.dumps(fleet, ensure_ascii=False, indent=2) + "\n"
    return {MACHINES_FILE: listing.encode(), TRANSACTIONS_FILE: _csv_text(rows).encode()}


def write_samples(folder: Path, seed: int, force: bool) -> list[Path]:
    """Write the sample files into `folder`, each replaced atomically; give their paths.

    Raises UsageError, before writing anything, when one exists and `force` is not set.
    """
    files = {folder / name: data for name, data in sample_files(seed).items()}
    taken = [str(path) for path in files if path.exists()]
    if taken and not force:
        raise UsageError(f"Fichiers déjà présents : {taken} ; ajoutez --force pour les remplacer.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        draft.write_bytes(data)
        draft.replace(path)
    return list(files)
