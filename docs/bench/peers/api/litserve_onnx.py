"""LitServe as its documentation writes it, with the same ONNX model: litserve_onnx.py PORT."""

import os
import sys

import litserve
import numpy as np
import onnxruntime as ort


class Risk(litserve.LitAPI):
    """Score one reading per request."""

    def setup(self, device: str) -> None:
        """Load the model."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["BENCH_ONNX"], options)

    def decode_request(self, request):
        """Take the four readings."""
        names = ("flow_rate", "pressure", "vibration", "temperature")
        return np.array([[request[name] for name in names]], dtype=np.float32)

    def predict(self, row):
        """Score."""
        return self.session.run(["probabilities"], {self.session.get_inputs()[0].name: row})[0]

    def encode_response(self, output):
        """Answer."""
        risk = float(output[0, 1])
        return {"critical_risk": int(risk > 0.05), "risk_probability": risk}


if __name__ == "__main__":
    server = litserve.LitServer(Risk(), accelerator="cpu", api_path="/predict")
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
