"""Whether a new model serves: only if it beats the one that does, on rows new to the new one."""

from typing import NamedTuple

from cidp.french import number
from cidp.model_bundle import Figures, Manifest


class Verdict(NamedTuple):
    """Whether a new model is to serve, and why, in French."""

    promoted: bool
    why: str


def verdict(manifest: Manifest, served: str | None) -> Verdict:
    """Judge a new model by its manifest, which has the figures of version `served` as well.

    It is better when neither its average precision is lower nor its cost, at its own threshold,
    higher, and one of them differs. Without a served model, the new one serves.
    """
    if served is None:
        return Verdict(True, "aucun modèle ne servait")
    ours, theirs = manifest.metrics["model"], manifest.metrics[served]
    precision, cost = _pair(ours, theirs, "average_precision"), _pair(ours, theirs, "cost")
    held = manifest.held_out
    told = (
        f"précision moyenne {number(precision[0], 3)} contre {number(precision[1], 3)}, coût"
        f" {number(cost[0])} contre {number(cost[1])} pour le modèle servi {served}, sur les mêmes"
        f" {number(held.rows)} lectures tenues à l'écart, dont {number(held.positives)} avant une"
        " panne"
    )
    gains = (precision[0] - precision[1], cost[1] - cost[0])
    if min(gains) >= 0 and max(gains) > 0:
        return Verdict(True, f"meilleur : {told}")
    return Verdict(False, f"{'égal' if gains == (0, 0) else 'pas meilleur'} : {told}")


def _pair(ours: Figures, theirs: Figures, name: str) -> tuple[float, float]:
    """A figure of both, which every model of 0 and 1 labels has."""
    return ours[name] or 0.0, theirs[name] or 0.0
