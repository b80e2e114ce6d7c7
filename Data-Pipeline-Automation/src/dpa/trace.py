"""The way of a transaction back to its source line, told in French."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dpa import french
from dpa.database import Database
from dpa.dwh_url import DwhUrl
from dpa.errors import TransactionUnknown
from dpa.source_line import LoadedFile, SourceGone, source_cells
from dpa.warehouse import reading

_PRESENT: Final = (
    'SELECT "Machine", "Site", "Statut", "Volume (t)", "Date (Douala)", "Ligne source", "Clé lot" '
    'FROM v_transactions WHERE "Transaction" = ?'
)
_EARLIER: Final = (
    'SELECT "Ancienne machine", "Ancien site", "Ancien statut", "Ancien volume (t)", '
    '"Ancienne date (Douala)", "Ancienne ligne", "Clé ancien lot" '
    'FROM v_corrections WHERE "Transaction" = ? ORDER BY "Clé lot" DESC'
)
_LOT: Final = (
    "SELECT run_id, kind, transactions_path, transactions_sha256, transactions_sheet, "
    "mapping_path, mapping_sha256 FROM dim_lot WHERE lot_key = ?"
)
_REJECT: Final = (
    "SELECT source_file, source_sheet, source_line, rule_code, reason, first_lot_key "
    "FROM rejets WHERE closed_lot_key = ? AND closed_line = ? AND first_lot_key <> closed_lot_key"
)
_NAMED_IN_REJECT: Final = (
    'SELECT "Fichier", "Feuille", "Ligne", "Motif", "Abandonné le (Douala)", '
    "\"Raison de l'abandon\" FROM v_rejets WHERE \"État\" IN ('ouvert', 'abandonné') "
    'AND "Ligne d\'origine" LIKE ? ESCAPE \'!\' ORDER BY "État" DESC, "Rejet" LIMIT 1'
)


@dataclass(frozen=True)
class Lot:
    """A run, and the file that it loaded."""

    key: int
    run_id: str
    kind: str
    file: LoadedFile


@dataclass(frozen=True)
class State:
    """A transaction as one run wrote it, in tonnes; `moment` is the naive time in Douala."""

    machine: str
    site: str
    status: str
    volume: float
    moment: datetime
    line: int
    lot: Lot


@dataclass(frozen=True)
class Reject:
    """A line that run `lot` rejected, and that was corrected by hand afterwards."""

    file: str
    sheet: str
    line: int
    rule_code: str
    reason: str
    lot: Lot


@dataclass(frozen=True)
class Trace:
    """What is known of a transaction.

    `earlier` are the states that corrections replaced, and `rejects` the lines that it comes from
    when it was resubmitted, the latest first. `cells` are the headings and cells of its source
    line as they stand in the file; `gone` says why there are none.
    """

    transaction_id: str
    state: State
    earlier: list[State]
    rejects: list[Reject]
    cells: list[tuple[str, str]]
    gone: str


def trace(url: DwhUrl, transaction_id: str, busy_timeout_s: float) -> Trace:
    """Follow a transaction back; raises TransactionUnknown or WarehouseError."""
    with reading(url, busy_timeout_s) as database:
        present = _states(database, _PRESENT, transaction_id)
        if not present:
            raise TransactionUnknown(_unknown_sentence(database, transaction_id))
        earlier = _states(database, _EARLIER, transaction_id)
        rejects = list(_rejects(database, present[0].lot.key, present[0].line))
    cells, gone = _source(present[0])
    return Trace(transaction_id, present[0], earlier, rejects, cells, gone)


def _states(database: Database, query: str, transaction_id: str) -> list[State]:
    return [
        State(
            machine,
            site,
            status,
            volume,
            datetime.fromisoformat(str(moment)),
            line,
            _lot(database, lot_key),
        )
        for machine, site, status, volume, moment, line, lot_key in database.rows(
            query, transaction_id
        )
    ]


def _lot(database: Database, key: int) -> Lot:
    ((run_id, kind, path, sha256, sheet, mapping_path, mapping_sha256),) = database.rows(_LOT, key)
    resubmitted = kind == "reprise"
    file = LoadedFile(Path(path), sha256, sheet, mapping_path, mapping_sha256, resubmitted)
    return Lot(key, run_id, kind, file)


def _rejects(database: Database, lot_key: int, line: int) -> Iterator[Reject]:
    """Go from a resubmitted line to the reject that it corrects, and on from there."""
    while found := database.rows(_REJECT, lot_key, line):
        file, sheet, line, rule_code, reason, lot_key = found[0]
        yield Reject(file, sheet, line, rule_code, reason, _lot(database, lot_key))


def _source(state: State) -> tuple[list[tuple[str, str]], str]:
    try:
        return source_cells(state.lot.file, state.line), ""
    except SourceGone as error:
        return [], str(error)


def _unknown_sentence(database: Database, transaction_id: str) -> str:
    inside = json.dumps(transaction_id, ensure_ascii=False)
    for special in "!%_":
        inside = inside.replace(special, f"!{special}")
    rejected = database.rows(_NAMED_IN_REJECT, f"%{inside}%")
    if not rejected:
        return (
            f"aucune transaction « {transaction_id} » ; vérifiez l'identifiant, majuscules "
            "comprises."
        )
    file, sheet, line, reason, abandoned_at, why = rejected[0]
    if abandoned_at:
        moment = datetime.fromisoformat(str(abandoned_at))
        return (
            f"la transaction « {transaction_id} » n'est pas chargée : {place(file, sheet, line)}, "
            f"rejetée ({reason}), abandonnée le {moment:%d/%m/%Y à %H:%M} : {why}"
        )
    return (
        f"la transaction « {transaction_id} » n'est pas chargée, elle attend parmi les rejets : "
        f"{place(file, sheet, line)}. {reason}"
    )


def trace_text(url: DwhUrl, transaction_id: str, busy_timeout_s: float) -> str:
    """Tell the trace of a transaction in French; raises as `trace` does."""
    return "".join(f"{line}\n" for line in _told(trace(url, transaction_id, busy_timeout_s)))


def _told(found: Trace) -> Iterator[str]:
    lot = found.state.lot
    yield f"Transaction {found.transaction_id}"
    yield f"  {_values(found.state)}"
    yield f"  écrite par le lot {lot.run_id} ({lot.kind})"
    yield f"  fichier {lot.file.path}"
    yield f"  SHA-256 {lot.file.sha256}"
    yield f"  {_standing(found.state)}"
    if found.cells:
        yield "Dans le fichier"
        yield from (f"  {heading} : {cell}" for heading, cell in found.cells)
    else:
        yield f"Ligne du fichier non montrée : {found.gone}."
    for reject in found.rejects:
        yield f"Corrige un rejet du lot {reject.lot.run_id}"
        yield f"  {place(reject.file, reject.sheet, reject.line)}"
        yield f"  {reject.rule_code} : {reject.reason}"
    for state in found.earlier:
        yield f"État remplacé, écrit par le lot {state.lot.run_id}"
        yield f"  {_values(state)}"
        yield f"  {_standing(state)}"


def _values(state: State) -> str:
    return (
        f"machine {state.machine}, site {state.site}, {state.moment:%d/%m/%Y %H:%M:%S} à Douala, "
        f"{_tonnes(state.volume)} t, statut {state.status}"
    )


def _standing(state: State) -> str:
    return place(state.lot.file.path.name, state.lot.file.sheet, state.line)


def _tonnes(volume: float) -> str:
    """Write a volume with the decimals that it has, at most to the gram."""
    return french.number(volume, 6).rstrip("0").rstrip(",")


def place(file: str, sheet: str, line: int) -> str:
    """Name a line of a file, or of one of its sheets."""
    within = f", feuille ou table « {sheet} »" if sheet else ""
    return f"{file}{within}, ligne {french.number(line)}"
