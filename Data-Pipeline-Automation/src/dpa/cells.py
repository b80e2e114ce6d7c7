"""Text cells become numbers, instants and codes, by vectorised conversions."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from dpa.columns import STATUS_CODES

DOUALA_OFFSET_MINUTES: Final = 60
"""Africa/Douala is UTC+1 all year round (IANA time zone database: no DST since 1920)."""

TWO_DIGIT_PIVOT: Final = 69
"""POSIX strptime: 69-99 are 1969-1999, 00-68 are 2000-2068."""

MONTHS: Final = {
    name: f"{number:02d}"
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}

DIRECTIVES: Final = {
    "%Y": "(?P<Y>[0-9]{4})",
    "%y": "(?P<y>[0-9]{2})",
    "%m": "(?P<m>[0-9]{1,2})",
    "%d": "(?P<d>[0-9]{1,2})",
    "%b": "(?P<b>[A-Za-z]{3})",
}
_TIME: Final = (
    r"(?:[T ](?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,][0-9]{1,9})?)?"
    r" ?(?P<z>Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?)?"
)
_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_SPACES: Final = "[ \u00a0\u202f]"
_GROUPED: Final = rf"[+-]?[0-9]{{1,3}}(?:{_SPACES}[0-9]{{3}})+(?:[.,][0-9]*)?"
"""Thousands set apart by a space, plain or non-breaking, as French Excel writes them."""


@dataclass(frozen=True)
class Conventions:
    """How a file writes its cells.

    `date_formats` are tried in order and know the directives %Y %y %m %d %b (English month, three
    letters). `volume_factor` turns the file's unit into tonnes. `status_codes` translates the
    file's statuses; OK, WARN and ERR stand for themselves unless it says otherwise.
    """

    date_formats: tuple[str, ...] = ("%Y-%m-%d", "%d/%m/%Y")
    decimal: str = "."
    volume_factor: float = 1.0
    status_codes: Mapping[str, str] = field(default_factory=dict)


def date_regex(pattern: str) -> str:
    """Turn a date format into a regular expression; a time and an offset may follow the date.

    Raises ValueError, in French, when the format does not give exactly one year, month and day.
    """
    tokens = re.split(r"(%.)", pattern)
    directives = tokens[1::2]
    unknown = [token for token in directives if token not in DIRECTIVES]
    if unknown:
        raise ValueError(f"directive {unknown[0]!r} inconnue ; admises : {' '.join(DIRECTIVES)}")
    if sorted(token.lower().replace("b", "m") for token in directives) != ["%d", "%m", "%y"]:
        raise ValueError("il faut exactement une année, un mois et un jour")
    day = "".join(DIRECTIVES.get(token, re.escape(token)) for token in tokens)
    if "" in tokens[2:-1:2]:
        # Without a separator, 2026111 would be two days at once.
        day = day.replace("{1,2}", "{2}")
    return f"^{day}{_TIME}$"


def _decimal_of(cell: str) -> str:
    """Give the decimal mark that a cell proves; empty when it proves none, as 1,234 does."""
    digits = re.sub(rf"{_SPACES}|['’]|^[+-]|-$", "", cell.strip())
    if not re.fullmatch(r"[0-9]*(?:[.,][0-9]+)+", digits):
        return ""
    last = "," if digits.rfind(",") > digits.rfind(".") else "."
    other = "." if last == "," else ","
    whole, *groups = digits.split(last)
    if len(groups) > 1:
        return other if {len(group) for group in groups} == {3} else ""
    grouping = len(groups[0]) == 3 and re.fullmatch("[1-9][0-9]{0,2}", whole)
    return "" if grouping else last


def detect_decimal(volumes: Iterable[str]) -> str:
    """Tell the decimal mark, "." or ",", of a file from some of its volumes.

    The mark that most cells prove wins. Where none proves any (all are like 1,234), commas alone
    are decimal, as in French; otherwise it is the point.
    """
    cells = list(volumes)
    proofs = Counter(_decimal_of(cell) for cell in cells)
    if proofs["."] or proofs[","]:
        return "," if proofs[","] > proofs["."] else "."
    text = "".join(cells)
    return "," if "," in text and "." not in text else "."


def _once_per_value(
    convert: Callable[["pd.Series[str]"], pd.Series], texts: "pd.Series[str]"
) -> pd.Series:
    """Convert each distinct text once, then spread the results over the rows."""
    codes, values = pd.factorize(texts)
    converted = convert(pd.Series(values, dtype="str"))
    return pd.Series(converted.array.take(codes), index=texts.index)


def numbers(texts: "pd.Series[str]", decimal: str) -> pd.Series:
    """Read decimal numbers; NaN where the text is not one, infinite where it is too large.

    Spaces between groups of three digits are thousands separators.
    """

    def convert(values: "pd.Series[str]") -> pd.Series:
        grouped = values.str.fullmatch(_GROUPED)
        values = values.mask(grouped, values.str.replace(_SPACES, "", regex=True))
        dotted = values.str.replace(decimal, ".", regex=False) if decimal != "." else values
        plausible = values.str.count(re.escape(decimal)).le(1) & dotted.str.fullmatch(_NUMBER)
        if decimal != ".":
            plausible &= ~values.str.contains(".", regex=False)
        found = np.full(len(values), np.nan)
        found[plausible] = dotted[plausible].to_numpy(dtype=object).astype("float64")
        return pd.Series(found)

    return _once_per_value(convert, texts)


def _offset_minutes(offsets: pd.Series) -> pd.Series:
    digits = offsets.str.replace("Z", "+0000").str.replace(":", "")
    sign = digits.str[0].map({"+": 1, "-": -1})
    minutes = sign * (pd.to_numeric(digits.str[1:3]) * 60 + pd.to_numeric(digits.str[3:5]))
    return minutes.fillna(DOUALA_OFFSET_MINUTES)


def _year(parts: pd.DataFrame) -> pd.Series:
    if "Y" in parts:
        return parts["Y"]
    century = (parts["y"].astype("Int64") >= TWO_DIGIT_PIVOT).map({True: "19", False: "20"})
    return century + parts["y"]


def _month(parts: pd.DataFrame) -> pd.Series:
    return parts["m"].str.zfill(2) if "m" in parts else parts["b"].str.lower().map(MONTHS)


def _instants_of(parts: pd.DataFrame) -> pd.Series:
    day = _year(parts) + "-" + _month(parts) + "-" + parts["d"].str.zfill(2)
    hour, minute, second = (parts[name].fillna("00").str.zfill(2) for name in "HMS")
    local = pd.to_datetime(
        day + "T" + hour + ":" + minute + ":" + second,
        format="%Y-%m-%dT%H:%M:%S",
        errors="coerce",
    ).astype("datetime64[s]")
    return local - pd.to_timedelta(_offset_minutes(parts["z"]), unit="min")


def instants(texts: "pd.Series[str]", date_formats: tuple[str, ...]) -> pd.Series:
    """Read dates as UTC instants, to the second; NaT where no format fits.

    A date without an offset is Africa/Douala local time. A fraction of a second is dropped.
    Never month-first, unless a format says so itself.
    """

    def convert(values: "pd.Series[str]") -> pd.Series:
        found = pd.Series(pd.NaT, index=values.index, dtype="datetime64[s]")
        for pattern in date_formats:
            waiting = values[found.isna()]
            parts = waiting.str.extract(date_regex(pattern))
            fitting = parts[parts["d"].notna()]
            if len(fitting):
                found = found.combine_first(_instants_of(fitting).reindex(found.index))
        return found

    moments: pd.Series = _once_per_value(convert, texts).dt.tz_localize("UTC")
    return moments


def douala_day(moments: pd.Series) -> pd.Series:
    """Give the civil day in Douala, `YYYY-MM-DD`, of UTC instants."""
    local = moments.dt.tz_localize(None) + pd.Timedelta(minutes=DOUALA_OFFSET_MINUTES)
    days: pd.Series = local.dt.strftime("%Y-%m-%d").astype("str")
    return days


def statuses(texts: "pd.Series[str]", status_codes: Mapping[str, str]) -> pd.Series:
    """Translate statuses to OK, WARN or ERR; missing where the text is none of the known ones."""
    return texts.map({code: code for code in STATUS_CODES} | dict(status_codes)).astype("str")
