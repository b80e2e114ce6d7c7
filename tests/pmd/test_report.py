from datetime import UTC, datetime
from pathlib import Path

from pmd.french import number
from pmd.model_bundle import write_bundle
from pmd.report import training_report
from pmd.training import Trained


def test_the_references_stand_beside_the_model(trained: Trained, tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    manifest = write_bundle(trained, tmp_path / "b", tmp_path / "m", now).manifest
    lines = training_report(trained, manifest).splitlines()
    assert [line[:25].strip() for line in lines[1:7]] == [
        "", "modèle", "ne tombe jamais en panne", "seuil sur un capteur",
        "régression logistique", "boosting de gradient",
    ]  # fmt: skip
    assert len({len(line) for line in lines[1:7]}) == 1
    assert len(lines[1]) <= 120, "a terminal would break the lines"
    assert "8 groupes sur 24" in lines[0]
    assert number(manifest.threshold, 4) in lines[7]
    assert manifest.features[trained.rule.feature].name in lines[8]
