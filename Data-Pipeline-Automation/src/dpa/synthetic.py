"""Sample inputs with a realistic rhythm and realistic dirt, the same bytes for the same seed."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from dpa.columns import TRANSACTION_COLUMNS
from dpa.drafts import replacing
from dpa.errors import UsageError

DEFAULT_SEED: Final = 2026
LAST_DAY: Final = date(2026, 1, 30)
CLEAN_ROWS: Final = 3_000
DAYS: Final = 30
LONGEST_DAYS: Final = 365
ROWS_A_DAY: Final = CLEAN_ROWS // DAYS
"""More rows make a longer period, up to a year; then busier days."""
BLOCK_ROWS: Final = 100_000
"""Rows written at once, so that a large sample needs little memory."""
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


def _days(rows: int) -> int:
    return min(LONGEST_DAYS, max(DAYS, rows // ROWS_A_DAY))


def _instants(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Draw the sorted local times of the transactions: working hours, quiet week-ends."""
    days = _days(rows)
    first = LAST_DAY - timedelta(days=days - 1)
    chances = _shares(
        [WEEKDAY_WEIGHTS[(first + timedelta(days=offset)).weekday()] for offset in range(days)]
    )
    day = rng.choice(days, size=rows, p=chances)
    hour = rng.choice(24, size=rows, p=_shares(HOUR_WEIGHTS))
    second = rng.integers(0, 3600, size=rows)
    offsets = np.sort(day * 86_400 + hour * 3_600 + second)
    return np.datetime64(first, "s") + offsets.astype("timedelta64[s]")


@dataclass(frozen=True)
class _Ledger:
    """Transactions without dirt, one per entry of each array."""

    machine: np.ndarray
    instant: np.ndarray
    tonnes: np.ndarray
    status: np.ndarray

    def cells(self, at: np.ndarray) -> list[list[str]]:
        """Write the transactions `at` as rows of text."""
        instants = np.char.replace(np.datetime_as_string(self.instant[at]), "T", " ")
        columns = zip(
            (at + 1).tolist(),
            self.machine[at].tolist(),
            instants.tolist(),
            self.tonnes[at].tolist(),
            self.status[at].tolist(),
            strict=True,
        )
        return [
            [f"TRX-{number:06d}", machine, instant, f"{tonnes:.2f}", status]
            for number, machine, instant, tonnes, status in columns
        ]


def _ledger(rng: np.random.Generator, fleet: list[dict[str, str | int]], rows: int) -> _Ledger:
    """Make transactions without dirt; older machines fail more often and then carry less."""
    means = np.array([SITES[str(machine["site_location"])][1] for machine in fleet])
    chosen = rng.choice(len(fleet), size=rows, p=_shares(means.tolist()))
    luck = rng.random(rows)
    spread = rng.triangular(0.4, 1.0, 1.8, size=rows)
    years = np.array([int(machine["installation_year"]) for machine in fleet])[chosen]
    error = 0.02 + 0.004 * (2025 - years)
    status = np.select([luck < error, luck < 3 * error], ["ERR", "WARN"], "OK")
    loss = np.select([status == "OK", status == "WARN"], [1.0, 0.6], 0.25)
    names = np.array([str(machine["machine_id"]) for machine in fleet])
    return _Ledger(names[chosen], _instants(rng, rows), means[chosen] * spread * loss, status)


_FAULTS: Final[tuple[tuple[int, int, Callable[[str], str]], ...]] = (
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
)
"""Faults that real exports have: how many in `CLEAN_ROWS` rows, in which column, and how."""
_REPEATS: Final = 15
_CONFLICTS: Final = 4


@dataclass(frozen=True)
class _Dirt:
    """The faults of a file: `order` gives the transaction of each of its rows.

    `faults` holds, by transaction, the column at fault and what spoils it; `conflicts` the rows of
    the file that repeat a transaction with another volume.
    """

    order: np.ndarray
    faults: dict[int, tuple[int, Callable[[str], str]]]
    conflicts: frozenset[int]


def _dirt(rng: np.random.Generator, rows: int) -> _Dirt:
    """Draw the faults, each kind on rows of its own, as many as `rows` deserves."""
    picks = iter(rng.permutation(rows).tolist())

    def picked(share: int) -> list[int]:
        return [next(picks) for _ in range(share * rows // CLEAN_ROWS)]

    faults = {row: (column, spoil) for share, column, spoil in _FAULTS for row in picked(share)}
    repeats, conflicts = picked(_REPEATS), picked(_CONFLICTS)
    again = [*repeats, *conflicts]
    places = _inserted([int(rng.integers(0, rows + done)) for done in range(len(again))])
    order = np.empty(rows + len(again), dtype=np.int64)
    order[places] = again
    order[np.setdiff1d(np.arange(len(order)), places)] = np.arange(rows)
    return _Dirt(order, faults, frozenset(places[len(repeats) :].tolist()))


def _inserted(positions: list[int]) -> np.ndarray:
    """Tell where the items put one after the other at `positions` of a list end up."""
    places = np.zeros(len(positions), dtype=np.int64)
    for done, position in enumerate(positions):
        places[:done] += places[:done] >= position
        places[done] = position
    return places


def _blocks(ledger: _Ledger, dirt: _Dirt) -> Iterator[list[list[str]]]:
    """Write the rows of the file, faults included, some at a time; the first half ends a block."""
    half, rows = len(dirt.order) // 2, len(dirt.order)
    bounds = sorted({*range(0, rows, BLOCK_ROWS), half, rows})
    for start, end in pairwise(bounds):
        at = dirt.order[start:end]
        block = ledger.cells(at)
        for row, number in zip(block, at.tolist(), strict=True):
            if number in dirt.faults:
                column, spoil = dirt.faults[number]
                row[column] = spoil(row[column])
        for position in dirt.conflicts.intersection(range(start, end)):
            row = block[position - start]
            row[3] = f"{float(row[3]) + 5:.2f}"
        yield block


def _csv_blocks(ledger: _Ledger, dirt: _Dirt) -> Iterator[bytes]:
    """Write the file block by block, with an empty line in its middle."""
    yield (",".join(TRANSACTION_COLUMNS) + "\n").encode()
    written = 0
    for block in _blocks(ledger, dirt):
        if written == len(dirt.order) // 2:
            yield b"\n"
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(block)
        yield buffer.getvalue().encode()
        written += len(block)


def sample_files(seed: int, rows: int = CLEAN_ROWS) -> dict[str, Iterator[bytes]]:
    """Make the two sample files in pieces, UTF-8 with LF; the same seed gives the same bytes.

    `rows` transactions, and the faults in proportion: some rows are spoilt, some come again.
    """
    rng = np.random.default_rng(seed)
    fleet = machines(rng)
    ledger = _ledger(rng, fleet, rows)
    listing = json.dumps(fleet, ensure_ascii=False, indent=2) + "\n"
    return {
        MACHINES_FILE: iter([listing.encode()]),
        TRANSACTIONS_FILE: _csv_blocks(ledger, _dirt(rng, rows)),
    }


def write_samples(
    folder: Path, seed: int = DEFAULT_SEED, force: bool = False, rows: int = CLEAN_ROWS
) -> list[Path]:
    """Write the sample files into `folder`, each replaced atomically; give their paths.

    Raises UsageError, before writing anything, when one exists and `force` is not set.
    """
    files = {folder / name: pieces for name, pieces in sample_files(seed, rows).items()}
    taken = [str(path) for path in files if path.exists()]
    if taken and not force:
        raise UsageError(f"Fichiers déjà présents : {taken} ; ajoutez --force pour les remplacer.")
    for path, pieces in files.items():
        with replacing(path) as draft, draft.open("wb") as file:
            file.writelines(pieces)
    return list(files)
