"""FastAPI as its documentation writes it, with the same ONNX model: uvicorn fastapi_onnx:app."""

import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["BENCH_ONNX"], options)
app = FastAPI()


class Reading(BaseModel):
    """The body of /predict."""

    loco_id: str
    flow_rate: float
    pressure: float
    vibration: float
    temperature: float


@app.post("/predict")
async def predict(reading: Reading) -> dict[str, float | int]:
    """Score one reading."""
    row = np.array(
        [[reading.flow_rate, reading.pressure, reading.vibration, reading.temperature]],
        dtype=np.float32,
    )
    risk = float(session.run(["probabilities"], {session.get_inputs()[0].name: row})[0][0, 1])
    return {"critical_risk": int(risk > 0.05), "risk_probability": risk}
