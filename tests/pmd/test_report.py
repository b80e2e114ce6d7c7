from datetime import UTC, datetime
from pathlib import Path

import pytest

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
    precision, f1 = (number(trained.out_of_fold[key], 3) for key in ("average_precision", "f1"))
    assert lines[8].endswith(f"préc. moy. {precision}, F1 {f1} à ce seuil")
    assert manifest.features[trained.rule.feature].name in lines[9]


@pytest.mark.parametrize(("failures", "told"), [(12, 2), (99, 2), (100, 1)])
def test_few_failures_are_warned_of_beside_the_slope(
    trained: Trained, tmp_path: Path, failures: int, told: int
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    manifest = write_bundle(trained, tmp_path / "b", tmp_path / "m", now).manifest
    manifest.metrics["model"].update(failures=failures, calibration_slope=0.876)
    last = training_report(trained, manifest).splitlines()[10:]
    assert len(last) == told
    assert last[0] == f"Jugé sur {failures} pannes ; pente d'étalonnage 0,88 (1 est juste)"
    assert all("moins de 100 pannes" in line for line in last[1:])


def test_rows_are_counted_where_failures_have_no_date(trained: Trained, tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    manifest = write_bundle(trained, tmp_path / "b", tmp_path / "m", now).manifest
    manifest.metrics["model"].update(failures=None)
    positives = number(manifest.held_out.positives)
    assert f"Jugé sur {positives} lignes positives" in training_report(trained, manifest)


@pytest.mark.parametrize(("area", "told"), [(0.95, False), (0.995, True)])
def test_a_feature_that_knows_nearly_everything_alone_is_warned_of(
    trained: Trained, tmp_path: Path, area: float, told: bool
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    manifest = write_bundle(trained, tmp_path / "b", tmp_path / "m", now).manifest
    manifest.metrics["single_threshold"].update(roc_auc=area)
    name = manifest.features[trained.rule.feature].name
    report = training_report(trained, manifest)
    assert (f"Attention : « {name} » sépare à elle seule" in report) is told
