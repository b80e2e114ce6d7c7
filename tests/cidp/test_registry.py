"""The registry promotes what passed every check, and only that."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cidp import registry as registry_module
from cidp.errors import BundleRefused, NoModel, PromotionFailed
from cidp.model_bundle import Manifest, checked_bytes
from cidp.registry import Registry


def test_without_a_pointer_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=r"python bootstrap_local\.py"):
        Registry(tmp_path).promoted_version()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"instant": 3}', '{"instant": "../../etc"}', "\udcff", "[" * 100_000],
)
def test_a_damaged_pointer_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "promoted.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BundleRefused, match=r"promoted\.json"):
        Registry(tmp_path).promoted_version()


def test_promotion_moves_the_pointer_and_the_copy_for_data_scientists(
    models: Path, bundles: list[Path]
) -> None:
    registry = Registry(models)
    manifest = registry.promote(bundles[1].name)
    assert manifest.version == registry.promoted_version() == bundles[1].name
    assert registry.latest_pickle.read_bytes() == (bundles[1] / "model.pkl").read_bytes()


@pytest.mark.parametrize("name", ["model.onnx", "model.pkl"])
def test_a_bundle_that_is_refused_changes_nothing(
    models: Path, bundles: list[Path], name: str
) -> None:
    registry = Registry(models)
    (models / "instant" / bundles[1].name / name).write_bytes(b"damaged")
    with pytest.raises(BundleRefused):
        registry.promote(bundles[1].name)
    assert registry.promoted_version() == bundles[0].name
    assert registry.latest_pickle.read_bytes() == (bundles[0] / "model.pkl").read_bytes()


def test_a_registry_that_cannot_be_written_is_said_and_serves_the_same_version(
    models: Path, bundles: list[Path]
) -> None:
    registry = Registry(models)
    registry.latest_pickle.unlink()
    registry.latest_pickle.mkdir()
    with pytest.raises(PromotionFailed, match=bundles[1].name):
        registry.promote(bundles[1].name)
    assert registry.promoted_version() == bundles[0].name


def test_a_version_whose_folder_is_gone_is_refused(models: Path, bundles: list[Path]) -> None:
    shutil.rmtree(models / "instant" / bundles[0].name)
    with pytest.raises(BundleRefused, match=bundles[0].name):
        Registry(models).load(bundles[0].name)


def edit(folder: Path, change: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_each_slot_has_its_promoted_version_and_latest_is_the_instant_one(
    models: Path, bundles: list[Path], trend: Path
) -> None:
    registry = Registry(models)
    before = registry.latest_pickle.read_bytes()
    with pytest.raises(NoModel, match="trend"):
        registry.promoted_version("trend")
    assert registry.promote(trend.name, "trend").slot == "trend"
    assert registry.promoted_version("trend") == trend.name
    assert registry.promoted_version() == bundles[0].name
    assert registry.latest_pickle.read_bytes() == before
    registry.promote(bundles[1].name)
    assert registry.promoted_version("trend") == trend.name


def test_a_trend_bundle_is_loaded_with_its_recipes(models: Path, trend: Path) -> None:
    loaded = Registry(models).load_trend(trend.name)
    recipe = loaded.manifest.features[0].recipe
    assert recipe is not None
    assert (recipe.reading, recipe.window_hours) == ("vibration", 24)
    assert loaded.model.version == trend.name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(slot="instant"), "emplacement « instant », « trend » attendu"),
        (lambda m: m["features"][0].update(recipe=None), "sans recette"),
        (lambda m: m["features"][0]["recipe"].update(reading="current"), "sans recette"),
        (lambda m: m["features"][0]["recipe"].update(statistic="median"), "non conforme"),
        (lambda m: m["features"].pop(), "n'attend pas 3 colonnes"),
        (lambda m: m["canaries"][0]["values"].pop(), "n'a pas toutes les variables"),
    ],
)
def test_a_trend_bundle_that_does_not_fit_is_refused(
    models: Path, trend: Path, change: Any, reason: str
) -> None:
    edit(trend, change)
    with pytest.raises(BundleRefused, match=reason):
        Registry(models).promote(trend.name, "trend")


def test_only_an_instant_bundle_serves_predictions(models: Path, trend: Path) -> None:
    shutil.copytree(trend, models / "instant" / trend.name, dirs_exist_ok=True)
    with pytest.raises(BundleRefused, match="emplacement « trend »"):
        Registry(models).promote(trend.name)


def test_a_pointer_without_an_instant_version_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "promoted.json").write_text("{}", encoding="utf-8")
    with pytest.raises(NoModel, match=r"python bootstrap_local\.py"):
        Registry(tmp_path).promoted_version()


def test_files_are_read_again_only_once_they_or_their_manifest_have_changed(
    models: Path, bundles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def checked(folder: Path, manifest: Manifest, name: str) -> bytes:
        read.append(name)
        return checked_bytes(folder, manifest, name)

    monkeypatch.setattr(registry_module, "checked_bytes", checked)
    registry = Registry(models)
    folder = models / "instant" / bundles[0].name

    def flaw() -> str | None:
        read.clear()
        return registry.flaw(registry.manifest(folder.name, "instant"))

    assert (flaw(), read) == (None, ["model.onnx", "model.pkl"])
    assert (flaw(), read) == (None, [])
    intact = (folder / "model.pkl").read_bytes()
    (folder / "model.pkl").unlink()
    assert "model.pkl illisible" in (flaw() or "")
    (folder / "model.pkl").write_bytes(intact)
    assert flaw() is None
    manifest = (folder / "manifest.json").read_text(encoding="utf-8")
    digest = hashlib.sha256(intact).hexdigest()
    (folder / "manifest.json").write_text(manifest.replace(digest, "0" * 64), encoding="utf-8")
    assert "model.pkl ne correspond pas" in (flaw() or "")
