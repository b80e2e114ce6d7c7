"""Corrected rejects come back: the rejects workbook becomes a source like any other."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from dpa.checking import Terms, rejected_lines
from dpa.errors import SourceEmpty, SourceUnreadable
from dpa.french import some
from dpa.given_back import GivenBack
from dpa.parts import TransactionSource
from dpa.rejects_sheet import (
    HEADER_AT,
    NOTES,
    NOTES_TOP,
    OUR_COLUMNS,
    SHEET,
    VERSION,
    Notes,
    labels,
)
from dpa.sheet_grid import Grid, read_grid
from dpa.text_buffers import contiguous
from dpa.typed_source import TypedRows, transaction_source
from dpa.volumes import lone_groups
from dpa.workbook_file import WorkbookFile, open_workbook

_KEY: Final = re.compile(r"(\d{1,18})-([0-9a-f]{64})")


@dataclass(frozen=True)
class Resubmission:
    """The rows of a rejects workbook as they were given back.

    `mapping_path` and `mapping_sha256` name the mapping under which the file was read at first,
    None when there was none.
    """

    source: TransactionSource
    given_back: GivenBack
    mapping_path: str | None
    mapping_sha256: str | None


def read_resubmission(path: Path) -> Resubmission:
    """Read a rejects workbook that an analyst corrected; rows deleted or emptied are left out.

    Raises SourceUnreadable, with the cause and the remedy, when it is another workbook or its
    layout was changed; SourceEmpty when no row is left.
    """
    workbook = open_workbook(path)
    if not {SHEET, NOTES} <= set(workbook.sheets):
        _refuse(path, "ce n'est pas un classeur de lignes à corriger écrit par ce programme")
    notes = _notes(workbook)
    grid = read_grid(workbook, SHEET)
    _check_headings(path, grid, labels(notes.header))
    rows, keys = _rows(grid, len(notes.header))
    if not keys:
        raise SourceEmpty(f"{path} : la feuille « {SHEET} » n'a plus aucune ligne.")
    rejects = _rejects(path, dict(zip(rows.lines.tolist(), keys, strict=True)))
    source = transaction_source(path, workbook.sha256, SHEET, notes.header, rows, notes.mapping)
    _refuse_ambiguous_volumes(source, rows)
    return Resubmission(
        source=source,
        given_back=GivenBack(rejects, partial(_rejected, source)),
        mapping_path=notes.mapping_path,
        mapping_sha256=notes.mapping_sha256,
    )


def _refuse_ambiguous_volumes(source: TransactionSource, rows: TypedRows) -> None:
    """Refuse « 31,415 » under a point: a French hand means 31.415, the file's convention 31415."""
    at, mark = source.columns["volume_transferred"], source.conventions.decimal
    if at is None:
        return
    other = "," if mark == "." else "."
    matched = lone_groups(contiguous(rows.cells.column(at)), mark)
    _refuse_lines(
        source.path,
        rows.lines[matched & ~rows.is_number[at]].tolist(),
        f"dont le volume est ambigu (« 31{other}415 ») : écrivez « 31{mark}415 » ou « 31415 »",
    )


def _rejects(path: Path, keys: Mapping[int, str]) -> dict[int, tuple[int, str]]:
    """Give, by row of the sheet, the number of its reject and the digest of its file."""
    found = {line: _KEY.fullmatch(key) for line, key in keys.items()}
    _refuse_lines(
        path,
        [line for line, match in found.items() if match is None],
        "sans clé valable : n'ajoutez pas de ligne et ne touchez pas à la colonne masquée",
    )
    times = Counter(keys.values())
    _refuse_lines(
        path,
        [line for line, key in keys.items() if times[key] > 1],
        "copies l'une de l'autre (même clé) : gardez-en une",
    )
    return {line: (int(match[1]), match[2]) for line, match in found.items() if match}


def _refuse(path: Path, reason: str) -> NoReturn:
    raise SourceUnreadable(
        f"{path} : {reason} ; reprenez le classeur écrit par le dernier chargement et reportez-y "
        "vos corrections."
    )


def _refuse_lines(path: Path, lines: Sequence[int], reason: str) -> None:
    if lines:
        raise SourceUnreadable(f"{path}, feuille « {SHEET} » : lignes {some(lines)} {reason}.")


def _notes(workbook: WorkbookFile) -> Notes:
    """Read the hidden sheet."""
    grid = read_grid(workbook, NOTES)
    texts = grid.cells.column(0).to_pylist() if grid.cells.num_columns else []
    if texts[:1] != [NOTES_TOP]:
        _refuse(workbook.path, f"la feuille masquée « {NOTES} » a été modifiée")
    try:
        notes = Notes.model_validate_json("".join(texts[1:]))
    except ValidationError as error:
        raise SourceUnreadable(
            f"{workbook.path} : la feuille masquée « {NOTES} » a été modifiée ; reprenez le "
            "classeur écrit par le dernier chargement."
        ) from error
    if notes.version > VERSION:
        _refuse(workbook.path, "une version plus récente du programme a écrit ce classeur")
    return notes


def _check_headings(path: Path, grid: Grid, expected: Sequence[str]) -> None:
    found = grid.row(HEADER_AT) if grid.cells.num_rows > HEADER_AT else []
    changed = [
        name for name, now in zip(expected, [*found, *expected], strict=False) if name != now
    ]
    if len(found) < len(expected) or changed:
        missing = changed or [expected[len(found)]]
        _refuse(
            path,
            f"feuille « {SHEET} » : la ligne {HEADER_AT + 1} doit garder ses titres dans leur "
            f"ordre (« {missing[0]} » n'est plus à sa place)",
        )


def _rows(grid: Grid, width: int) -> tuple[TypedRows, list[str]]:
    """Give the analyst's cells of the rows that still have any, and the key of each row."""
    below = grid.cells.slice(HEADER_AT + 1)
    own = below.select(range(width))
    filled = [
        pc.not_equal(pc.utf8_trim_whitespace(column), "").to_numpy() for column in own.columns
    ]
    kept = np.logical_or.reduce(filled)
    keys: list[str] = (
        pc.utf8_trim_whitespace(below.column(width + len(OUR_COLUMNS) - 1))
        .filter(pa.array(kept))
        .to_pylist()
    )
    rows = TypedRows(
        cells=own.filter(pa.array(kept)).rename_columns([str(at) for at in range(width)]),
        lines=np.flatnonzero(kept) + HEADER_AT + 2,
        is_number=[grid.is_number[at][HEADER_AT + 1 :][kept] for at in range(width)],
    )
    return rows, keys


def _rejected(source: TransactionSource, lines: Sequence[int], rule_code: str) -> pd.DataFrame:
    """Reject rows of the sheet after all, under a rule on identifiers."""
    terms = Terms(source.columns, source.conventions, source.defaults, since=None)
    parts = [rejected_lines((part, lines), terms, rule_code) for part in source.parts]
    return pd.concat(parts, ignore_index=True)
