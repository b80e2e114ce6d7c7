#!/bin/sh
# Makes the environments of the stream's peers: streams_environments.sh FOLDER PYTHON
set -eu
folder=$1 python=$2
here=$(cd "$(dirname "$0")" && pwd)
# The peers store with the platform's own code, and bring their own Kafka client and pydantic.
platform=$(grep -Ev '^(#|pydantic==)' "$here/../../../Camrail-Industrial-Data-Platform/requirements-api.txt")
make() { # NAME PACKAGE...
  name=$1
  shift
  "$python" -m venv "$folder/bench-$name"
  # shellcheck disable=SC2086
  "$folder/bench-$name/bin/pip" install -q $platform "$@"
}
make quix quixstreams==3.28.1
make faststream 'faststream[confluent]==0.7.8'
make one-by-one pydantic==2.14.3 pandas==3.1.1 SQLAlchemy==2.1.9 confluent-kafka==2.16.1
