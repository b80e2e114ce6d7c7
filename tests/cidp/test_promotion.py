"""A new model serves only where it beats the served one on the same held-out rows."""

from pathlib import Path

import pytest

from cidp.model_bundle import Manifest, read_manifest
from cidp.promotion import verdict

SERVED = "20260101T000000Z-0123abcd"


def judged(bundle: Path, ours: tuple[float, float], theirs: tuple[float, float]) -> Manifest:
    """The manifest of a bundle whose figures are average precision and cost of both models."""
    metrics = {
        name: {"average_precision": precision, "cost": cost}
        for name, (precision, cost) in (("model", ours), (SERVED, theirs))
    }
    return read_manifest(bundle).model_copy(update={"metrics": metrics})


@pytest.mark.parametrize(
    ("ours", "theirs", "promoted", "said"),
    [
        ((0.7, 900.0), (0.6, 1200.0), True, "meilleur"),
        ((0.7, 1200.0), (0.6, 1200.0), True, "meilleur"),
        ((0.6, 900.0), (0.6, 1200.0), True, "meilleur"),
        ((0.6, 1200.0), (0.6, 1200.0), False, "égal"),
        ((0.7, 1300.0), (0.6, 1200.0), False, "pas meilleur"),
        ((0.5, 900.0), (0.6, 1200.0), False, "pas meilleur"),
        ((0.5, 1300.0), (0.6, 1200.0), False, "pas meilleur"),
    ],
)
def test_neither_figure_may_be_worse(
    bundles: list[Path],
    ours: tuple[float, float],
    theirs: tuple[float, float],
    promoted: bool,
    said: str,
) -> None:
    found = verdict(judged(bundles[0], ours, theirs), SERVED)
    assert found.promoted is promoted
    assert found.why.startswith(f"{said} : précision moyenne 0,")
    assert SERVED in found.why


def test_the_first_model_serves(bundles: list[Path]) -> None:
    assert verdict(read_manifest(bundles[0]), None).promoted
