"""The pickle opened for each request, on Flask's own server: pickle_each_time.py PORT."""

import os
import sys

import joblib
import pandas as pd
from flask import Flask, jsonify, request

app = Flask(__name__)


@app.post("/predict")
def predict():
    """Load, score, answer."""
    sent = request.get_json()
    model = joblib.load(os.environ["BENCH_PICKLE"])
    names = ["flow_rate", "pressure", "vibration", "temperature"]
    risk = float(model.predict_proba(pd.DataFrame([{name: sent[name] for name in names}]))[0, 1])
    return jsonify({"critical_risk": int(risk > 0.05), "risk_probability": risk})


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]))
