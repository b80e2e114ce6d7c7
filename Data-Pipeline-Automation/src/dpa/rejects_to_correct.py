"""The rejects that wait in the warehouse, with what it takes to show them as they were read."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from dpa.database import Database
from dpa.errors import RejectsClosed
from dpa.french import some
from dpa.rejects_sheet import Reading
from dpa.source_line import LoadedFile, SourceGone, source_of
from dpa.sql_files import SQL_ROOT, named_statements


@dataclass(frozen=True)
class Batch:
    """Rejected rows that are read alike; `files` names where they come from.

    `rejects` has the columns of the step `rows_to_correct` of sql/rejects.sql.
    """

    run_id: str
    files: str
    reading: Reading
    mapping_path: str | None
    mapping_sha256: str | None
    rejects: pa.Table


def batches(database: Database, run_id: str | None = None) -> list[Batch]:
    """Read the open rejects, of one run or of all, one batch for each way to read rows.

    Raises RejectsClosed for a run that a version before 3 loaded from a file which is gone since.
    """
    steps = named_statements(SQL_ROOT / "rejects.sql")
    lots = [
        lot
        for lot in database.table(steps["lots_to_correct"]).to_pylist()
        if run_id in (None, lot["run_id"])
    ]
    alike = groupby(sorted(lots, key=_kind), _kind)
    return [_batch(database, steps["rows_to_correct"], list(group)) for _, group in alike]


def _kind(lot: dict[str, Any]) -> tuple[str, str, str]:
    """Tell runs apart that do not read rows alike; one that kept no note is like no other."""
    reading = lot["reading"] or lot["run_id"]
    return reading, lot["mapping_path"] or "", lot["mapping_sha256"] or ""


def _batch(database: Database, query: str, lots: list[dict[str, Any]]) -> Batch:
    latest = max(lots, key=lambda lot: int(lot["lot_key"]))
    return Batch(
        run_id=latest["run_id"],
        files=some(list(dict.fromkeys(lot["transactions_file"] for lot in lots))),
        reading=_reading(latest),
        mapping_path=latest["mapping_path"],
        mapping_sha256=latest["mapping_sha256"],
        rejects=pa.concat_tables(
            database.table(query, lot["lot_key"]) for lot in lots
        ).combine_chunks(),
    )


def _reading(lot: dict[str, Any]) -> Reading:
    if lot["reading"]:
        return Reading.model_validate_json(lot["reading"])
    file = LoadedFile(
        Path(lot["transactions_path"]),
        lot["transactions_sha256"],
        lot["transactions_sheet"],
        lot["mapping_path"],
        lot["mapping_sha256"],
        resubmitted=lot["kind"] == "reprise",
    )
    try:
        return Reading.of(source_of(file))
    except SourceGone as error:
        raise RejectsClosed(
            f"les rejets du lot {lot['run_id']}, d'une version antérieure du programme, ne "
            f"peuvent être écrits qu'avec leur fichier {file.path} : {error}. Remettez-le à sa "
            "place, ou choisissez un autre lot (--lot)."
        ) from error
