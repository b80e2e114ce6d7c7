"""Charts that a French reader, a greyscale print and a colour-blind eye can read."""

from datetime import datetime
from typing import Any

import altair as alt

from cidp.views.french import DOUALA, NBSP

DARK, LIGHT, ALARM = "#0b5394", "#9fc5e8", "#a61c00"
SITE_COLORS = ["#0b5394", "#f6b26b", "#38761d", "#d5a6bd", "#7f1510", "#9fc5e8", "#45818e"]
"""Dark and light by turns."""

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
    ink = {"labelColor": "#1b2733", "titleColor": "#1b2733"}
    return chart.configure(locale={"number": _NUMBERS, "time": _TIMES}, axis=ink, legend=ink)


def wall_clock(instant: datetime) -> datetime:
    """Return what a clock in Douala shows: charts draw such times as they are."""
    return instant.astimezone(DOUALA).replace(tzinfo=None)


def line_at(value: float, axis: str = "y") -> Any:
    """Return a dashed line for a limit, at `value` of an axis."""
    where = {axis: alt.datum(value)}
    line = alt.Chart().mark_rule(color=ALARM, strokeDash=[6, 4], size=1.5, aria=False)
    return line.encode(**where)
