"""Times explanations and batches and writes api_scoring.md: python docs/bench/api_scoring.py.

Needs the root requirements. A model is made first in a temporary folder unless --models names a
registry. Every round asks each contender in turn, in this process: a request goes through the whole
application (key, checks, model, metrics, answer) and through no socket. Times are those that the
processor spends on this process, which other programs of the machine change least.
"""

import argparse
import io
import json
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from api_parts import readings, served_parts
from bench_page import Target, machine, targets_table
from loguru import logger
from measuring import HERE

from cidp.http_api import app_of

KEY: Final = "cle-du-banc-de-calcul"
ROWS: Final = 10_000
SINGLES: Final = 200
DANGER: Final = {"vibration": 7.0, "temperature": 85.0}
FIELDS: Final = ("flow_rate", "pressure", "vibration", "temperature")


def asker(app: Any, path: str, body: bytes, kind: str, query: str = "") -> Callable[[], None]:
    """Return a call that sends one request straight to the application."""
    base = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "5000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:5000",
        "HTTP_X_API_KEY": KEY,
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }

    def ask() -> None:
        said: list[str] = []
        answer = app(
            base | {"wsgi.input": io.BytesIO(body)}, lambda status, *_: said.append(status)
        )
        for _ in answer:
            pass
        if said != ["200 OK"]:
            raise RuntimeError(f"{path}: {said}")

    return ask


def contenders(app: Any, rows: list[dict[str, Any]]) -> dict[str, tuple[Callable[[], None], int]]:
    """Return each contender's call and how often a round repeats it."""
    danger = json.dumps(rows[0] | DANGER).encode()
    nominal = json.dumps(rows[0]).encode()
    table = "\n".join(",".join(map(str, row.values())) for row in rows)
    header = ",".join(("loco_id", *FIELDS))
    plain, batch = "/predict", "/predict/batch"
    kind = "application/json"
    lines = "\n".join(map(json.dumps, rows)).encode()
    return {
        "predict": (asker(app, plain, danger, kind), SINGLES),
        "explained, danger": (asker(app, plain, danger, kind, "explain=1"), 20),
        "explained, nominal": (asker(app, plain, nominal, kind, "explain=1"), 20),
        "batch, JSON": (asker(app, batch, json.dumps(rows).encode(), kind), 1),
        "batch, NDJSON": (asker(app, batch, lines, "application/x-ndjson"), 1),
        "batch, CSV": (asker(app, batch, f"{header}\n{table}".encode(), "text/csv"), 1),
    }


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="registry with a promoted model")
    parser.add_argument("--rounds", type=int, default=15)
    flags = parser.parse_args()
    logger.remove()
    with TemporaryDirectory() as folder, served_parts(Path(folder), flags.models, KEY) as parts:
        asked = contenders(app_of(parts), readings(ROWS))
        took: dict[str, list[float]] = {name: [] for name in [*asked, "model alone"]}
        values = [[row[name] for name in FIELDS] for row in readings(ROWS)]
        for _ in range(flags.rounds):
            for name, (ask, times) in asked.items():
                began_s = time.process_time()
                for _ in range(times):
                    ask()
                took[name].append((time.process_time() - began_s) / times)
            began_s = time.process_time()
            parts.model.scorer().risks(_matrix(values))
            took["model alone"].append(time.process_time() - began_s)
    (HERE / "api_scoring.md").write_text(page(took), encoding="utf-8")
    return 0


def _matrix(values: list[list[float]]) -> Any:
    import numpy as np

    return np.array(values)


def page(took: dict[str, list[float]]) -> str:
    """Write the figures as a page."""
    typical = {name: median(times) for name, times in took.items()}
    single = typical["predict"]
    share = 100 * typical["model alone"] / typical["batch, JSON"]
    bound = round(ROWS / typical["model alone"], -3)
    targets = [
        Target(
            "explained, danger, to a prediction", typical["explained, danger"] / single, 50, True
        ),
        Target(
            "batch, JSON, thousands of rows a second",
            ROWS / typical["batch, JSON"] / 1000,
            300,
            False,
            "k/s",
        ),
    ]
    lines = "\n".join(
        f"| {name} | {typical[name] * 1000:.3f} | {min(times) * 1000:.3f} "
        f"| {max(times) * 1000:.3f} | {len(times)} |"
        for name, times in took.items()
    )
    return f"""# Explanations and batches

Made by `python docs/bench/api_scoring.py` on {date.today():%Y-%m-%d}.
{machine(("Flask", "msgspec", "numpy", "onnxruntime", "orjson"))}

Requests through the whole application in one process and on one thread, without a socket; rounds
alternate. Times are processor times. The batch is of {ROWS:,} readings of the simulator, and `model
alone` is ONNX Runtime on the same rows: it takes {share:.0f} % of the time of a JSON batch, and
bounds any answer to {bound:,.0f} rows a second.

| | median, ms | least | most | rounds |
| --- | --- | --- | --- | --- |
{lines}

{targets_table(targets)}
"""


if __name__ == "__main__":
    sys.exit(main())
