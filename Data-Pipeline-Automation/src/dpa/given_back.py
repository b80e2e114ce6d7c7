"""Rows of a rejects workbook given back: each mends its own reject, and no other transaction."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
import pyarrow as pa

from dpa.database import Database
from dpa.errors import RejectsClosed
from dpa.french import some
from dpa.prepared_part import rejects_table

TAKEN: Final = "ID_DEJA_CHARGE"


@dataclass(frozen=True)
class GivenBack:
    """The rejects that a resubmitted file mends.

    `closing` gives, by line of the file, the number of the reject and the SHA-256 of the file that
    it came from. `rejected` gives lines of the file as `CheckedPart.rejects`, under a rule's code.
    """

    closing: Mapping[int, tuple[int, str]]
    rejected: Callable[[Sequence[int], str], pd.DataFrame]


def take(database: Database, steps: Mapping[str, str], given: GivenBack) -> None:
    """Note which line mends which reject; raise RejectsClosed unless all of them are open."""
    keys = [key for key, _ in given.closing.values()]
    columns = {
        "source_line": pa.array([*given.closing], pa.int32()),
        "reject_key": pa.array(keys, pa.int32()),
        "source_sha256": pa.array([digest for _, digest in given.closing.values()], pa.string()),
    }
    database.ingest("resubmitted", pa.table(columns), temporary=True)
    unfit = database.rows(steps["unfit_resubmitted"])
    if unfit:
        raise RejectsClosed(_unfit_sentence(unfit))


def _unfit_sentence(unfit: Sequence[tuple[int, str | None, str | None]]) -> str:
    foreign = [line for line, status, _ in unfit if status is None]
    closed = [
        f"{line} ({status} par le lot {run_id})" if run_id else f"{line} ({status})"
        for line, status, run_id in unfit
        if status
    ]
    told = []
    if foreign:
        told.append(f"lignes {some(foreign)} inconnues de cet entrepôt : vérifiez --dwh")
    if closed:
        told.append(f"lignes {some(closed)} déjà closes : supprimez-les de la feuille")
    return f"classeur de rejets : {' ; '.join(told)}."


def refuse_taken(database: Database, steps: Mapping[str, str], given: GivenBack) -> int:
    """Reject the staged lines that would correct a transaction which is not theirs; count them.

    An identifier that the rejected row did not bear was typed in by hand: when the warehouse has it
    already, with other values, the hand has probably slipped.
    """
    colliding = database.rows(steps["colliding_resubmitted"])
    lines = [line for line, identifier, row in colliding if not bears(row, identifier)]
    if lines:
        rejects = given.rejected(lines, TAKEN)
        database.ingest("staged_rejects", rejects_table(rejects), temporary=True)
        database.execute(steps["forget_refused"])
        database.execute(steps["drop_refused"])
    return len(lines)


def bears(raw_row: str, identifier: str) -> bool:
    """Tell whether a rejected row, a JSON object of its cells, bore this identifier."""
    cells = [cell.strip() for cell in json.loads(raw_row).values()]
    # A line that could not be cut into cells is one text.
    return identifier in cells or (len(cells) == 1 and identifier in cells[0])
