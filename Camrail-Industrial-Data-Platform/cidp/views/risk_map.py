"""The risk around a position of the sliders, over the ranges of two of them."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from cidp.api_answers import Batch
from cidp.api_client import UncheckedReading, moved
from cidp.views.charts import french
from cidp.views.gauges import Gauge

CELLS = 21
"""Values of each axis."""


def values_of(gauge: Gauge) -> list[float]:
    """Return `CELLS` values over the slider's range, its ends included."""
    step = (gauge.highest - gauge.lowest) / (CELLS - 1)
    return [round(gauge.lowest + n * step, 4) for n in range(CELLS)]


def readings_around(at: UncheckedReading, across: Gauge, up: Gauge) -> list[UncheckedReading]:
    """Return `at` with each pair of values of the two axes, row by row."""
    return [
        moved(at, **{across.field: x, up.field: y})
        for y in values_of(up)
        for x in values_of(across)
    ]


def cells(readings: Sequence[UncheckedReading], risks: Batch, across: Gauge, up: Gauge) -> Any:
    """Return one row per reading: its place on both axes, its risk, its verdict in words."""
    return pd.DataFrame(
        {
            "x": [getattr(reading, across.field) for reading in readings],
            "y": [getattr(reading, up.field) for reading in readings],
            "risk": [row.risk_probability for row in risks.results],
            "verdict": ["danger" if row.critical_risk else "nominal" for row in risks.results],
        }
    )


def risk_map(found: Any, at: UncheckedReading, threshold: float, across: Gauge, up: Gauge) -> Any:
    """Draw the cells, darker where the risk is higher, and a cross where the sliders stand."""
    half_x, half_y = ((gauge.highest - gauge.lowest) / (CELLS - 1) / 2 for gauge in (across, up))
    frame = found.assign(
        x2=found["x"] + half_x, y2=found["y"] + half_y, x=found["x"] - half_x, y=found["y"] - half_y
    )
    x_axis = _axis(alt.X, "x", across, half_x)
    y_axis = _axis(alt.Y, "y", up, half_y)
    color = alt.Color("risk:Q", title="Risque").scale(
        domain=[0, threshold, max(1.0, threshold)],
        range=["#eef4fa", "#f6b26b", "#7f1510"],
        interpolate="rgb",
    )
    squares = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=x_axis,
            x2="x2",
            y=y_axis,
            y2="y2",
            color=color.legend(format=".0%"),
            tooltip=[
                alt.Tooltip("risk:Q", title="Risque", format=".1%"),
                alt.Tooltip("verdict:N", title="Verdict"),
            ],
        )
    )
    here = pd.DataFrame({"x": [getattr(at, across.field)], "y": [getattr(at, up.field)]})
    point = alt.Chart(here).encode(x="x:Q", y="y:Q")
    halo = point.mark_point(shape="cross", size=260, filled=True, color="white")
    cross = point.mark_point(shape="cross", size=120, filled=True, color="black")
    return french((squares + halo + cross).properties(height=300))


def _axis(channel: Any, field: str, gauge: Gauge, half: float) -> Any:
    domain = [gauge.lowest - half, gauge.highest + half]
    title = f"{gauge.label} ({gauge.unit})"
    return channel(f"{field}:Q", title=title).scale(domain=domain, nice=False, zero=False)
