"""Checks a source part by part: each row ends accepted, rejected or a duplicate, none lost.

A part is first screened by itself. Sound rows whose identifier stands elsewhere in the file are
then set aside, and judged together at the end; so the way a file is cut changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from dpa.cells import Conventions
from dpa.dates import douala_days
from dpa.engine import Engine
from dpa.parts import CheckedPart, Part, RawPart, TransactionSource
from dpa.quality import (
    accepted_rows,
    among,
    check,
    conflicting,
    fill_empty,
    read_dates,
    repeated_hashes,
)
from dpa.rejects import NO_REJECTS, Broken, broken_cells, broken_lines, reject_rows
from dpa.text_buffers import contiguous, hashes
from dpa.volumes import NO_DOUBT, DoubtfulVolumes, doubtful_volumes


@dataclass(frozen=True)
class Terms:
    """How the parts of one source are to be read and checked."""

    columns: dict[str, int | None]
    conventions: Conventions
    defaults: dict[str, str]
    since: date | None


@dataclass(frozen=True)
class Earlier:
    """The rows before --since: how many, and the sound ones, which still tell a conflict.

    `hashes` are those of their identifiers.
    """

    count: int = 0
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    hashes: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))


@dataclass(frozen=True)
class Screened:
    """A part checked by itself; its rejects are still `broken`.

    `hashes` are those of the identifiers of the accepted rows.
    """

    checked: CheckedPart
    broken: Broken
    hashes: np.ndarray
    earlier: Earlier


def checked_parts(
    source: TransactionSource, engine: Engine, since: date | None = None
) -> Iterator[CheckedPart]:
    """Check every row of a source, part by part.

    Rows whose day in Douala is readable and before `since` are skipped, whatever else is wrong with
    them; a later row with the identifier of a sound one is a conflict all the same. After the parts
    come, if identifiers are repeated, the rows that bear them. Raises SourceError.
    """
    terms = Terms(source.columns, source.conventions, source.defaults, since)
    kept = engine.keep(partial(screen, terms=terms), source.parts)
    repeated = repeated_hashes(engine.map(identifier_hashes, kept))
    settled = enumerate(engine.map(partial(settle, then=itself), _drained(kept), repeated))
    yield from _with_repeats(settled, source.parts, engine, terms, itself)


def summed_parts(
    source: TransactionSource, engine: Engine, then: Callable[[CheckedPart], Any]
) -> Iterator[Any]:
    """Check every row of a source; give what `then` makes of each part, in any order.

    Rows neither travel nor stay in memory, so `then` should make little of many. A part with
    repeated identifiers is read and checked twice. Raises SourceError.
    """
    terms = Terms(source.columns, source.conventions, source.defaults, None)
    summed = engine.map(screen_and_sum, source.parts, terms, then)
    made, hashes = zip(*summed, strict=True)
    repeated = repeated_hashes(hashes)
    again = [number for number, found in enumerate(hashes) if among(found, repeated).any()]
    yield from (made[number] for number in sorted(set(range(len(made))) - set(again)))
    parts = [source.parts[number] for number in again]
    settled = engine.map(screen_and_settle, parts, terms, then, repeated)
    yield from _with_repeats(zip(again, settled, strict=True), source.parts, engine, terms, then)


def itself(part: CheckedPart) -> CheckedPart:
    """Give a checked part as it is."""
    return part


def screen_and_sum(
    part: Part, terms: Terms, then: Callable[[CheckedPart], Any]
) -> tuple[Any, np.ndarray]:
    """Give what `then` makes of a part checked by itself, and the hashes of its identifiers."""
    screened = screen(part, terms)
    return then(_with_rejects(screened)), screened.hashes


def screen_and_settle(
    part: Part, terms: Terms, then: Callable[[CheckedPart], Any], repeated: np.ndarray
) -> tuple[Any, pd.DataFrame]:
    """Screen a part and settle it at once."""
    return settle(screen(part, terms), repeated, then)


def _with_repeats(
    settled: Iterable[tuple[int, tuple[Any, pd.DataFrame]]],
    parts: Sequence[Part],
    engine: Engine,
    terms: Terms,
    then: Callable[[CheckedPart], Any],
) -> Iterator[Any]:
    """Give what was made of numbered parts, then of the rows that they set aside."""
    aside = []
    for number, (made, repeats) in settled:
        if len(repeats):
            aside.append(repeats.assign(part=number))
        yield made
    if aside:
        rows = pd.concat(aside, ignore_index=True)
        yield from map(then, _judged(parts, rows, engine, terms))


def _drained(handles: list[Any]) -> Iterator[Any]:
    """Give the handles in order, and let go of each."""
    handles.reverse()
    while handles:
        yield handles.pop()


def screen(part: Part, terms: Terms) -> Screened:
    """Read a part and check it by itself."""
    raw = part.read()
    cells, defaulted = _our_cells(raw, terms)
    dates = read_dates(cells, terms.conventions)
    earlier = Earlier()
    if terms.since is not None:
        early = douala_days(dates) < np.datetime64(terms.since)
        before = _only(raw, early)
        typed, faults = check(_our_cells(before, terms)[0], dates[early], terms.conventions)
        sound = _sound(faults)
        rows = accepted_rows(typed, sound, before.lines)
        earlier = Earlier(int(early.sum()), rows, hashes(typed.transaction_id)[sound])
        raw, dates = _only(raw, ~early), dates[~early]
        cells, defaulted = _our_cells(raw, terms)
    typed, faults = check(cells, dates, terms.conventions)
    sound = _sound(faults)
    accepted = accepted_rows(typed, sound, raw.lines)
    checked = CheckedPart(
        read=raw.rows,
        accepted=accepted,
        rejects=NO_REJECTS,
        skipped=earlier.count,
        blank_lines=raw.blank_lines,
        defaulted=defaulted,
        doubtful=_doubtful(cells["volume_transferred"], terms.conventions),
    )
    broken = [broken_cells(raw.header, raw.cells, raw.lines, cells, faults)]
    if raw.malformed:
        broken.append(broken_lines(raw.malformed))
    return Screened(checked, pa.concat_tables(broken), hashes(typed.transaction_id)[sound], earlier)


def _sound(faults: Mapping[str, np.ndarray]) -> np.ndarray:
    mask: np.ndarray = ~np.logical_or.reduce(list(faults.values()))
    return mask


def _doubtful(texts: pa.Array, conventions: Conventions) -> DoubtfulVolumes:
    if conventions.decimal_from == "given":
        return NO_DOUBT
    is_shown = conventions.decimal_from == "shown"
    return doubtful_volumes(texts, conventions.decimal, is_shown)


def _only(raw: RawPart, rows: np.ndarray) -> RawPart:
    return replace(raw, cells=raw.cells.filter(pa.array(rows)), lines=raw.lines[rows])


def _our_cells(raw: RawPart, terms: Terms) -> tuple[dict[str, pa.Array], dict[str, int]]:
    """Give the cells of each of our columns, defaults filled in, and how many were by column."""
    cells, defaulted = {}, {}
    for column, place in terms.columns.items():
        if place is None:
            texts = pa.repeat(pa.scalar("", pa.large_string()), raw.cells.num_rows)
        else:
            texts = contiguous(raw.cells.column(place))
        if column in terms.defaults:
            texts, count = fill_empty(texts, terms.defaults[column])
            if count:
                defaulted[column] = count
        cells[column] = texts
    return cells, defaulted


def identifier_hashes(screened: Screened) -> np.ndarray:
    """Give the hashes of the identifiers of a screened part's sound rows, earlier ones too."""
    return np.concatenate([screened.hashes, screened.earlier.hashes])


def settle(
    screened: Screened, repeated: np.ndarray, then: Callable[[CheckedPart], Any]
) -> tuple[Any, pd.DataFrame]:
    """Set aside the rows whose hash is repeated; give what `then` makes of the others, and them.

    Of the rows set aside, `is_early` tells those before --since, which are counted already.
    """
    checked, earlier = _with_rejects(screened), screened.earlier
    aside = among(screened.hashes, repeated)
    rows = checked.accepted
    found = [rows[aside].assign(is_early=False)]
    if earlier.count:
        found.append(earlier.rows[among(earlier.hashes, repeated)].assign(is_early=True))
    if aside.any():
        rest = rows[~aside].reset_index(drop=True)
        checked = replace(checked, read=checked.read - int(aside.sum()), accepted=rest)
    return then(checked), pd.concat([some.astype({"machine_id": "str"}) for some in found])


def _with_rejects(screened: Screened) -> CheckedPart:
    return replace(screened.checked, rejects=reject_rows(screened.broken))


def _judged(
    parts: Sequence[Part], rows: pd.DataFrame, engine: Engine, terms: Terms
) -> Iterator[CheckedPart]:
    """Tell identical repeats from conflicts among rows set aside; `part` tells their part.

    Earlier rows clash with others, and are then left out.
    """
    clash = conflicting(rows)
    rows, clash = rows[~rows["is_early"]], clash[~rows["is_early"]]
    alike = rows[~clash].drop(columns=["part", "is_early"]).astype({"machine_id": "category"})
    accepted = alike.drop_duplicates("transaction_id", ignore_index=True)
    duplicates = len(alike) - len(accepted)
    yield CheckedPart(len(alike), accepted, NO_REJECTS, duplicates)
    conflicts = [
        (parts[number], rows.loc[clash & (rows["part"] == number), "source_line"].to_numpy())
        for number in rows.loc[clash, "part"].unique().tolist()
    ]
    conflict = partial(rejected_lines, terms=terms, rule_code="ID_EN_CONFLIT")
    for rejected in engine.map(conflict, conflicts):
        yield CheckedPart(len(rejected), accepted[:0], rejected)


def rejected_lines(place: tuple[Part, Sequence[int]], terms: Terms, rule_code: str) -> pd.DataFrame:
    """Reject, for a rule on identifiers, the rows of a part that stand at some lines."""
    part, lines = place
    raw = part.read()
    guilty = np.isin(raw.lines, lines)
    cells = {"transaction_id": _our_cells(raw, terms)[0]["transaction_id"]}
    return reject_rows(broken_cells(raw.header, raw.cells, raw.lines, cells, {rule_code: guilty}))
