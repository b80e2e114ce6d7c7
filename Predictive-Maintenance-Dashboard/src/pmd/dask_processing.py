"""Telemetry larger than memory, processed on Dask workers by locomotive, Parquet in and out.

Two passes over the same functions as in memory: each piece of the input is checked and its rows are
laid down by bucket, which holds whole locomotives; then each bucket is labelled and written.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client, KilledWorker, LocalCluster

from pmd.arrow_files import parts_writer
from pmd.cells import LINE, cells_of, names
from pmd.errors import EngineError, InvalidOption, UnusableFile
from pmd.processing import (
    TELEMETRY_COLUMNS,
    Account,
    Around,
    label_part,
    nothing_left,
    processed_table,
    read_work_orders,
    refuse_unfit,
)
from pmd.quality import check_telemetry, rejected
from pmd.telemetry_file import PARQUET_SUFFIX, naming, parquet_files, write_atomically

BUCKET_ROWS: Final = 500_000  # of one task: what a worker holds at once, a few hundred MB
REJECTS: Final = pa.schema(
    [("file", pa.string()), (LINE, pa.int64()), ("reason", pa.string()), ("content", pa.string())]
)


class Piece(NamedTuple):
    """One row group of a file; its first row is line `first_line` of the whole table."""

    path: Path
    row_group: int
    first_line: int
    rows: int


class Told(NamedTuple):
    """What the check of a piece leaves beside its files: refused rows, last good instant."""

    rejected: int
    last: pd.Timestamp | None


class Plan(NamedTuple):
    """What every task knows: name of the table, folders, how many buckets, instant of the run."""

    name: str
    checked: Path
    written: Path
    buckets: int
    now: datetime


def process_on_dask(
    raw: Path,
    maintenance: Path | None,
    horizon_hours: float,
    now: datetime,
    output: Path,
    rejects: Path,
    workers: int | None = None,
) -> Account:
    """Process Parquet telemetry `raw` (a file or a folder of them) into the folder `output`.

    Each file of `output` holds whole locomotives, ordered; together they are what the engine in
    memory makes. `rejects` gets the lines that could not be used. Both appear, or neither. Raises
    as `label_telemetry` does, and `EngineError` when the workers fail.
    """
    output = Path(os.path.realpath(output))  # a link stays, and what it leads to is replaced
    _refuse_other_folder(output)
    pieces = _pieces(raw)
    columns = pq.read_schema(pieces[0].path).names if pieces else []
    refuse_unfit(raw.name, [name.strip() for name in columns], maintenance is not None)
    orders = read_work_orders(maintenance, now) if maintenance else None
    rows = sum(piece.rows for piece in pieces)
    with _folder_beside(output) as folder:
        plan = Plan(
            raw.name, folder / "checked", folder / "written",
            max(1, -(-rows // BUCKET_ROWS)), now,
        )  # fmt: skip
        account = _run(plan, pieces, orders.rows if orders else None, horizon_hours, workers)
        refused = len(orders.rejects) if orders else 0
        account = replace(account, read=rows, rejected_orders=refused)
        found = _rejects(plan, pieces, orders.rejects if orders else None)
        if not account.kept:
            first = next(found, REJECTS.empty_table()).to_pandas()
            raise UnusableFile(nothing_left(raw.name, account, horizon_hours, first))
        with _swapped(plan.written, output):
            write_atomically({rejects: parts_writer(rejects, REJECTS, found)})
    return account


@contextmanager
def _folder_beside(output: Path) -> Iterator[Path]:
    """A folder on the disk of `output`, gone afterwards; `UnusableFile` where none can be made."""
    with naming(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(
            dir=output.parent, prefix=f".{output.name}.", ignore_cleanup_errors=True
        )
    with made as folder:
        yield Path(folder)


def _refuse_other_folder(output: Path) -> None:
    with naming(output):
        strange = (
            [path.name for path in output.iterdir() if path.suffix != PARQUET_SUFFIX]
            if output.is_dir()
            else [output.name]
            if output.exists()
            else []
        )
    if strange:
        raise InvalidOption(
            f"{output} : --engine dask écrit un dossier de fichiers {PARQUET_SUFFIX} ; trouvé "
            f"{strange[:3]}. Choisissez un autre --output."
        )


def _pieces(raw: Path) -> list[Piece]:
    found, line = [], 1
    for path in parquet_files(raw):
        try:
            with pq.ParquetFile(path) as file:
                counts = [
                    file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)
                ]
        except (pa.ArrowException, OSError) as error:
            raise UnusableFile(
                f"{path} : --engine dask lit du Parquet, et ce n'en est pas de lisible."
            ) from error
        for group, rows in enumerate(counts):
            found.append(Piece(path, group, line, rows))
            line += rows
    return found


def _run(
    plan: Plan,
    pieces: list[Piece],
    orders: pd.DataFrame | None,
    horizon_hours: float,
    workers: int | None,
) -> Account:
    """Both passes; only counts and instants come back from the workers."""
    plan.checked.mkdir()
    plan.written.mkdir()
    with _cluster(plan.checked.parent, workers) as client:
        told: list[Told] = client.gather(client.map(check_piece, pieces, plan=plan, pure=False))
        known = [piece.last for piece in told if piece.last is not None]
        around = Around(orders, horizon_hours, max(known, default=pd.Timestamp(plan.now)))
        parts: list[Account] = client.gather(
            client.map(process_bucket, range(plan.buckets), plan=plan, around=around, pure=False)
        )
    return sum(parts, Account(rejected=sum(piece.rejected for piece in told)))


@contextmanager
def _cluster(folder: Path, workers: int | None) -> Iterator[Client]:
    """Worker processes of this machine, reachable from it alone; their failures told in French."""
    with ExitStack() as restored:
        for name in ("distributed", "tornado.application"):
            logger = logging.getLogger(name)
            restored.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL + 1)
        try:
            with (
                _started(folder, workers) as cluster,
                Client(cluster, set_as_default=False) as client,
            ):
                yield client
        except (KilledWorker, CancelledError, RuntimeError) as error:
            raise EngineError(
                "--engine dask : des processus sont morts ou n'ont pas démarré ; libérez de la "
                "mémoire ou donnez moins de --workers. Rien n'a été modifié."
            ) from error


@contextmanager
def _started(folder: Path, workers: int | None) -> Iterator[LocalCluster]:
    """Start the workers, end them, and where Dask fails at that let the run's outcome stand.

    It may fail while a killed worker is starting again; that worker then ends with this process.
    """
    cluster = LocalCluster(
        host="127.0.0.1",
        processes=True,
        n_workers=workers or os.cpu_count() or 1,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",  # no dashboard, and no fixed port for its server
        scheduler_kwargs={"dashboard": False},
        local_directory=str(folder),
        silence_logs=logging.CRITICAL,
    )
    try:
        yield cluster
    finally:
        with suppress(AssertionError, TimeoutError):
            cluster.close()


def check_piece(piece: Piece, plan: Plan) -> Told:
    """First pass, in a worker: check the rows of a piece and lay the good ones down by bucket."""
    refused, last, line = 0, None, piece.first_line
    with pq.ParquetFile(piece.path) as file:
        for batch in file.iter_batches(BUCKET_ROWS, [piece.row_group]):
            cells = cells_of(pa.Table.from_batches([batch]), line)
            checked = check_telemetry(cells, plan.now)
            refused += len(checked.rejects)
            if len(checked.rejects):
                _write(plan.checked / f"rejects-{line:012}", checked.rejects)
            if len(checked.rows):
                newest = checked.rows["timestamp"].max()
                last = newest if last is None else max(last, newest)
                _lay_down(checked.rows, line, plan)
            line += len(cells)
    return Told(refused, last)


def _lay_down(rows: pd.DataFrame, line: int, plan: Plan) -> None:
    locos = rows["loco_id"].cat
    bucket_of = [zlib.crc32(name.encode()) % plan.buckets for name in locos.categories]
    buckets = locos.codes.map(dict(enumerate(bucket_of)))
    for bucket, mine in rows.groupby(buckets):
        _write(plan.checked / f"bucket-{bucket:06}-{line:012}", mine)


def process_bucket(bucket: int, plan: Plan, around: Around) -> Account:
    """Second pass, in a worker: label the locomotives of a bucket and write them."""
    paths = sorted(plan.checked.glob(f"bucket-{bucket:06}-*"))
    if not paths:
        return Account()
    rows = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    rows["loco_id"] = names(rows["loco_id"])
    part = label_part(rows, around)
    if len(part.repeats):
        optional = [name for name in ("failure",) if name in rows]
        cells = rows.set_index(LINE)[[*TELEMETRY_COLUMNS, *optional]]
        _write(plan.checked / f"repeats-{bucket:06}", rejected(cells, part.repeats))
    if len(part.rows):
        table = processed_table(part.rows, around.horizon_hours)
        pq.write_table(table, plan.written / f"part-{bucket:06}{PARQUET_SUFFIX}")
    return part.account


def _write(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, index=False, compression="lz4")


def _rejects(plan: Plan, pieces: list[Piece], of_orders: pd.DataFrame | None) -> Iterator[pa.Table]:
    """Rejects of the telemetry by line, a piece at a time, then those of the work orders."""
    empty = pd.DataFrame({LINE: [], "reason": [], "content": []})
    repeats = pd.concat(
        [empty, *(pd.read_parquet(path) for path in sorted(plan.checked.glob("repeats-*")))]
    )
    broken = sorted(plan.checked.glob("rejects-*"))
    for piece in pieces:
        end = piece.first_line + piece.rows
        mine = [path for path in broken if piece.first_line <= int(path.name[8:]) < end]
        again = repeats[repeats[LINE].between(piece.first_line, end - 1)]
        found = [frame for frame in (again, *map(pd.read_parquet, mine)) if len(frame)]
        if found:
            told = pd.concat(found).sort_values(LINE).assign(file=plan.name)
            yield pa.Table.from_pandas(told[REJECTS.names], REJECTS, preserve_index=False)
    if of_orders is not None and len(of_orders):
        yield pa.Table.from_pandas(of_orders[REJECTS.names], REJECTS, preserve_index=False)


@contextmanager
def _swapped(made: Path, output: Path) -> Iterator[None]:
    """Put the folder `made` in the place of `output`; back again where what follows fails."""
    old = made.with_name("old")
    with naming(output):
        if output.exists():
            output.replace(old)
        made.replace(output)
    try:
        yield
    except UnusableFile:
        output.replace(made)
        if old.exists():
            old.replace(output)
        raise
    shutil.rmtree(old, ignore_errors=True)
