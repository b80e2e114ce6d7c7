"""A bundle that is not what its manifest says is refused by name; nothing is unpickled."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression

from cidp.errors import BundleRefused
from cidp.model_bundle import Manifest, load_bundle

Edit = Callable[[str, Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def bundle(models: Path, bundles: list[Path]) -> Path:
    return models / "instant" / bundles[0].name


def refusal(bundle: Path) -> str:
    with pytest.raises(BundleRefused) as caught:
        load_bundle(bundle)
    assert str(caught.value).startswith(f"Modèle {bundle.name} refusé : ")
    return str(caught.value)


def replace_onnx(bundle: Path, content: bytes) -> None:
    import hashlib

    (bundle / "model.onnx").write_bytes(content)
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"]["model.onnx"]["sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_a_good_bundle_is_loaded(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.manifest.version == bundle.name == loaded.scorer.version
    assert isinstance(loaded.manifest, Manifest)


def test_a_bundle_is_loaded_without_touching_its_pickle(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(pickle.dumps("replaced"))
    load_bundle(bundle)


def test_a_missing_folder_or_file_is_refused(bundle: Path) -> None:
    assert "manifest.json illisible" in refusal(bundle.parent / "20260101T000000Z-00000000")
    (bundle / "model.onnx").unlink()
    assert "model.onnx illisible" in refusal(bundle)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_a_manifest_that_is_not_one_is_refused(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text, encoding="utf-8")
    assert "non conforme" in refusal(bundle)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(threshold=1.5), "non conforme : threshold"),
        (lambda m: m.update(surplus=1), "non conforme : surplus"),
        (lambda m: m.pop("canaries"), "canaries manque, ce modèle vient d'un entraînement plus"),
        (lambda m: m.pop("background"), "entraînez-le de nouveau (model_training.py)"),
        (lambda m: m["canaries"][0].pop("values"), "non conforme : canaries.0.values."),
        (lambda m: m.update(background=[]), "lectures de référence"),
        (lambda m: m["background"][0].pop(), "lectures de référence"),
        (lambda m: m.update(background=[[500, 5, 2, 45]] * 51), "non conforme : background"),
        (lambda m: m.update(version="20260101T000000Z-00000000"), "manifeste est celui"),
        (lambda m: m.update(slot="trend"), "emplacement « trend »"),
        (lambda m: m["features"].pop(), "variables"),
        (lambda m: m["features"][0].update(name="pressure"), "variables"),
        (lambda m: m["files"].pop("model.onnx"), "model.onnx absent du manifeste"),
        (lambda m: m["files"]["model.onnx"].update(sha256="0" * 64), "empreinte"),
        (lambda m: m["canaries"][0].update(probability=0.123), "lectures témoins s'écartent"),
        (lambda m: m["canaries"][0].update(values=[1, 2]), "lecture témoin n'a pas toutes"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    bundle: Path, edit_manifest: Edit, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    edit_manifest(bundle.name, change)
    assert reason in refusal(bundle)


def test_one_flipped_byte_of_the_model_is_refused(bundle: Path) -> None:
    content = bytearray((bundle / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(content)
    assert "empreinte" in refusal(bundle)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x07"])
def test_a_file_that_is_no_model_is_refused(bundle: Path, content: bytes) -> None:
    replace_onnx(bundle, content)
    assert "n'est pas un modèle ONNX" in refusal(bundle)


def test_a_model_of_another_shape_is_refused(bundle: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    labels = np.arange(30)
    narrow = LogisticRegression().fit(rows[:, :3], labels % 2)
    replace_onnx(bundle, to_onnx(narrow, rows[:1, :3]).SerializeToString())
    assert "n'attend pas 4 colonnes" in refusal(bundle)
    three_classes = LogisticRegression().fit(rows, labels % 3)
    options = {"zipmap": False}
    replace_onnx(bundle, to_onnx(three_classes, rows[:1], options=options).SerializeToString())
    assert "probabilité de deux classes" in refusal(bundle)
    regression = LinearRegression().fit(rows, rows[:, 0])
    replace_onnx(bundle, to_onnx(regression, rows[:1]).SerializeToString())
    assert "probabilité de deux classes" in refusal(bundle)


def test_a_model_that_cannot_compute_is_refused(bundle: Path) -> None:
    """The declared output is a promise; this one breaks it at run time."""
    helper, kind = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["X", "shape"], ["probabilities"]),
        ],
        "broken",
        [helper.make_tensor_value_info("X", kind.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("probabilities", kind.FLOAT, [None, 2])],
        [helper.make_tensor("shape", kind.INT64, [2], [7, 2])],
    )
    opset = [helper.make_opsetid("", 13)]
    replace_onnx(
        bundle, helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    assert "ne peut pas calculer" in refusal(bundle)
