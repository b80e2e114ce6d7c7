"""The trained model as the platform serves it: exported to ONNX, run on one thread."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnxruntime
from joblib import Parallel, delayed
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV

Rows = NDArray[np.float32]

INPUT_NAME: Final = "readings"
OPSET: Final = {"": 18, "ai.onnx.ml": 3}
PIECE_ROWS: Final = 5_000


class OnnxModel:
    """An exported model, whose trees are added up on one thread: the same row, the same bits."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._input: str = self._session.get_inputs()[0].name

    @property
    def shape(self) -> tuple[int, int]:
        """How many features it takes and how many classes it tells apart."""
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        return self._session.get_inputs()[0].shape[-1], outputs["probabilities"][-1]

    def probabilities(self, values: Rows) -> NDArray[np.float64]:
        """Risk of each row of `values` (rows, features): float32 numbers, compared as float64.

        Many rows are asked for in pieces, on every core.
        """
        if len(values) <= PIECE_ROWS:
            return self._answer(values)
        pieces = np.array_split(values, -(-len(values) // PIECE_ROWS))
        ask = Parallel(n_jobs=-1, prefer="threads")
        return np.concatenate(ask(delayed(self._answer)(piece) for piece in pieces))

    def _answer(self, values: Rows) -> NDArray[np.float64]:
        (answer,) = self._session.run(["probabilities"], {self._input: values})
        return np.asarray(answer[:, 1], dtype=np.float64)


def export_onnx(model: CalibratedClassifierCV) -> bytes:
    """`model` as ONNX: input `readings` (rows, features) float32, output `probabilities`.

    The same model gives the same bytes.
    """
    onnx_model = convert_sklearn(
        model,
        name="risk",
        initial_types=[(INPUT_NAME, FloatTensorType([None, model.n_features_in_]))],
        options={"zipmap": False},
        target_opset=OPSET,
    )
    onnx_model.opset_import.sort(key=lambda opset: opset.domain)  # the converter's order varies
    return bytes(onnx_model.SerializeToString(deterministic=True))
