"""Decimal numbers as French Excel and SAP write them become floats."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpa.text_buffers import has_byte, trimmed

_SPACES: Final = "[ \u00a0\u202f]"
_APOSTROPHES: Final = "['\u2019]"
_OTHER_MARK: Final = {".": ",", ",": "."}


def _decimal_of(cell: str) -> str:
    """Give the decimal mark that a cell proves; empty when it proves none, as 1,234 does."""
    digits = re.sub(rf"{_SPACES}|{_APOSTROPHES}|^[+-]|-$", "", cell.strip())
    if not re.fullmatch(r"[0-9]*(?:[.,][0-9]+)+", digits):
        return ""
    last = "," if digits.rfind(",") > digits.rfind(".") else "."
    whole, *groups = digits.split(last)
    if len(groups) > 1:
        return _OTHER_MARK[last] if {len(group) for group in groups} == {3} else ""
    grouping = len(groups[0]) == 3 and re.fullmatch("[1-9][0-9]{0,2}", whole)
    return "" if grouping else last


@dataclass(frozen=True)
class DoubtfulVolumes:
    """How many volumes of some rows can be read in two ways, and how many tell which is right.

    Under a decimal point, `groups` are like 1,234 (read 1234) and `group_proofs` like 1,234.5;
    `triples` are like 1.234 (read 1.234) and `triple_proofs` like 1.5.
    """

    groups: int = 0
    group_proofs: int = 0
    triples: int = 0
    triple_proofs: int = 0

    def __add__(self, other: Self) -> "DoubtfulVolumes":
        return DoubtfulVolumes(
            self.groups + other.groups,
            self.group_proofs + other.group_proofs,
            self.triples + other.triples,
            self.triple_proofs + other.triple_proofs,
        )


NO_DOUBT: Final = DoubtfulVolumes()


def detect_decimal(volumes: Iterable[str]) -> tuple[str, bool]:
    """Tell the decimal mark, "." or ",", of a file from some of its volumes, and if one proves it.

    The mark that most cells prove wins. Where none proves any (all are like 1,234), commas alone
    are decimal, as in French; otherwise it is the point.
    """
    cells = list(volumes)
    proofs = Counter(_decimal_of(cell) for cell in cells)
    if proofs["."] or proofs[","]:
        return "," if proofs[","] > proofs["."] else ".", True
    text = "".join(cells)
    return "," if "," in text and "." not in text else ".", False


def _plain(decimal: str) -> str:
    mark = re.escape(decimal)
    return rf"^[+-]?(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]{{1,4}})?$"


def _dressed(decimal: str) -> str:
    """Match thousands set apart three by three, and the minus sign that SAP writes last."""
    mark, other = re.escape(decimal), re.escape(_OTHER_MARK[decimal])
    grouped = "|".join(f"(?:{by}[0-9]{{3}})+" for by in (_SPACES, _APOSTROPHES, other))
    body = rf"(?:[1-9][0-9]{{0,2}}(?:{grouped})|[0-9]+)(?:{mark}[0-9]*)?"
    return rf"^(?:[+-]?{body}|{body}-)$"


def lone_groups(texts: pa.Array, decimal: str) -> np.ndarray:
    """Mask the cells like 1,234 under a point: read as 1234, while a French hand means 1.234."""
    other = re.escape(_OTHER_MARK[decimal])
    return _matching(texts, rf"^\s*[+-]?[1-9][0-9]{{0,2}}{other}[0-9]{{3}}-?\s*$")


def doubtful_volumes(texts: pa.Array, decimal: str, is_proven: bool) -> DoubtfulVolumes:
    """Count what can be read in two ways; triples only where nothing proves the mark so far."""
    groups, group_proofs = _count_groups(texts, decimal)
    triples = triple_proofs = 0
    if not is_proven and has_byte(texts, np.arange(256) == ord(decimal)):
        triples = int(lone_groups(texts, _OTHER_MARK[decimal]).sum())
        triple_proofs = sum(_decimal_of(cell) == decimal for cell in pc.unique(texts).to_pylist())
    return DoubtfulVolumes(groups, group_proofs, triples, triple_proofs)


def _count_groups(texts: pa.Array, decimal: str) -> tuple[int, int]:
    mark, other = re.escape(decimal), _OTHER_MARK[decimal]
    if not has_byte(texts, np.arange(256) == ord(other)):
        return 0, 0
    group = rf"{re.escape(other)}[0-9]{{3}}"
    proof = rf"(?:{group})+{mark}[0-9]+|(?:{group}){{2,}}"
    proven = _matching(texts, rf"^\s*[+-]?[1-9][0-9]{{0,2}}(?:{proof})-?\s*$")
    return int(lone_groups(texts, decimal).sum()), int(proven.sum())


def _undressed(texts: pa.Array, decimal: str) -> pa.Array:
    other = re.escape(_OTHER_MARK[decimal])
    bare = pc.replace_substring_regex(texts, rf"{_SPACES}|{_APOSTROPHES}|{other}", "")
    return pc.replace_substring_regex(bare, "^(.*)-$", r"-\1")


def _floats(texts: pa.Array, decimal: str) -> np.ndarray:
    dotted = texts if decimal == "." else pc.replace_substring(texts, decimal, ".")
    # Adding zero turns -0.0 into 0.0.
    floats: np.ndarray = dotted.cast(pa.float64()).to_numpy() + 0.0
    return floats


def _unsigned(texts: pa.Array, decimal: str) -> np.ndarray | None:
    """Read a column of digits and decimal marks, the usual case, without patterns; None if not."""
    other = np.ones(256, dtype=bool)
    other[[*b"0123456789", ord(decimal)]] = False
    if has_byte(texts, other):
        return None
    try:
        return _floats(texts, decimal)
    except pa.ArrowInvalid:
        return None


def _read(found: np.ndarray, positions: np.ndarray, texts: pa.Array, decimal: str) -> None:
    found[positions] = _floats(texts, decimal)


def _matching(texts: pa.Array, pattern: str) -> np.ndarray:
    mask: np.ndarray = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return mask


def numbers(texts: pa.Array, decimal: str) -> np.ndarray:
    """Read decimal numbers; NaN where the text is not one, infinite where it is too large.

    Space around a number does not count. Spaces, apostrophes or the mark that is not `decimal` may
    set thousands apart, three digits by three; a minus sign may come last.
    """
    unsigned = _unsigned(texts, decimal)
    if unsigned is not None:
        return unsigned
    found = np.full(len(texts), np.nan)
    plain = _matching(texts, _plain(decimal))
    _read(
        found,
        np.flatnonzero(plain),
        texts if plain.all() else texts.filter(pa.array(plain)),
        decimal,
    )
    if plain.all():
        return found
    waiting = np.flatnonzero(~plain)
    tidy = trimmed(texts.take(pa.array(waiting)))
    dressed = _matching(tidy, _dressed(decimal))
    _read(found, waiting[dressed], _undressed(tidy.filter(pa.array(dressed)), decimal), decimal)
    exponents = _matching(tidy, _plain(decimal))
    _read(found, waiting[exponents], tidy.filter(pa.array(exponents)), decimal)
    return found
