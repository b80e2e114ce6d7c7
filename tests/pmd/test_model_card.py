from datetime import UTC, datetime
from pathlib import Path

import pytest

from pmd.french import number
from pmd.manifest import Interval, Manifest
from pmd.model_bundle import write_bundle
from pmd.model_card import model_card
from pmd.report import PREDICTORS
from pmd.sensors import SENSOR_NAMES
from pmd.training import Trained


@pytest.fixture(scope="module")
def manifest(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("models")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return write_bundle(trained, folder / "b", folder / "m.joblib", now).manifest


def row(card: str, title: str) -> list[str]:
    """Cells of the first line of a table that begins with `title`."""
    (line, *_) = [line for line in card.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_card_is_made_of_the_manifest_alone(manifest: Manifest) -> None:
    stored = Manifest.model_validate_json(manifest.model_dump_json())
    assert model_card(stored, {}) == model_card(manifest, {})


def test_every_predictor_has_its_figures(manifest: Manifest) -> None:
    card = model_card(manifest, {})
    assert row(card, "") == [title for _, title in PREDICTORS]
    for title, name in (("précision moyenne", "average_precision"), ("F1", "f1")):
        found = [manifest.metrics[key][name] for key, _ in PREDICTORS]
        assert row(card, title) == [number(value, 3) for value in found]


def test_types_groups_features_and_files_are_told(manifest: Manifest) -> None:
    card = model_card(manifest, {})
    for name in (*manifest.per_failure_type, *manifest.per_group):
        assert row(card, name)
    for feature in manifest.features:
        assert row(card, f"`{feature.name}`")[0] == feature.unit
    assert [row(card, data.name)[0] for data in manifest.data] == [
        number(data.rows, 0) for data in manifest.data
    ]
    assert manifest.version in card
    assert number(manifest.threshold, 4) in card


def test_rows_that_were_left_out_are_told_with_their_reason(manifest: Manifest) -> None:
    assert all(
        f"Laissées de côté, {reason} : {number(rows)}." in model_card(manifest, {})
        for reason, rows in manifest.left_out.items()
        if rows
    )
    told = manifest.model_copy(update={"left_out": {"y : pas un nombre fini": 1200, "z": 0}})
    card = model_card(told, {})
    assert f"Laissées de côté, y : pas un nombre fini : {number(1200)}." in card
    assert ", z :" not in card


def test_several_seeds_show_their_intervals(manifest: Manifest) -> None:
    intervals = {key: {"f1": Interval(mean=0.7, low=0.6, high=0.8)} for key, _ in PREDICTORS}
    several = manifest.model_copy(update={"seeds": [1, 2], "intervals": intervals})
    assert "sur les graines 1, 2" in model_card(several, {})
    assert "0,700 [0,600 ; 0,800]" in model_card(several, {})
    assert "graines 1, 2" not in model_card(manifest, {})


def test_the_horizon_that_bounds_lead_times_is_told_where_there_is_one(manifest: Manifest) -> None:
    said = "donc au plus l'horizon (24 h), dans les tables comme sur l'image."
    assert said in model_card(manifest, {})
    undated = manifest.model_copy(update={"horizon_hours": None})
    assert "donc au plus l'horizon.\n" in model_card(undated, {})


def test_pictures_are_shown(manifest: Manifest) -> None:
    assert "![Fiabilité](model-card/r.png)" in model_card(
        manifest, {"Fiabilité": "model-card/r.png"}
    )


def test_a_name_from_the_data_cannot_end_a_cell(manifest: Manifest) -> None:
    per_group = {"A | B": manifest.per_group[next(iter(manifest.per_group))]}
    card = model_card(manifest.model_copy(update={"per_group": per_group}), {})
    assert "| A \\| B |" in card


def test_a_table_without_groups_or_failures_has_no_such_section(manifest: Manifest) -> None:
    bare = manifest.model_copy(update={"per_group": {}, "per_failure_type": {}})
    assert "## Par" not in model_card(bare, {})


COMMITTED = Path(__file__).parents[2] / "docs/model-card.md"


def outline(card: str) -> list[str]:
    """Headings and titles of the figures, without what varies from model to model."""
    figures = card.split("## Chiffres")[1].split("## Par")[0].splitlines()
    titles = {line.split("|")[1].strip() for line in figures if line.startswith("|")}
    return [line for line in card.splitlines() if line.startswith("#")] + sorted(titles)


def test_the_committed_card_is_one_that_this_version_writes(manifest: Manifest) -> None:
    card = COMMITTED.read_text(encoding="utf-8")
    assert outline(card) == outline(model_card(manifest, {}))
    assert all(row(card, f"`{name}`") for name in SENSOR_NAMES)


def test_the_committed_card_shows_pictures_that_are_there() -> None:
    shown = [
        line.partition("](")[2].rstrip(")")
        for line in COMMITTED.read_text(encoding="utf-8").splitlines()
        if line.startswith("![")
    ]
    folder = COMMITTED.with_suffix("")
    assert {COMMITTED.parent / path for path in shown} == set(folder.iterdir())
    assert len(shown) == 4
