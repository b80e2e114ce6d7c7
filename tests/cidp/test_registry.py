"""The registry promotes what passed every check, and only that."""

import shutil
from pathlib import Path

import pytest

from cidp.errors import BundleRefused, NoModel, PromotionFailed
from cidp.registry import Registry


def test_without_a_pointer_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=r"python bootstrap_local\.py"):
        Registry(tmp_path).promoted_version()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"instant": 3}', '{"instant": "../../etc"}', "\udcff", "[" * 100_000],
)
def test_a_damaged_pointer_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "promoted.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BundleRefused, match=r"promoted\.json"):
        Registry(tmp_path).promoted_version()


def test_promotion_moves_the_pointer_and_the_copy_for_data_scientists(
    models: Path, bundles: list[Path]
) -> None:
    registry = Registry(models)
    bundle = registry.promote(bundles[1].name)
    assert bundle.manifest.version == registry.promoted_version() == bundles[1].name
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
