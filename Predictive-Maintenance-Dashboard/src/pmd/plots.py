"""The pictures of a judgement, as PNG files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import precision_recall_curve

from pmd.evaluation import reliability
from pmd.judgement import Judgement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_INCHES, DOTS_PER_INCH = (6.0, 4.0), 120
LEAD_TIME_BINS = 12

TITLES = {
    "precision_recall.png": "Précision et rappel",
    "reliability.png": "Fiabilité",
    "importance.png": "Importance par permutation",
    "lead_times.png": "Préavis",
}

Draw = Callable[["Axes", Judgement], None]


def pictures(judgement: Judgement, horizon_hours: float | None) -> dict[str, bytes]:
    """PNG by file name; no `lead_times.png` where the table does not date failures.

    `horizon_hours`, of the labels, bounds every lead time, and the picture says so.
    """
    drawings: dict[str, Draw] = {
        "precision_recall.png": _precision_recall,
        "reliability.png": _reliability,
        "importance.png": _importance,
    }
    if judgement.lead_times_h is not None and horizon_hours is not None:
        drawings["lead_times.png"] = partial(_lead_times, horizon_hours)
    return {name: _png(draw, judgement) for name, draw in drawings.items()}


def _png(draw: Draw, judgement: Judgement) -> bytes:
    """One picture; drawn without `pyplot`, so that no window and no global figure is left."""
    from matplotlib.figure import Figure  # slow to load, and most trainings draw nothing

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    draw(axes, judgement)
    axes.grid(alpha=0.3)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _precision_recall(axes: Axes, judgement: Judgement) -> None:
    precision, recall, _ = precision_recall_curve(judgement.labels, judgement.probabilities)
    axes.plot(recall, precision, drawstyle="steps-post", label="modèle")
    axes.axhline(float(judgement.labels.mean()), linestyle=":", color="grey", label="au hasard")
    _name(axes, TITLES["precision_recall.png"], "rappel", "précision")


def _reliability(axes: Axes, judgement: Judgement) -> None:
    bins = reliability(judgement.labels, judgement.probabilities)
    stated, observed, _ = zip(*bins, strict=True)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="étalonnage parfait")
    axes.plot(stated, observed, marker="o", label="modèle, par tranche de 10 %")
    _name(axes, TITLES["reliability.png"], "probabilité annoncée", "part de pannes observée")


def _importance(axes: Axes, judgement: Judgement) -> None:
    ranked = sorted(judgement.importance.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ranked], [loss for _, loss in ranked])
    axes.set_title(TITLES["importance.png"])
    axes.set_xlabel("précision moyenne perdue")


def _lead_times(horizon_hours: float, axes: Axes, judgement: Judgement) -> None:
    leads = np.asarray(judgement.lead_times_h)
    announced = leads[np.isfinite(leads)]
    axes.hist(announced, bins=LEAD_TIME_BINS)
    axes.set_title(
        f"Préavis, {horizon_hours:g} h au plus : {len(announced)} pannes annoncées sur {len(leads)}"
    )
    axes.set_xlabel("heures entre la première alarme dans l'horizon et la panne")
    axes.set_ylabel("pannes")


def _name(axes: Axes, title: str, horizontal: str, vertical: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.legend()
