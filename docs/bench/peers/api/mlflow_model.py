"""Saves the same forest for `mlflow models serve`: mlflow_model.py PICKLE FOLDER."""

import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(
        joblib.load(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle"
    )
