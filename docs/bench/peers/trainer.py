"""The trainer's own commands, run as a command line runs them, and its forest fitted bare."""

import json
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from feature_totals import totals

# What the first two commands load late, so that the clock covers their job alone.
import pmd.arrow_files
import pmd.history
import pmd.processing
from pmd.cli import generate, process, train


def simulate(output: str, maintenance: str, options: list[str]) -> dict[str, Any]:
    """`data_generator.py`: its counts, and what it prints of its speed."""
    places = ["--output", output, "--maintenance", maintenance]
    said = StringIO()
    told = _command(generate.main, [*places, *options], said)
    speed = next(line for line in said.getvalue().splitlines() if "seconde" in line)
    return _counts(told) | {"said": speed}


def simulate_nothing_written(locos: int, days: float, step_minutes: int, seed: int) -> int:
    """The same readings, made and let go."""
    from datetime import UTC, datetime

    end = datetime(2026, 1, 1, tzinfo=UTC)
    plan = pmd.history.HistoryPlan(locos, days, step_minutes, seed, end)
    return sum(part.num_rows for part in pmd.history.Simulation(plan).telemetry())


def processed(raw: str, output: str, until: str, options: list[str]) -> dict[str, Any]:
    """`data_processing.py`: its account of the rows."""
    places = ["--input", raw, "--output", output, "--rejects", f"{output}.rejects.csv"]
    return _counts(_command(process.main, [*places, *options], StringIO()))


def trained(table: str, folder: str, options: list[str]) -> dict[str, Any]:
    """`model_training.py`: seconds of each step, by the wall and by all cores; settings."""
    places = ["--bundles", f"{folder}/bundles", "--model-file", f"{folder}/model.joblib"]
    clock = _Steps()
    told = _command(train.main, ["--input", table, *places, "--progress", "json", *options], clock)
    clock.lap("end")
    manifest = told["manifest"]
    return {
        "laps": clock.laps,
        "bundle": told["bundle"],
        "parameters": manifest["parameters"],
        "monotone": [item["monotone"] for item in manifest["features"]],
        "held_out_rows": manifest["held_out"]["rows"],
        "average_precision": manifest["metrics"]["model"]["average_precision"],
    }


def fitted(
    rows: str, parameters: dict[str, Any], monotone: list[int], cores: int
) -> dict[str, float]:
    """`RandomForestClassifier.fit` alone, of the same settings on the same rows: its seconds."""
    from sklearn.ensemble import RandomForestClassifier

    with np.load(rows) as stored:
        values, labels = stored["values"], stored["labels"]
    forest = RandomForestClassifier(
        **parameters, monotonic_cst=monotone, random_state=42, n_jobs=cores
    )
    before_s, before_cpu_s = time.perf_counter(), time.process_time()
    forest.fit(values, labels)
    return {
        "wall_s": time.perf_counter() - before_s,
        "cpu_s": time.process_time() - before_cpu_s,
    }


def learning_rows(table: str, rows: str) -> int:
    """Write the rows that `model_training.py` learns from, for `fitted`."""
    from datetime import UTC, datetime

    from pmd.sensors import SENSOR_NAMES
    from pmd.split import split_rows
    from pmd.training_table import Columns, telemetry_table

    columns = Columns(SENSOR_NAMES, "failure", None, None, (-1, 0, 1, 1))
    known = telemetry_table(Path(table), None, 24.0, columns, datetime.now(UTC))
    mine = split_rows(known.labels, known.groups, known.hours, 24.0, 42).train
    np.savez(rows, values=known.values[mine], labels=known.labels[mine])
    return len(mine)


def learned_from_few(table: str, slot: str, few: int, seed: int, output: str) -> int:
    """Learn, calibrate as `model_training.py` does, from the first two thirds of the time of `few`
    locomotives; write what the model says of all the rest, and give how many rows it learned from.

    `output` holds `risks`, `labels`, `locos`, and whether a row is `late` (of the last third) and
    `known` (of the locomotives learned from).
    """
    from datetime import UTC, datetime

    from pmd.calibration import calibrated
    from pmd.features import BY_FEATURE
    from pmd.forests import default_settings
    from pmd.search import Learning
    from pmd.sensors import BY_NAME
    from pmd.split import folds
    from pmd.training import FOLDS
    from pmd.training_table import Columns, telemetry_table

    recipes = dict(BY_NAME) | (BY_FEATURE if slot == "trend" else {})
    signs = tuple(recipe.monotone for recipe in recipes.values())
    columns = Columns(tuple(recipes), "failure", None, None, signs, slot=slot)
    rows = telemetry_table(Path(table), None, 24.0, columns, datetime.now(UTC))
    locos = rows.groups.astype(str)
    chosen = np.random.default_rng(seed).permutation(np.unique(locos))[:few]
    known, hours = np.isin(locos, chosen), rows.hours
    cut = hours.min() + (hours.max() - hours.min()) * 2 / 3
    late, early = hours >= cut, hours < cut - rows.horizon_hours
    mine, asked = np.flatnonzero(known & early), np.flatnonzero(late | (early & ~known))
    labels = rows.labels[mine]
    parts = folds(labels, rows.groups[mine], hours[mine], FOLDS, seed)
    learning = Learning(rows.values[mine], labels, parts)
    forest = default_settings(len(mine)).forest(signs, seed)
    model = calibrated(learning.fitted(forest), learning.out_of_fold(forest), labels)
    np.savez_compressed(
        output,
        risks=model.predict_proba(rows.values[asked])[:, 1],
        labels=rows.labels[asked],
        locos=locos[asked],
        late=late[asked],
        known=known[asked],
    )
    return len(mine)


def scored(bundle: str, rounds: int) -> dict[str, Any]:
    """Seconds of a processor for one call, ONNX and scikit-learn in turns, by number of rows."""
    import onnxruntime

    from pmd.model_pickle import load_model

    folder = Path(bundle)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # as the platform serves
    session = onnxruntime.InferenceSession(folder / "model.onnx", options)
    model = load_model((folder / "model.pkl").read_bytes())
    rng = np.random.default_rng(5)
    rows = rng.uniform([200, 1, 0.5, 20], [800, 10, 15, 120], (10_000, 4)).astype(np.float32)
    return {
        str(count): _compared(
            lambda some: session.run(["probabilities"], {"readings": some})[0],
            model.predict_proba,
            rows[:count],
            calls,
            rounds,
        )
        for count, calls in ((1, 200), (10_000, 5))
    }


def _compared(
    onnx: Callable[[Any], Any], other: Callable[[Any], Any], rows: Any, calls: int, rounds: int
) -> dict[str, float]:
    """Median seconds of a call over the rounds, and the largest gap of the answers."""
    taken: dict[str, list[float]] = {"onnx": [], "scikit-learn": []}
    for _ in range(rounds):
        taken["onnx"].append(_seconds(lambda: onnx(rows), calls))
        taken["scikit-learn"].append(_seconds(lambda: other(rows), max(1, calls // 20)))
    gap = float(np.abs(onnx(rows) - other(rows)).max())
    return {name: median(every) for name, every in taken.items()} | {"gap": gap}


def contents(**arguments: Any) -> list[float] | None:
    """Count and sum what a processing wrote, up to an instant that all contenders know."""
    if "until" not in arguments:
        return None
    return totals(Path(arguments["output"]), arguments["until"])


def _command(main: Callable[[list[str]], int], arguments: list[str], errors: StringIO) -> Any:
    """Run a command with `--json`, standard error into `errors`; give its document."""
    product = StringIO()
    with redirect_stdout(product), redirect_stderr(errors):
        code = main([*arguments, "--json"])
    if code:
        raise SystemExit(product.getvalue() + errors.getvalue())
    return json.loads(product.getvalue())


def _counts(told: dict[str, Any]) -> dict[str, Any]:
    """What a command counted, without the places where it wrote."""
    return {name: value for name, value in told.items() if isinstance(value, int)}


def _seconds(job: Callable[[], object], calls: int) -> float:
    """Of a processor, since both jobs run on one thread."""
    before_s = time.process_time()
    for _ in range(calls):
        job()
    return (time.process_time() - before_s) / calls


class _Steps(StringIO):
    """Standard error that notes when each step of the progress begins."""

    def __init__(self) -> None:
        super().__init__()
        self.laps: dict[str, list[float]] = {}
        self._open = "start"
        self._at = (time.perf_counter(), time.process_time())

    def write(self, text: str) -> int:
        if text.startswith('{"step"'):
            self.lap(json.loads(text)["step"])
        return super().write(text)

    def lap(self, step: str) -> None:
        """Close the step under way, and open this one."""
        now = (time.perf_counter(), time.process_time())
        self.laps[self._open] = [b - a for a, b in zip(self._at, now, strict=True)]
        self._open, self._at = step, now
