#!/bin/sh
# Makes the peers' environments: environments.sh FOLDER PYTHON
set -eu
make() { # NAME PACKAGE...
  name=$1
  shift
  "$python" -m venv "$folder/bench-$name"
  "$folder/bench-$name/bin/pip" install -q "$@"
}
folder=$1 python=$2
onnx="onnxruntime==1.32.0 numpy==2.4.6"
make fastapi fastapi uvicorn $onnx
make litserve litserve $onnx
make bentoml bentoml $onnx
make mlflow mlflow numpy==2.4.6 scikit-learn==1.9.1
