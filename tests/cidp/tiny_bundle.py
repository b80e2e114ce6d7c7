"""A real bundle of four coefficients, made in a moment."""

import hashlib
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

FEATURES = [
    ("flow_rate", "L/min", -1, 300.0, 700.0),
    ("pressure", "bar", 0, 2.0, 9.0),
    ("vibration", "mm/s", 1, 0.0, 20.0),
    ("temperature", "°C", 1, 20.0, 130.0),
]


def digest(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def write_bundle(folder: Path, seed: int = 0, threshold: float = 0.5) -> str:
    """Train four coefficients, write a conforming bundle under `folder`, return its version."""
    rng = np.random.default_rng(seed)
    low = [feature[3] for feature in FEATURES]
    high = [feature[4] for feature in FEATURES]
    rows = rng.uniform(low, high, size=(400, 4)).astype(np.float32)
    failing = (rows[:, 2] / 6.5 + rows[:, 3] / 80 > 1.8).astype(int)
    model = LogisticRegression(C=0.05, max_iter=2000).fit(rows, failing)
    onnx = to_onnx(model, rows[:1], options={"zipmap": False}).SerializeToString()
    version = f"20260301T1200{seed:02d}Z-{hashlib.sha256(onnx).hexdigest()[:8]}"
    bundle = folder / version
    bundle.mkdir(parents=True)
    (bundle / "model.onnx").write_bytes(onnx)
    joblib.dump(model, bundle / "model.pkl")
    manifest = {
        "schema_version": 1,
        "slot": "instant",
        "version": version,
        "created_at": "2026-03-01T12:00:00Z",
        "target": "failure",
        "horizon_hours": 24,
        "features": [
            {
                "name": name,
                "unit": unit,
                "monotone": sign,
                "minimum": lo,
                "maximum": hi,
                "reference": {"edges": [(lo + hi) / 2], "shares": [0.5, 0.5]},
            }
            for name, unit, sign, lo, hi in FEATURES
        ],
        "threshold": threshold,
        "cost_miss": 5,
        "cost_false_alarm": 1,
        "metrics": {
            "model": {"f1": 0.9, "average_precision": 0.95},
            "never_fails": {"f1": 0.0, "average_precision": None},
            "single_threshold": {"f1": 0.6, "average_precision": 0.5},
        },
        "out_of_fold": {"f1": 0.9, "average_precision": 0.95},
        "per_group": {},
        "per_failure_type": {},
        "importance": {},
        "held_out": {"rows": 100, "positives": 40, "groups": 4, "split": "locomotives"},
        "training_window": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
        "data": [{"name": "sensors.csv", "sha256": "0" * 64, "rows": 400}],
        "files": {name: digest(bundle / name) for name in ("model.onnx", "model.pkl")},
        "libraries": {"scikit-learn": "1.9"},
        "seed": seed,
        "seeds": [seed],
        "intervals": {},
        "trials": 1,
        "parameters": {"C": 0.05},
        "risk_reference": {"edges": [0.5], "shares": [0.5, 0.5]},
        "canaries": [
            {"values": row.tolist(), "probability": float(risk)}
            for row, risk in zip(rows[:5], onnx_risks(onnx, rows[:5]), strict=True)
        ],
        "background": rows[:3].tolist(),
    }
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return version


def onnx_risks(onnx: bytes, rows: np.ndarray[Any, Any]) -> list[float]:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx)
    risks: list[float] = session.run(["probabilities"], {"X": rows})[0][:, 1].tolist()
    return risks
