"""Measures the API against its peers for api.md: python docs/bench/api_peers.py [--only a,b].

Needs Linux with two cores or more, the root requirements, wrk, and for the peers the environments
that docs/bench/peers/api/environments.sh makes under --peers. Sections already measured stay in
api.json, from which the page is written, so that a section can be measured again alone; all of them
take about a quarter of an hour.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import requests
from api_parts import readings
from bench_page import Target, program_version
from http_clients import exactly, slow_clients
from http_servers import (
    HERE,
    PLATFORM,
    READING,
    Peer,
    Running,
    ours,
    running,
    wrk,
)
from measuring import say
from promoted import promoted_model
from sections import Found, Page, Section

PACKAGES: Final = ("Flask", "granian", "onnxruntime", "pydantic", "orjson", "prometheus_client")
PEER_PACKAGES: Final = {
    "fastapi": ("fastapi", "uvicorn"),
    "litserve": ("litserve",),
    "bentoml": ("bentoml",),
    "mlflow": ("mlflow",),
}
FIRST_PORT: Final = 27_000
SECONDS: Final = 4
CONSTANT, BARE = "a constant, same server", "a constant, granian alone"


class Bench(argparse.Namespace):
    """Where things go, where the peers' environments are, and how often each load is repeated."""

    work: Path
    peers: Path
    rounds: int
    seconds: int

    @property
    def bundle(self) -> Path:
        """Give the folder of the promoted model, trained the first time."""
        return Path(promoted_model(self.work))

    def program(self, peer: str, name: str) -> str:
        """Give a program of a peer's environment."""
        return str(self.peers / f"bench-{peer}" / "bin" / name)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen sections and write the page."""
    parser = PAGE.parser()
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each load")
    parser.add_argument("--peers", type=Path, default=Path("/opt"), help="of their environments")
    return PAGE.run(parser.parse_args(argv, Bench()))


# --- /predict -----------------------------------------------------------------------------------


def predict_peers(bench: Bench) -> list[Peer]:
    """Give everybody who answers /predict."""
    return [ours(bench.work), *constant_peers(), *onnx_peers(bench), *forest_peers(bench)]


def constant_peers() -> list[Peer]:
    """Give those who answer the same to everybody."""
    granian = [sys.executable, "-m", "granian", "--port", "{port}", "--log-level", "critical"]
    return [
        Peer(
            CONSTANT,
            [*granian, "--interface", "rsgi", "--http", "1", "--factory", "flask_constant:front"],
            environ={"PYTHONPATH": str(PLATFORM)},
            leaves_out="key, validation, model, metrics, request id, security headers",
        ),
        Peer(
            BARE,
            [*granian, "--interface", "wsgi", "--blocking-threads", "1", "flask_constant:app"],
            leaves_out="all of that, and the time-out of bodies",
        ),
    ]


def onnx_peers(bench: Bench) -> list[Peer]:
    """Give those who score with our ONNX file."""
    onnx = {"BENCH_ONNX": str(bench.bundle / "model.onnx")}
    return [
        Peer(
            "FastAPI + ONNX on uvicorn",
            [
                bench.program("fastapi", "uvicorn"),
                *("fastapi_onnx:app", "--port", "{port}", "--log-level", "critical"),
            ],
            environ=onnx,
            leaves_out="key, ranges, metrics, warnings, time-outs",
        ),
        Peer(
            "LitServe + ONNX",
            [bench.program("litserve", "python"), "litserve_onnx.py", "{port}"],
            environ=onnx,
            leaves_out="key, validation, metrics, warnings",
        ),
        Peer(
            "BentoML + ONNX",
            [
                bench.program("bentoml", "bentoml"),
                *("serve", "bentoml_onnx:Risk", "--port", "{port}", "--api-workers", "1"),
            ],
            environ=onnx | {"BENTOML_DO_NOT_TRACK": "True"},
            leaves_out="key, ranges, warnings; has metrics",
        ),
    ]


def forest_peers(bench: Bench) -> list[Peer]:
    """Give those who score with scikit-learn's forest."""
    values = [READING[name] for name in ("flow_rate", "pressure", "vibration", "temperature")]
    return [
        Peer(
            "mlflow models serve",
            [
                bench.program("mlflow", "mlflow"),
                *("models", "serve", "-m", str(bench.work / "mlflow"), "--env-manager", "local"),
                *("--port", "{port}", "--workers", "1"),
            ],
            path="/invocations",
            body={"inputs": [values]},
            environ={"PATH": f"{bench.peers / 'bench-mlflow' / 'bin'}:/usr/bin:/bin"},
            leaves_out="key, ranges, metrics, warnings; scikit-learn's forest",
        ),
        Peer(
            "pickle loaded for each request",
            [sys.executable, "pickle_each_time.py", "{port}"],
            environ={"BENCH_PICKLE": str(bench.bundle / "model.pkl")},
            leaves_out="key, validation, metrics; Flask's own server",
        ),
    ]


def measure_predict(bench: Bench) -> Found:
    """Load everybody in turn, as often as there are rounds."""
    saved = bench.work / "mlflow"
    shutil.rmtree(saved, ignore_errors=True)
    script = HERE / "peers" / "api" / "mlflow_model.py"
    python = bench.program("mlflow", "python")
    subprocess.run([python, script, bench.bundle / "model.pkl", saved], check=True)
    peers = predict_peers(bench)
    loads: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    with running(peers, FIRST_PORT) as servers:
        for number in range(1, bench.rounds + 1):
            for server in servers:
                server.resume()
                body = json.dumps(server.peer.body)
                wrk(server, body, 1)
                load = wrk(server, body, bench.seconds)
                server.pause()
                loads[server.peer.name].append(vars(load))
                say(f"  {number}/{bench.rounds} {server.peer.name}: {load}")
    versions = {
        package: version(bench.program(peer, "python"), package)
        for peer, packages in PEER_PACKAGES.items()
        for package in packages
    }
    left_out = {peer.name: peer.leaves_out for peer in peers}
    return {"loads": loads, "leaves_out": left_out, "versions": versions}


def version(python: str, package: str) -> str:
    """Give the version of a package in another environment."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def typical(found: Found, name: str, what: str = "requests_per_cpu_s") -> float:
    """Give the median over the rounds."""
    return float(median(load[what] for load in found["loads"][name]))


def loads_table(found: Found) -> str:
    """Tabulate the loads, with what each server leaves out."""
    lines = [
        "| | requests per second of processor time: median (least to most) | requests/s | p50, ms "
        "| p99, ms | leaves out |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, loads in found["loads"].items():
        rates = [load["requests_per_cpu_s"] for load in loads]
        lines.append(
            f"| {name} | **{median(rates):,.0f}** ({min(rates):,.0f} to {max(rates):,.0f}) "
            f"| {typical(found, name, 'requests_per_s'):,.0f} "
            f"| {typical(found, name, 'p50_ms'):.1f} | {typical(found, name, 'p99_ms'):.1f} "
            f"| {found.get('leaves_out', {}).get(name, '')} |"
        )
    versions = ", ".join(f"{name} {number}" for name, number in found.get("versions", {}).items())
    return "\n".join(lines) + (f"\n\n{versions}." if versions else "")


def predict_targets(found: Found) -> list[Target]:
    """Say what /predict must reach beside each peer."""

    def times(peer: str) -> float:
        ratios = [
            a["requests_per_cpu_s"] / b["requests_per_cpu_s"]
            for a, b in zip(found["loads"]["ours"], found["loads"][peer], strict=True)
        ]
        return float(median(ratios))

    bounds = {
        CONSTANT: 0.75,
        "FastAPI + ONNX on uvicorn": 1.2,
        "LitServe + ONNX": 6,
        "BentoML + ONNX": 12,
        "mlflow models serve": 40,
        "pickle loaded for each request": 100,
    }
    ours_and_constant = zip(found["loads"]["ours"], found["loads"][CONSTANT], strict=True)
    slowness = float(median(a["p99_ms"] / b["p99_ms"] for a, b in ours_and_constant))
    return [
        *(
            Target(f"requests, times those of: {peer}", times(peer), bound, at_most=False)
            for peer, bound in bounds.items()
        ),
        Target("p99 at 32 connections, of the constant's", slowness, 3, at_most=True),
    ]


# --- batch and explanation ----------------------------------------------------------------------

BATCH_ROWS: Final = 10_000


def measure_batch(bench: Bench) -> Found:
    """Send 10,000 readings of the simulator as one array, and single requests, in turn."""
    peer = ours(bench.work)
    bench.bundle  # noqa: B018 - trains it the first time
    batch = json.dumps(readings(BATCH_ROWS))
    loads: dict[str, list[dict[str, float]]] = {"one array": [], "single requests": []}
    with running([peer], FIRST_PORT) as (server,):
        server.resume()
        for _ in range(bench.rounds):
            whole = wrk(server, batch, bench.seconds, 1, "/batch")
            single = wrk(server, json.dumps(READING), bench.seconds)
            loads["one array"].append(vars(whole))
            loads["single requests"].append(vars(single))
    return {"loads": loads}


def batch_targets(found: Found) -> list[Target]:
    """Say how many rows per second a batch must reach."""
    rows = typical(found, "one array") * BATCH_ROWS
    single = typical(found, "single requests")
    return [
        Target("rows/s from body to answer", rows, 300_000, at_most=False, unit="rows/s"),
        Target("times the rows/s of single requests", rows / single, 20, at_most=False),
    ]


def measure_explain(bench: Bench) -> Found:
    """Ask for plain and for explained predictions in turn, one at a time."""
    peer = ours(bench.work)
    bench.bundle  # noqa: B018 - trains it the first time
    body = json.dumps(READING | {"vibration": 9, "temperature": 95})
    loads: dict[str, list[dict[str, float]]] = {"plain": [], "explained": []}
    with running([peer], FIRST_PORT) as (server,):
        server.resume()
        for _ in range(bench.rounds):
            loads["plain"].append(vars(wrk(server, body, bench.seconds, 1)))
            loads["explained"].append(vars(wrk(server, body, bench.seconds, 1, "?explain=1")))
    return {"loads": loads}


def explain_targets(found: Found) -> list[Target]:
    """Say how much longer an explanation may take."""
    longer = typical(found, "plain") / typical(found, "explained")
    return [Target("time, of a plain prediction's", longer, 50, at_most=True)]


# --- one more worker, start, exact counts, slow clients -----------------------------------------


def measure_workers(bench: Bench) -> Found:
    """Load one worker and two on the same two cores, which the client shares."""
    bench.bundle  # noqa: B018 - trains it the first time
    peers = [
        Peer(**(vars(ours(bench.work, API_WORKERS=str(count))) | {"name": name}))
        for count, name in ((1, "one worker"), (2, "two workers"))
    ]
    loads: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    memory: dict[str, list[float]] = {}
    with running(peers, FIRST_PORT, "0,1") as servers:
        for _ in range(bench.rounds):
            for server in servers:
                server.resume()
                wrk(server, json.dumps(READING), 1)
                load = wrk(server, json.dumps(READING), bench.seconds)
                memory[server.peer.name] = server.resident_mb()
                server.pause()
                loads[server.peer.name].append(vars(load))
                say(f"  {server.peer.name}: {load}")
    return {"loads": loads, "memory_mb": memory}


def workers_table(found: Found) -> str:
    """Tabulate the loads and the memory of each process."""
    memory = "\n".join(
        f"- {name}: {', '.join(f'{mb:.0f} MB' for mb in found['memory_mb'][name])}"
        for name in found["memory_mb"]
    )
    return f"{loads_table(found)}\n\nResident memory of each process after the load:\n\n{memory}"


def measure_start(bench: Bench) -> Found:
    """Start the server as often as there are rounds, until /ready answers 200."""
    bench.bundle  # noqa: B018 - trains it the first time
    starts, cpu, memory = [], [], []
    for _ in range(bench.rounds):
        server = Running(ours(bench.work), FIRST_PORT)
        answer = requests.get(f"http://127.0.0.1:{FIRST_PORT}/ready", timeout=30)
        starts.append(server.start_s)
        cpu.append(server.cpu_s())
        memory.append(server.resident_mb()[0])
        server.stop()
        if answer.status_code != 200:
            raise SystemExit(answer.text)
    return {"start_s": starts, "cpu_s": cpu, "worker_mb": memory}


def start_table(found: Found) -> str:
    """Tell the starts and the memory of the worker."""
    starts = ", ".join(f"{seconds:.2f}" for seconds in found["start_s"])
    cpu = ", ".join(f"{seconds:.2f}" for seconds in found["cpu_s"])
    memory = median(found["worker_mb"])
    return (
        f"Seconds by the clock: {starts}; of processor time, both processes together: {cpu}. "
        f"Resident memory of the worker once ready: {memory:.0f} MB."
    )


def start_targets(found: Found) -> list[Target]:
    """Say how soon a cold start must predict."""
    return [
        Target("slowest start, by the clock", max(found["start_s"]), 3, at_most=True, unit="s"),
        Target("slowest start, processor time", max(found["cpu_s"]), 3, at_most=True, unit="s"),
    ]


def measure_counts(bench: Bench) -> Found:
    """Send exactly 10,000 requests to one worker and to two."""
    bench.bundle  # noqa: B018 - trains it the first time
    found: Found = {"cases": {}}
    for workers in (1, 2):
        peer = ours(bench.work, API_WORKERS=str(workers))
        with running([peer], FIRST_PORT, "0,1") as (server,):
            server.resume()
            before = predictions()
            statuses = asyncio.run(exactly(FIRST_PORT, 200, 50))
            found["cases"][str(workers)] = {
                "statuses": {str(status): count for status, count in statuses.items()},
                "counter_rose_by": predictions() - before,
            }
    return found


def predictions() -> float:
    """Read the counter of predictions."""
    text = requests.get(f"http://127.0.0.1:{FIRST_PORT}/metrics", timeout=30).text
    line = next(line for line in text.splitlines() if line.startswith("api_predictions_total "))
    return float(line.split()[1])


def counts_table(found: Found) -> str:
    """Tabulate the statuses and the rise of the counter."""
    lines = ["| workers | answers by status | counter rose by |", "| --- | --- | --- |"]
    for workers, case in found["cases"].items():
        statuses = ", ".join(f"{status}: {n:,}" for status, n in case["statuses"].items())
        lines.append(f"| {workers} | {statuses} | {case['counter_rose_by']:,.0f} |")
    return "\n".join(lines)


def counts_targets(found: Found) -> list[Target]:
    """Say that nothing may be lost or counted twice."""
    targets = []
    for workers, case in found["cases"].items():
        missing = abs(10_000 - case["statuses"].get("200", 0))
        miscounted = abs(10_000 - case["counter_rose_by"])
        for text, value in (("not answered 200", missing), ("miscounted", miscounted)):
            name = f"{text}, workers: {workers}"
            targets.append(Target(name, value, 0, at_most=True, unit="requests"))
    return targets


SLOW_CLIENTS: Final = 300
SLOW_S: Final = 60
TIME_OUT_S: Final = 10
PATIENCE_S: Final = TIME_OUT_S + 2


def measure_slow(bench: Bench) -> Found:
    """Hold 300 slow clients for a minute while somebody else predicts."""
    bench.bundle  # noqa: B018 - trains it the first time
    with running([ours(bench.work)], FIRST_PORT) as (server,):
        server.resume()
        found = asyncio.run(slow_clients(FIRST_PORT, SLOW_CLIENTS, SLOW_S, PATIENCE_S))
    others = {str(status): count for status, count in found.others.items()}
    return vars(found) | {"others": others}


def slow_table(found: Found) -> str:
    """Tell how long slow connections lasted and what others got."""
    lasted, others = sorted(found["lasted_s"]), sorted(found["others_ms"])
    statuses = ", ".join(f"{status}: {count:,}" for status, count in found["others"].items())
    return (
        f"{len(lasted):,} slow connections were closed by the server, after "
        f"{lasted[0]:.1f} to {lasted[-1]:.1f} s (median {median(lasted):.1f} s); "
        f"{found['still_open']} outlived {PATIENCE_S} s. Predictions meanwhile, by status: "
        f"{statuses}; median {median(others):.1f} ms, slowest {others[-1]:.1f} ms."
    )


def slow_targets(found: Found) -> list[Target]:
    """Say how many must be closed in time, and that others are answered."""
    in_time = sum(seconds <= PATIENCE_S for seconds in found["lasted_s"])
    share = 100 * in_time / (len(found["lasted_s"]) + found["still_open"])
    refused = sum(count for status, count in found["others"].items() if status != "200")
    return [
        Target("slow connections closed in time", share, 95, at_most=False, unit="%"),
        Target("predictions not answered 200", refused, 0, at_most=True, unit="requests"),
    ]


INTRODUCTION: Final = """# The API against its peers

Made by `docs/bench/api_peers.py`; raw figures in `api.json`. Server and client are pinned to
separate cores, one worker each, 32 connections of wrk unless said otherwise. Contenders alternate
within one run, after a second of warm-up each time; whoever is not measured is stopped (SIGSTOP).
Ratios are the median of the ratios of each round. The peers' code is in `docs/bench/peers/api/`;
each has an environment of its own.

Other programs may share the machine. What a core gives is therefore told in requests per second of
processor time of all of the server's processes, of which the ratios are made; requests/s by the
clock and latencies stand beside them, and tell what was left to the bench."""

SECTIONS: Final[dict[str, Section]] = {
    "predict": Section(
        "/predict",
        "Ours checks the key, validates strictly, scores with ONNX, warns, counts, and logs one "
        "success of 1,000. All ONNX peers score with the same file, one thread.",
        measure_predict,
        loads_table,
        predict_targets,
    ),
    "batch": Section(
        "/predict/batch, 10,000 readings",
        "One connection sends the same 10,000 readings of the simulator again and again; single "
        "requests use 32 connections. [api_scoring.md](api_scoring.md) says where the time goes, "
        "and what NDJSON and CSV take.",
        measure_batch,
        loads_table,
        batch_targets,
    ),
    "explain": Section(
        "/predict?explain=1",
        "A critical reading, contributions and counterfactual included; one connection.",
        measure_explain,
        loads_table,
        explain_targets,
    ),
    "workers": Section(
        "One more worker",
        "Server and client share the same cores here: with two in all, the client takes its part.",
        measure_workers,
        workers_table,
    ),
    "start": Section(
        "Start to first prediction",
        "From the launch of `api/api.py` to the first answer 200 of /predict, a model being there.",
        measure_start,
        start_table,
        start_targets,
    ),
    "counts": Section(
        "200 connections, 50 requests each",
        "Every request is valid; the counter is read through /metrics before and after.",
        measure_counts,
        counts_table,
        counts_targets,
    ),
    "slow": Section(
        "300 slow clients for a minute",
        "A third stays in the head, a third in a body of 100 bytes, a third in one of 1 MB; each "
        "sends a byte per second with a valid key, and comes back as soon as it is closed. The "
        f"documented time-out is {TIME_OUT_S} s; two more seconds are allowed.",
        measure_slow,
        slow_table,
        slow_targets,
    ),
}
PAGE: Final = Page(
    "api", INTRODUCTION, PACKAGES, SECTIONS, lambda: f"{program_version(['wrk', '-v'])}."
)

if __name__ == "__main__":
    sys.exit(main())
