"""Rejected rows, each with the rule that it breaks, the remedy, and all its cells."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dpa.csv_records import Malformed
from dpa.rules import RULES, Faults
from dpa.text_buffers import contiguous

Broken: TypeAlias = pa.Table
"""Rows that break rules: source_line, rule_code (the first), value, other_rules, raw_row."""

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False).encode
_CODE: Final = pa.dictionary(pa.int32(), pa.large_string())
_SCHEMA: Final = pa.schema(
    {
        "source_line": pa.int64(),
        "rule_code": _CODE,
        "value": pa.large_string(),
        "other_rules": _CODE,
        "raw_row": pa.large_string(),
    }
)
_NONE: Final[Broken] = _SCHEMA.empty_table()


def broken_cells(
    header: Sequence[str],
    rows: pa.Table,
    lines: np.ndarray,
    cells: Mapping[str, pa.Array],
    faults: Faults,
) -> Broken:
    """List the rows that break a rule, once each.

    `rows` has a column for each heading, `cells` those of our columns with defaults filled in.
    """
    guilty = np.flatnonzero(np.logical_or.reduce(list(faults.values())))
    if not len(guilty):
        return _NONE
    patterns, places = _patterns([mask[guilty] for mask in faults.values()])
    codes = [[code for code, broken in zip(faults, row, strict=True) if broken] for row in patterns]
    columns = [RULES[found[0]].column for found in codes]
    arrays = [
        pa.array(lines[guilty]),
        _spread([found[0] for found in codes], places),
        _written(cells, guilty, columns, places),
        _spread([", ".join(found[1:]) for found in codes], places),
        _json_rows(header, rows.take(pa.array(guilty))),
    ]
    table: Broken = pa.table(arrays, schema=_SCHEMA)
    return table


def _patterns(masks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Give the distinct combinations of broken rules, and which of them each row has."""
    weights = 1 << np.arange(len(masks))
    sums = sum(mask * weight for mask, weight in zip(masks, weights, strict=True))
    distinct, places = np.unique(sums, return_inverse=True)
    return distinct[:, None] & weights > 0, places


def _spread(texts: Sequence[str], places: np.ndarray) -> pa.DictionaryArray:
    """Give each row its text, by its place among `texts`."""
    distinct = sorted(set(texts))
    codes = np.array([distinct.index(text) for text in texts], dtype=np.int32)[places]
    return pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.large_string()))


def _written(
    cells: Mapping[str, pa.Array], guilty: np.ndarray, columns: Sequence[str], places: np.ndarray
) -> pa.Array:
    """Give each guilty row's cell in the column, one for each pattern, that is at fault."""
    by_column = [
        (
            name,
            np.flatnonzero(np.isin(places, [at for at, own in enumerate(columns) if own == name])),
        )
        for name in set(columns)
    ]
    texts = [cells[name].take(pa.array(guilty[rows])) for name, rows in by_column]
    order = np.argsort(np.concatenate([rows for _, rows in by_column]))
    return pa.concat_arrays(texts).take(pa.array(order))


def broken_lines(malformed: Sequence[Malformed]) -> Broken:
    """List the lines that could not be cut into cells."""
    texts = pa.array([line.text for line in malformed], pa.large_string())
    codes = [line.rule_code for line in malformed]
    arrays = [
        pa.array([line.line for line in malformed], pa.int64()),
        _spread(codes, np.arange(len(codes))),
        texts,
        _spread([""], np.zeros(len(codes), dtype=np.int64)),
        _json_rows(["ligne"], pa.table([texts], ["ligne"])),
    ]
    table: Broken = pa.table(arrays, schema=_SCHEMA)
    return table


def _json_rows(header: Sequence[str], rows: pa.Table) -> pa.Array:
    """Write each row as a JSON object {heading: cell}; headings that come again are numbered."""
    between, pieces = "{", []
    for name, column in zip(_unique(header), rows.columns, strict=True):
        pieces += [_text(f'{between}{_ENCODE(name)}: "'), _escaped(contiguous(column))]
        between = '", '
    return pc.binary_join_element_wise(*pieces, _text('"}'), _text(""))


def _text(constant: str) -> pa.Scalar:
    return pa.scalar(constant, pa.large_string())


def _escaped(texts: pa.Array) -> pa.Array:
    """Write texts as JSON does between the quotes."""
    special = pc.match_substring_regex(texts, r'["\\\x00-\x1f]')
    written = [_ENCODE(text)[1:-1] for text in texts.filter(special).to_pylist()]
    return pc.replace_with_mask(texts, special, pa.array(written, pa.large_string()))


def _unique(header: Sequence[str]) -> list[str]:
    names: list[str] = []
    for heading in header:
        name, number = heading, 1
        while name in names:
            number += 1
            name = f"{heading} ({number})"
        names.append(name)
    return names


def reject_rows(broken: Broken) -> pd.DataFrame:
    """Describe broken rows as `CheckedPart.rejects` says, in the order of their lines."""
    rows = broken.sort_by("source_line").combine_chunks()
    codes = rows["rule_code"].cast(pa.large_string())
    columns = {
        "source_line": rows["source_line"],
        "rule_code": codes,
        "column_name": _told(rows["rule_code"], "column"),
        "value": rows["value"],
        "reason": _told(rows["rule_code"], "sentence"),
        "remedy": _told(rows["rule_code"], "remedy"),
        "other_rules": rows["other_rules"].cast(pa.large_string()),
        "raw_row": rows["raw_row"],
    }
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame


def _told(codes: pa.ChunkedArray, what: str) -> pa.Array:
    """Say of each rule code what its rule says in the attribute `what`."""
    chunk = codes.combine_chunks()
    told = [getattr(RULES[code], what) for code in chunk.dictionary.to_pylist()]
    return pa.array(told, pa.large_string()).take(chunk.indices)


NO_REJECTS: Final = reject_rows(_NONE)
