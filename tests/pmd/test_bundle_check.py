import hashlib
import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from pmd.bundle_check import check_bundle, read_served, rival
from pmd.calibration import calibrated
from pmd.errors import BundleRefused
from pmd.forests import default_settings
from pmd.model_bundle import write_bundle
from pmd.training import Trained

ROWS = 2000


@pytest.fixture(scope="module")
def written(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return write_bundle(trained, folder / "bundles", folder / "rf.joblib", now).folder


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / written.name))


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def replace(bundle: Path, name: str, content: bytes) -> None:
    """Put another file in the bundle, vouched for by the manifest."""
    (bundle / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit(bundle, lambda manifest: manifest["files"][name].update(sha256=digest))


def refused(bundle: Path, reason: str) -> None:
    with pytest.raises(BundleRefused, match=reason):
        check_bundle(bundle, ROWS)


def test_a_bundle_as_written_agrees_on_drawn_rows(bundle: Path) -> None:
    found = check_bundle(bundle, 20_000)
    assert (found.rows, found.manifest.version) == (20_000, bundle.name)
    assert found.gap <= 1e-6


@pytest.mark.parametrize("name", ["model.onnx", "model.pkl"])
def test_a_flipped_byte_is_refused(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    refused(bundle, rf"Lot {bundle.name} refusé : {name} ne correspond pas à l'empreinte")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m["features"].pop(), "4 variables et 2 classes ; attendu 3 et 2"),
        (lambda m: m.update(surplus=1), "non conforme : surplus"),
        (lambda m: m.update(threshold=7), "non conforme : threshold"),
        (lambda m: m.update(version="20260101T000000Z-00000000"), "manifeste est celui"),
        (lambda m: m["files"].pop("model.pkl"), "model.pkl absent du manifeste"),
        (lambda m: m["canaries"][0].update(probability=0.5), "lignes témoins s'écartent"),
        (lambda m: m["canaries"][0]["values"].pop(), "ligne témoin n'a pas toutes"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    bundle: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    edit(bundle, change)
    refused(bundle, reason)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "model.pkl").unlink()
    refused(bundle, "model.pkl illisible")
    (bundle / "manifest.json").unlink()
    refused(bundle, "manifest.json illisible")


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_what_is_no_onnx_model_is_refused(bundle: Path, content: bytes) -> None:
    replace(bundle, "model.onnx", content)
    refused(bundle, "n'est pas un modèle ONNX")


def test_an_onnx_model_of_another_class_count_is_refused(bundle: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    three = LogisticRegression().fit(rows, np.arange(30) % 3)
    content = to_onnx(three, rows[:1], options={"zipmap": False}).SerializeToString()
    replace(bundle, "model.onnx", content)
    refused(bundle, "4 variables et 3 classes ; attendu 4 et 2")


def pickled(features: int, classes: int, seed: int = 1) -> bytes:
    """Another forest than that of the ONNX."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(300, features)).astype(np.float32)
    labels = rng.integers(classes, size=300)
    forest = default_settings(300).forest((0,) * features, 1).fit(rows, labels)
    model = calibrated(forest, forest.predict_proba(rows)[:, 1], (labels > 0).astype(int))
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=3)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("features", "classes", "reason"),
    [
        (3, 2, r"model\.pkl a 3 variables"),
        (4, 2, "ONNX et scikit-learn s'écartent"),
    ],
)
def test_another_pickled_model_is_refused(
    bundle: Path, features: int, classes: int, reason: str
) -> None:
    replace(bundle, "model.pkl", pickled(features, classes))
    refused(bundle, reason)


def test_a_pickle_of_something_else_is_refused(bundle: Path) -> None:
    buffer = io.BytesIO()
    joblib.dump(LogisticRegression(), buffer)
    replace(bundle, "model.pkl", buffer.getvalue())
    refused(bundle, "LogisticRegression")


def test_a_rival_answers_whatever_the_order_of_the_columns(bundle: Path, trained: Trained) -> None:
    served, values = read_served(bundle), trained.table.values[:500]
    features = trained.table.columns.features
    expected = rival(served, features)(values)
    turned = rival(served, features[::-1])(values[:, ::-1])
    assert np.array_equal(expected.scores, trained.served.probabilities(values))
    assert np.array_equal(expected.alarms, expected.scores > trained.threshold)
    assert np.array_equal(turned.scores, expected.scores)


def test_a_rival_that_needs_other_columns_is_refused(bundle: Path) -> None:
    with pytest.raises(BundleRefused, match=r"\['pressure'\] manquent à cette table"):
        rival(read_served(bundle), ("flow_rate", "vibration", "temperature"))
