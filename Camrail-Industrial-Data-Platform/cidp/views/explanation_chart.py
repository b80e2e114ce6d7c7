"""How many points of risk each reading adds or takes away."""

from typing import Any

import altair as alt
import pandas as pd

from cidp.api_answers import Explanation
from cidp.french import number
from cidp.views.charts import ALARM, INK, LIGHT, french
from cidp.views.gauges import field_label


def contributions_chart(explanation: Explanation) -> Any:
    """Draw one bar per reading, the heaviest first, with its points beside it."""
    points = {
        field_label(field): round(100 * share, 1)
        for field, share in sorted(
            explanation.contributions.items(), key=lambda part: -abs(part[1])
        )
    }
    frame = pd.DataFrame(
        {
            "reading": list(points),
            "points": list(points.values()),
            "said": [_signed(value) for value in points.values()],
            "effect": ["augmente le risque" if v > 0 else "le diminue" for v in points.values()],
        }
    )
    reach = max(1.0, *frame["points"].abs())
    base = alt.Chart(frame).encode(
        y=alt.Y("reading:N", title=None, sort=list(points)).axis(labelOverlap=False),
        x=alt.X("points:Q", title="Points de risque")
        .scale(domain=[-1.25 * reach, 1.25 * reach])
        .axis(tickCount=6),
        tooltip=[
            alt.Tooltip("reading:N", title="Mesure"),
            alt.Tooltip("said:N", title="Contribution"),
        ],
    )
    bars = base.mark_bar(stroke=INK, strokeWidth=0.5).encode(
        color=alt.Color("effect:N", title=None)
        .scale(domain=["augmente le risque", "le diminue"], range=[ALARM, LIGHT])
        .legend(orient="bottom")
    )
    beside = base.encode(text="said:N")
    above, below = alt.datum.points > 0, alt.datum.points <= 0
    right = beside.transform_filter(above).mark_text(align="left", dx=4, color=INK)
    left = beside.transform_filter(below).mark_text(align="right", dx=-4, color=INK)
    return french((bars + right + left).properties(height=240))


def _signed(points: float) -> str:
    return f"{'+' if points > 0 else '−' if points < 0 else ''}{number(abs(points), 1)}"
