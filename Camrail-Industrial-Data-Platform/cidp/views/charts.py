"""Charts that a French reader, a greyscale print and a colour-blind eye can read."""

from datetime import datetime
from typing import Any

import altair as alt

from cidp.french import DOUALA, NBSP

DARK, LIGHT, ALARM = "#0b5394", "#9fc5e8", "#a61c00"
INK = "#1b2733"
SITE_COLORS = ["#4c1130", "#f6c28b", "#38761d", "#dfe9f5", "#0b5394", "#c27ba0", "#93c47d"]
"""Dark and light by turns, each of another lightness: a grey print tells them apart."""

CLOCK, DAY = "%H:%M:%S", "%d/%m"
_NUMBERS = {
    "decimal": ",",
    "thousands": NBSP,
    "grouping": [3],
    "currency": ["", f"{NBSP}FCFA"],
    "percent": f"{NBSP}%",
}
_TIMES = {
    "dateTime": "%d/%m/%Y %H:%M:%S",
    "date": "%d/%m/%Y",
    "time": "%H:%M:%S",
    "periods": ["", ""],
    "days": ["dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"],
    "shortDays": ["dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."],
    "months": [
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
        "octobre", "novembre", "décembre",
    ],
    "shortMonths": [
        "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
        "déc.",
    ],
}  # fmt: skip


def french(chart: Any) -> Any:
    """Return `chart` with French numbers and dates, and text dark enough to be read."""
    ink = {"labelColor": INK, "titleColor": INK}
    return chart.configure(
        locale={"number": _NUMBERS, "time": _TIMES},
        axis=ink,
        legend=ink | {"symbolStrokeWidth": 0.5},
    )


def wall_clock(instant: datetime) -> datetime:
    """Return what a clock in Douala shows: charts draw such times as they are."""
    return instant.astimezone(DOUALA).replace(tzinfo=None)


def line_at(value: float, axis: str = "y") -> Any:
    """Return a dashed line for a limit, at `value` of an axis."""
    where = {axis: alt.datum(value)}
    line = alt.Chart().mark_rule(color=ALARM, strokeDash=[6, 4], size=1.5, aria=False)
    return line.encode(**where)
