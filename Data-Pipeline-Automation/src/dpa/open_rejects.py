"""The command `rejets`: open rejects are listed, written out again, or abandoned with a reason."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from dpa import french
from dpa.database import Database
from dpa.drafts import unused
from dpa.dwh_url import DwhUrl
from dpa.errors import RejectsClosed, UsageError
from dpa.logs import escaped
from dpa.rejects_to_correct import batches
from dpa.sql_files import SQL_ROOT, named_statements
from dpa.trace import place
from dpa.warehouse import reading, refuse_other_version, writing

SHOWN: Final = 40
SHOWN_CHARACTERS: Final = 60
ALL: Final = "tous"
_NUMBERS: Final = re.compile(r"[0-9]{1,9}(?:-[0-9]{1,9})?")
_MOST_NUMBERS: Final = 1_000_000

OpenReject = tuple[int, str, str, str, int, str, str]
"""Number, run, file, sheet, line, rule, value."""


def list_rejects(url: DwhUrl, run_id: str | None, busy_timeout_s: float) -> str:
    """Tell the open rejects, of one run or of all; raises UsageError, WarehouseError."""
    with reading(url, busy_timeout_s) as database:
        _refuse_unknown_run(database, run_id)
        found = _open(database.rows(_steps()["open_rejects"]), run_id)
    lines = [french.plural(len(found), "rejet ouvert", "rejets ouverts")]
    lines += [
        f"  n° {key} : {place(file, sheet, line)} : {rule}{_shown(value)}, lot {run}"
        for key, run, file, sheet, line, rule, value in found[:SHOWN]
    ]
    if len(found) > SHOWN:
        rest = french.number(len(found) - SHOWN)
        lines.append(f"  et {rest} de plus ; --export FICHIER les écrit tous")
    return "".join(f"{line}\n" for line in lines)


def export_rejects(path: Path, url: DwhUrl, run_id: str | None, busy_timeout_s: float) -> str:
    """Write the open rejects out again; a workbook holds rows that are read alike.

    An existing file is kept, the next name gets a number. Raises UsageError, WarehouseError or
    ReportNotWritten.
    """
    # XlsxWriter is slow to import.
    from dpa.rejects_workbook import save

    with reading(url, busy_timeout_s) as database:
        _refuse_unknown_run(database, run_id)
        found = batches(database, run_id)
    if not found:
        return "Aucun rejet ouvert : rien à écrire.\n"
    told = []
    for batch in found:
        free = unused(path)
        save(free, batch)
        count = french.plural(batch.rejects.num_rows, "ligne à corriger", "lignes à corriger")
        told.append(f"{free} : {count} ({batch.files})")
    return "".join(f"{line}\n" for line in told)


def abandon_rejects(
    url: DwhUrl,
    chosen: str,
    run_id: str | None,
    reason: str,
    now: datetime,
    busy_timeout_s: float,
) -> str:
    """Close rejects for good, with a reason, without loading their rows.

    `chosen` lists their numbers, "3,7-9", or is "tous", within the run if one is given. Raises
    UsageError, RejectsClosed when one of them is not open, or WarehouseError; nothing has changed
    then.
    """
    numbers = None if chosen == ALL else _numbers(chosen)
    if not reason.strip():
        raise UsageError("--reason : écrivez pourquoi ces lignes ne seront jamais chargées.")
    steps = _steps()
    with writing(url, busy_timeout_s) as database:
        refuse_other_version(database)
        _refuse_unknown_run(database, run_id)
        found = [key for key, *_ in _open(database.rows(steps["open_rejects"]), run_id)]
        keys = found if numbers is None else numbers
        if run_id and not set(keys) <= set(found):
            raise RejectsClosed(f"ces rejets ne sont pas tous ouverts dans le lot {run_id}.")
        database.execute(steps["abandoned"])
        moments = pa.array([int(now.timestamp())] * len(keys), pa.timestamp("s", "UTC"))
        rows = {
            "reject_key": pa.array(keys, pa.int32()),
            "abandoned_at": database.instants(moments),
            "abandon_reason": pa.array([reason.strip()] * len(keys), pa.string()),
        }
        database.ingest("abandoned", pa.table(rows), temporary=True)
        _refuse_unfit(database.rows(steps["unfit_abandoned"]))
        database.execute(steps["abandon"])
        database.commit()
    count = french.plural(len(keys), "rejet abandonné", "rejets abandonnés")
    left = french.plural(len(found) - len(keys), "rejet encore ouvert", "rejets encore ouverts")
    return f"{count} : {reason.strip()}\n{left}{f' dans le lot {run_id}' if run_id else ''}\n"


def _refuse_unknown_run(database: Database, run_id: str | None) -> None:
    if run_id and not database.value("SELECT COUNT(*) FROM dim_lot WHERE run_id = ?", run_id):
        raise UsageError(
            f"--lot {run_id} : aucun lot de ce nom dans l'entrepôt ; la commande rejets, sans "
            "--lot, donne celui de chaque rejet ouvert."
        )


def _shown(value: str) -> str:
    return f" « {escaped(value[:SHOWN_CHARACTERS])} »" if value else ""


def _steps() -> dict[str, str]:
    return named_statements(SQL_ROOT / "rejects.sql")


def _open(rows: Sequence[OpenReject], run_id: str | None) -> list[OpenReject]:
    return [row for row in rows if run_id in (None, row[1])]


def _numbers(text: str) -> list[int]:
    """Read "3,7-9"; raises UsageError."""
    parts = [part.strip() for part in text.replace(";", ",").split(",")]
    if not all(_NUMBERS.fullmatch(part) for part in parts):
        raise UsageError(
            f"--abandon {text!r} : écrivez des numéros de rejets, comme 3,7-9, ou {ALL}."
        )
    numbers: set[int] = set()
    for part in parts:
        first, _, last = part.partition("-")
        span = range(int(first), int(last or first) + 1)
        if len(span) > _MOST_NUMBERS:
            raise UsageError(f"--abandon {part} : trop de numéros à la fois.")
        numbers |= set(span)
    if not numbers:
        raise UsageError(f"--abandon {text!r} : le premier numéro est après le dernier.")
    return sorted(numbers)


def _refuse_unfit(unfit: Sequence[tuple[int, str | None]]) -> None:
    if unfit:
        told = french.some([f"n° {key} {status or 'introuvable'}" for key, status in unfit])
        raise RejectsClosed(
            f"rejets à abandonner : {told} ; la commande rejets donne ceux qui sont ouverts."
        )
