"""BentoML as its documentation writes it, same ONNX model: bentoml serve bentoml_onnx:Risk."""

import os

import bentoml
import numpy as np
import onnxruntime as ort


@bentoml.service
class Risk:
    """Score one reading per request."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["BENCH_ONNX"], options)

    @bentoml.api
    def predict(
        self,
        loco_id: str,
        flow_rate: float,
        pressure: float,
        vibration: float,
        temperature: float,
    ) -> dict:
        """Score."""
        row = np.array([[flow_rate, pressure, vibration, temperature]], dtype=np.float32)
        output = self.session.run(["probabilities"], {self.session.get_inputs()[0].name: row})[0]
        risk = float(output[0, 1])
        return {"critical_risk": int(risk > 0.05), "risk_probability": risk}
