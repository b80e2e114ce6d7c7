import copy
import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import joblib
import jsonschema
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV

from pmd.errors import InexactExport, UnusableFile
from pmd.model_bundle import (
    OPERATING_POINTS,
    Bundle,
    check_export,
    write_bundle,
)
from pmd.replication import Range, Replicas
from pmd.served_model import OnnxModel
from pmd.training import Trained

CONTRACT = Path(__file__).parents[2] / "docs/contracts/bundle-manifest.schema.json"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("models")
    return write_bundle(trained, folder / "bundles", folder / "rf.joblib", NOON)


def test_the_manifest_keeps_the_contract(bundle: Bundle) -> None:
    schema = json.loads(CONTRACT.read_text(encoding="utf-8"))
    written = json.loads((bundle.folder / "manifest.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(written)
    assert written == bundle.manifest.model_dump(mode="json")


def test_the_version_is_the_time_and_the_digest_of_the_onnx(
    bundle: Bundle, trained: Trained
) -> None:
    digest = hashlib.sha256(trained.served.content).hexdigest()
    assert bundle.manifest.version == f"20260301T120000Z-{digest[:8]}" == bundle.folder.name
    assert bundle.manifest.files["model.onnx"].sha256 == digest


def test_the_folder_holds_what_the_manifest_says_and_nothing_else(bundle: Bundle) -> None:
    assert {path.name for path in bundle.folder.iterdir()} == {
        "manifest.json", "model.onnx", "model.pkl",
    }  # fmt: skip
    for name, file in bundle.manifest.files.items():
        content = (bundle.folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    assert [path.name for path in bundle.folder.parent.iterdir()] == [bundle.folder.name]


def test_the_pickle_is_the_source_of_the_onnx(bundle: Bundle, trained: Trained) -> None:
    model_file = bundle.folder.parent.parent / "rf.joblib"
    assert model_file.read_bytes() == (bundle.folder / "model.pkl").read_bytes()
    model = joblib.load(model_file)
    assert isinstance(model, CalibratedClassifierCV)
    rows = np.array(OPERATING_POINTS, dtype=np.float32)
    assert model.predict_proba(rows)[:, 1] == pytest.approx(
        trained.served.probabilities(rows), abs=1e-6
    )


def test_canaries_are_what_the_onnx_answers_from_nominal_to_danger(bundle: Bundle) -> None:
    canaries = bundle.manifest.canaries
    rows = np.array([canary.values for canary in canaries], dtype=np.float32)
    answers = OnnxModel((bundle.folder / "model.onnx").read_bytes()).probabilities(rows)
    assert [canary.probability for canary in canaries] == answers.tolist()
    assert len(canaries) >= 8
    assert canaries[0].values == [500, 5, 2, 45]
    decisions = {canary.probability > bundle.manifest.threshold for canary in canaries}
    assert decisions == {True, False}


def test_features_carry_unit_sign_and_training_range(bundle: Bundle, trained: Trained) -> None:
    features = bundle.manifest.features
    assert [(f.name, f.unit, f.monotone) for f in features] == [
        ("flow_rate", "L/min", -1), ("pressure", "bar", 0), ("vibration", "mm/s", 1),
        ("temperature", "°C", 1),
    ]  # fmt: skip
    values = trained.table.values[trained.split.train]
    assert [f.minimum for f in features] == values.min(axis=0).tolist()
    assert [f.maximum for f in features] == values.max(axis=0).tolist()


def test_the_background_is_training_rows_with_their_share_of_failures(
    bundle: Bundle, trained: Trained
) -> None:
    known = {tuple(row) for row in trained.table.values[trained.split.train].tolist()}
    background = [tuple(row) for row in bundle.manifest.background]
    assert len(background) == 50
    assert set(background) <= known


def test_data_window_and_held_out_part_are_told(bundle: Bundle, trained: Trained) -> None:
    manifest = bundle.manifest
    assert [data.name for data in manifest.data] == ["sensors.csv", "maintenance.csv"]
    for data, source in zip(manifest.data, trained.table.sources, strict=True):
        assert data.sha256 == hashlib.sha256(source.path.read_bytes()).hexdigest()
        assert data.rows == source.path.read_text(encoding="utf-8").count("\n") - 1
    assert manifest.training_window is not None
    assert manifest.training_window.start < manifest.training_window.end
    assert manifest.held_out.groups == 8
    assert manifest.held_out.rows == len(trained.split.test)
    assert manifest.metrics == trained.judgement.metrics


def test_the_bundle_tells_the_distributions_that_drift_is_measured_against(
    bundle: Bundle, trained: Trained
) -> None:
    values = trained.table.values[trained.split.train]
    columns = [*values.astype(np.float64).T, trained.served.probabilities(values)]
    told = [feature.reference for feature in bundle.manifest.features]
    for column, reference in zip(columns, [*told, bundle.manifest.risk_reference], strict=True):
        below = [float(np.mean(column <= edge)) for edge in reference.edges]
        assert np.cumsum(reference.shares)[:-1] == pytest.approx(below)
        assert len(reference.shares) >= 5


def test_settings_seeds_and_intervals_are_told(trained: Trained, tmp_path: Path) -> None:
    replicas = Replicas((42, 43), {"model": {"f1": Range(0.7, 0.6, 0.8)}})
    manifest = write_bundle(
        trained, tmp_path / "b", tmp_path / "rf.joblib", NOON, replicas
    ).manifest
    assert manifest.parameters == trained.settings._asdict()
    assert (manifest.trials, manifest.seed, manifest.seeds) == (1, 42, [42, 43])
    assert manifest.intervals["model"]["f1"].model_dump() == {"mean": 0.7, "low": 0.6, "high": 0.8}


def test_a_second_bundle_of_the_same_second_gets_the_next_one(
    trained: Trained, tmp_path: Path
) -> None:
    first, second = (
        write_bundle(trained, tmp_path / "b", tmp_path / "rf.joblib", NOON) for _ in range(2)
    )
    assert first.folder != second.folder
    assert second.folder.name.startswith("20260301T120001Z-")
    first_onnx, second_onnx = (
        (bundle.folder / "model.onnx").read_bytes() for bundle in (first, second)
    )
    assert first_onnx == second_onnx


def test_an_export_that_decides_otherwise_is_refused(trained: Trained) -> None:
    expected = trained.model.predict_proba(trained.probes)[:, 1]
    answered = trained.served.probabilities(trained.probes)
    apart = int(np.argmax(np.abs(expected - answered)))
    between = float((expected[apart] + answered[apart]) / 2)
    with pytest.raises(InexactExport, match=r"[1-9]\d* décisions différentes"):
        check_export(dataclasses.replace(trained, threshold=between))


def test_an_export_of_another_model_is_refused_and_nothing_is_written(
    trained: Trained, tmp_path: Path
) -> None:
    other = dataclasses.replace(trained, model=_less_sure(trained.model))
    with pytest.raises(InexactExport, match="export ONNX inexact"):
        write_bundle(other, tmp_path / "b", tmp_path / "rf.joblib", NOON)
    assert list(tmp_path.iterdir()) == []


def _less_sure(model: CalibratedClassifierCV) -> CalibratedClassifierCV:
    """A copy whose calibration is shifted."""
    shifted = copy.deepcopy(model)
    shifted.calibrated_classifiers_[0].calibrators[0].b_ += 0.5
    return shifted


def test_a_model_file_that_cannot_be_written_leaves_no_bundle_either(
    trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UnusableFile, match=r"rf\.joblib"):
        write_bundle(trained, tmp_path / "b", tmp_path / "file" / "rf.joblib", NOON)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(trained: Trained, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    with pytest.raises(UnusableFile, match="--bundles"):
        write_bundle(trained, blocked / "b", tmp_path / "rf.joblib", NOON)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
