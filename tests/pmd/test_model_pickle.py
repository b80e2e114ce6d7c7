import io
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

from pmd.errors import BundleRefused
from pmd.model_pickle import ALLOWED, _CarefulUnpickler, load_model
from pmd.training import Trained


def dumped(value: object, compress: int = 3) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    return buffer.getvalue()


class Trap:
    """An object whose pickle runs a command when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self._command = f"echo caught > {marker}"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


@pytest.mark.parametrize("compress", [0, 3])
def test_a_model_of_ours_is_loaded_whole(trained: Trained, compress: int) -> None:
    loaded = load_model(dumped(trained.model, compress))
    assert isinstance(loaded, CalibratedClassifierCV)
    rows = trained.probes[:100]
    assert (loaded.predict_proba(rows) == trained.model.predict_proba(rows)).all()


def test_no_name_is_allowed_that_a_model_does_not_need(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set()
    careful = _CarefulUnpickler.find_class

    def noting(self: object, module: str, name: str) -> object:
        asked.add((module, name))
        return careful(self, module, name)  # type: ignore[arg-type]

    monkeypatch.setattr(_CarefulUnpickler, "find_class", noting)
    load_model(dumped(trained.model))
    assert asked == ALLOWED


SYSTEM = rf"« {os.system.__module__}\.system »"


@pytest.mark.parametrize(
    ("hidden", "asked"),
    [
        ("alone", SYSTEM),
        ("in a list", SYSTEM),
        ("in a model", SYSTEM),
        ("in an array of objects", r"« numpy.*_reconstruct »"),
    ],
)
def test_a_pickle_that_would_run_a_command_is_refused_by_name(
    trained: Trained, tmp_path: Path, hidden: str, asked: str
) -> None:
    marker = tmp_path / "marker"
    trap: Any = Trap(marker)
    array = np.array([trap, 1], dtype=object)
    other = CalibratedClassifierCV()
    other.calibrated_classifiers_ = [trap]
    content = {
        "alone": trap, "in a list": [1, trap], "in an array of objects": array, "in a model": other,
    }[hidden]  # fmt: skip
    with pytest.raises(BundleRefused, match=asked):
        load_model(dumped(content))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("protocol", "asked"),
    [(0, "_reconstructor"), (2, "LogisticRegression"), (5, "LogisticRegress")],
)
def test_a_plain_pickle_of_another_class_is_refused_by_name(protocol: int, asked: str) -> None:
    with pytest.raises(BundleRefused, match=asked):
        load_model(zlib.compress(pickle.dumps(LogisticRegression(), protocol)))


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x78garbage", pickle.dumps([1, 2])[:-1], b"\x80\x05Q.", b"(lp0\n0."]
)
def test_what_is_no_pickle_is_refused(content: bytes) -> None:
    with pytest.raises(BundleRefused, match="illisible"):
        load_model(content)


def test_another_object_is_refused() -> None:
    with pytest.raises(BundleRefused, match="list au lieu d'une forêt"):
        load_model(dumped([1, 2]))
