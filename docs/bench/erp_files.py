"""Makes the files that the benchmarks read: any row of any size is a function of its number."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

SEED: Final = 2026
CHUNK_ROWS: Final = 500_000
LAST_INSTANT: Final = datetime(2026, 1, 31, tzinfo=UTC)
SITES: Final = ("Douala", "Yaoundé", "Ngaoundéré", "Bélabo", "Edéa")
HEADER: Final = ("transaction_id", "machine_id", "date", "volume_transferred", "status_code")


@dataclass(frozen=True)
class Fleet:
    """`count` machines spread over the five sites."""

    count: int = 2_000

    def write(self, path: Path) -> None:
        """Write the machine list as the API gives it."""
        machines = [
            {
                "machine_id": f"MACH-{number:05d}",
                "site_location": SITES[number % len(SITES)],
                "installation_year": 1998 + number % 27,
            }
            for number in range(self.count)
        ]
        path.write_text(json.dumps(machines, ensure_ascii=False), encoding="utf-8")


@dataclass(frozen=True)
class Ledger:
    """Transactions at an even pace; row n is the same whatever the size of the file.

    Instants grow with n, as in an ERP; one machine in a thousand is in no machine list.
    """

    rows_per_day: float
    fleet: Fleet = Fleet()
    seed: int = SEED

    def table(self, numbers: np.ndarray, revision: int = 0) -> pa.Table:
        """Give the rows of these numbers as text; another revision has other volumes."""
        machine = _mixed(numbers, self.seed) % (self.fleet.count + self.fleet.count // 1000)
        cents = _mixed(numbers, self.seed + 1 + 16 * revision) % 9_000 + 500
        luck = _mixed(numbers, self.seed + 2) % 100
        seconds = (numbers * (86_400 / self.rows_per_day)).astype(np.int64)
        status = np.where(luck < 6, "ERR", np.where(luck < 18, "WARN", "OK"))
        first = LAST_INSTANT - timedelta(days=3 * 365)
        instants = pa.array(seconds + int(first.timestamp()), pa.timestamp("s"))
        columns = (
            _numbered("TRX-", numbers, 9),
            _numbered("MACH-", machine, 5),
            pc.strftime(instants, "%Y-%m-%d %H:%M:%S"),
            _two_decimals(cents),
            pa.array(status, pa.string()),
        )
        return pa.table(dict(zip(HEADER, columns, strict=True)))

    def write(self, path: Path, rows: int) -> None:
        """Write the rows 0 to `rows` - 1."""
        chunks = (
            np.arange(first, min(first + CHUNK_ROWS, rows), dtype=np.int64)
            for first in range(0, rows, CHUNK_ROWS)
        )
        _write_csv(path, (self.table(numbers) for numbers in chunks))

    def write_upsert(self, path: Path, known: int, count: int, among: int) -> None:
        """Write `count` rows: half correct the volume of known rows, half are new.

        The corrected ones are drawn from the last `among` of the `known` rows.
        """
        half = count // 2
        step = among // half
        corrected = np.arange(known - half * step, known, step, dtype=np.int64)
        new = np.arange(known, known + count - half, dtype=np.int64)
        _write_csv(path, iter([self.table(corrected, revision=1), self.table(new)]))


def write_soiled(path: Path, source: Path, one_in: int) -> None:
    """Copy an export, with the volume of every `one_in`-th line made unreadable."""
    with source.open(encoding="utf-8") as lines, path.open("w", encoding="utf-8") as out:
        for number, line in enumerate(lines):
            cells = line.split(",")
            if number and number % one_in == 0:
                cells[3] = "voir bon"
            out.write(",".join(cells))


def write_workbook(path: Path, ledger: Ledger, rows: int) -> None:
    """Write the rows as a person's workbook: real dates and numbers under a header."""
    import xlsxwriter

    table = ledger.table(np.arange(rows, dtype=np.int64))
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        dated = book.add_format({"num_format": "dd/mm/yyyy hh:mm:ss"})
        sheet = book.add_worksheet("Transactions")
        sheet.write_row(0, 0, HEADER)
        for number, row in enumerate(table.to_pylist(), start=1):
            sheet.write_string(number, 0, row["transaction_id"])
            sheet.write_string(number, 1, row["machine_id"])
            sheet.write_datetime(number, 2, datetime.fromisoformat(row["date"]), dated)
            sheet.write_number(number, 3, float(row["volume_transferred"]))
            sheet.write_string(number, 4, row["status_code"])


def _mixed(numbers: np.ndarray, salt: int) -> np.ndarray:
    """Scatter whole numbers evenly over 63 bits (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        z = numbers.astype(np.uint64) + np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def _numbered(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _two_decimals(hundredths: np.ndarray) -> pa.Array:
    whole = pc.cast(pa.array(hundredths // 100), pa.string())
    return pc.binary_join_element_wise(whole, _numbered("", hundredths % 100, 2), ".")


def _write_csv(path: Path, tables: Iterator[pa.Table]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    with draft.open("wb") as out:
        out.write((",".join(HEADER) + "\n").encode())
        for table in tables:
            csv.write_csv(table, out, options)
    draft.replace(path)
