"""Pickled models: nothing but the classes of a calibrated forest is ever loaded from one."""

from __future__ import annotations

import io
import pickle
import zlib
from typing import Any, Final

from joblib.numpy_pickle import NumpyUnpickler
from sklearn.calibration import CalibratedClassifierCV

from pmd.errors import BundleRefused

ALLOWED: Final = frozenset(
    {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "scalar"),
        ("sklearn.calibration", "CalibratedClassifierCV"),
        ("sklearn.calibration", "_CalibratedClassifier"),
        ("sklearn.calibration", "_SigmoidCalibration"),
        ("sklearn.ensemble._forest", "RandomForestClassifier"),
        ("sklearn.tree._classes", "DecisionTreeClassifier"),
        ("sklearn.tree._tree", "Tree"),
    }
)
"""What the pickle of a model of ours names; a test dumps one and compares."""

_BROKEN: Final = (
    pickle.UnpicklingError, zlib.error, ArithmeticError, AttributeError, EOFError, LookupError,
    MemoryError, TypeError, ValueError,
)  # fmt: skip


class _CarefulUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib is untyped
    """Resolves the allowed names only, before any of them is called.

    `find_class` is where Python lets a program restrict what a pickle may reach; joblib asks it for
    the arrays of objects inside as well.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise BundleRefused(
                f"pickle refusé : il demande « {module}.{name} », qui n'est pas d'une forêt "
                "étalonnée. N'ouvrez pas ce fichier ; refaites le modèle avec model_training.py."
            )
        return super().find_class(module, name)


def load_model(content: bytes) -> CalibratedClassifierCV:
    """The calibrated forest in the bytes of a `model.pkl` or `.joblib` file.

    Raises `BundleRefused` before anything else could run, with the name of what the pickle asked.
    """
    try:
        plain = zlib.decompress(content) if content[:1] == b"\x78" else content
        model = _CarefulUnpickler("", io.BytesIO(plain), ensure_native_byte_order=False).load()
    except _BROKEN as error:
        raise BundleRefused("pickle illisible : ce n'est pas un modèle de PM-D.") from error
    if not isinstance(model, CalibratedClassifierCV):
        raise BundleRefused(
            f"pickle refusé : {type(model).__name__} au lieu d'une forêt étalonnée."
        )
    return model
