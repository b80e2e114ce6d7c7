"""Measures the trainer against its peers and writes training.md.

python docs/bench/training.py [--only a,b] needs the root requirements and polars. Sections already
measured stay in training.json, so that one can be measured again alone. The data go to the folder
of --work, under names that tell their size; the sections follow each other in some forty minutes on
two cores.
"""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench_page import Target, measures_table
from measuring import Contender, alternated, busy, gathered, say, typical
from sections import Found, Page, Section

PACKAGES: Final = (
    "numpy", "pandas", "pyarrow", "polars", "distributed", "scikit-learn", "onnxruntime",
)  # fmt: skip
TRAINER: Final = "trainer.py"
SEED: Final = 7
END: Final = "2026-01-01T00:00:00Z"
UNTIL: Final = "2025-12-30T00:00:00Z"
"""Of the last day nobody knows the label yet, so that our program leaves it out."""


@dataclass(frozen=True)
class History:
    """A simulated history of about `rows` readings, or of `rows` once processed."""

    rows: int
    locos: int
    days: float
    step_minutes: int

    def options(self) -> list[str]:
        """Give the options of `data_generator.py`."""
        return [
            "--locos", str(self.locos), "--days", str(self.days),
            "--step-minutes", str(self.step_minutes), "--seed", str(SEED), "--end", END,
        ]  # fmt: skip


RAW_1M: Final = History(1_000_000, 100, 83.65, 12)
RAW_10M: Final = History(10_000_000, 100, 70, 1)
SIZES: Final = {
    "10,000": History(10_000, 22, 40.4, 120),
    "100,000": History(100_000, 60, 74, 60),
    "1,000,000": History(1_000_000, 100, 89, 12),
}


def raw(work: Path, history: History, suffix: str) -> tuple[Path, Path]:
    """Give the telemetry and the work orders of a history, made the first time."""
    telemetry = work / f"telemetry-{history.rows}{suffix}"
    orders = work / f"orders-{history.rows}.csv"
    if not (telemetry.exists() and orders.exists()):
        once(TRAINER, "simulate", output=telemetry, maintenance=orders, options=history.options())
    return telemetry, orders


def once(module: str, function: str, **arguments: Any) -> Any:
    """Run a job for what it gives."""
    told = {name: str(it) if isinstance(it, Path) else it for name, it in arguments.items()}
    return alternated([Contender(function, module, function, told)], 1)[function]["gave"][0]


def ratio(
    found: Found, numerator: str, denominator: str, of: Callable[[Found], float] = typical
) -> float:
    """Divide the median seconds of two contenders."""
    measures = found["measures"]
    return of(measures[numerator]) / of(measures[denominator])


def peak(found: Found, name: str) -> float:
    """Give the largest memory of a contender, MB."""
    return float(max(found["measures"][name]["peak_mb"]))


def same_contents(found: Found, *names: str) -> None:
    """Stop when two contenders did not compute the same."""
    seen = {name: found["measures"][name]["contents"] for name in names}
    expected = next(iter(seen.values()))
    for name, values in seen.items():
        close = [abs(a - b) <= 1 + 1e-9 * abs(b) for a, b in zip(values, expected, strict=True)]
        if not all(close):
            raise SystemExit(f"results differ: {name} {values}, wanted {expected}")


def table_of(found: Found) -> str:
    """Show the rounds of each contender."""
    return measures_table(found["measures"])


# --- The simulator ------------------------------------------------------------------------------

NOTHING, ONE_M = "1 M, made and let go", "1 M, CSV"
TEN_M, TEN_M_PARQUET = "10 M, CSV", "10 M, Parquet"


def measure_simulator(chosen: Namespace) -> Found:
    """Write a million readings and ten."""

    def contender(name: str, history: History, suffix: str) -> Contender:
        return Contender(
            name,
            TRAINER,
            "simulate",
            {
                "output": str(chosen.work / f"simulated{suffix}"),
                "maintenance": str(chosen.work / "simulated-orders.csv"),
                "options": history.options(),
            },
        )

    made = Contender(
        NOTHING,
        TRAINER,
        "simulate_nothing_written",
        {"locos": RAW_1M.locos, "days": RAW_1M.days, "step_minutes": 12, "seed": SEED},
    )
    small = alternated([made, contender(ONE_M, RAW_1M, ".csv")], chosen.rounds)
    large = [contender(TEN_M, RAW_10M, ".csv"), contender(TEN_M_PARQUET, RAW_10M, ".parquet")]
    return {"measures": small | alternated(large, max(1, chosen.rounds // 2))}


def rows_per_s(found: Found, name: str, of: Callable[[Found], float] = typical) -> float:
    """Give readings for each second of the job."""
    measures = found["measures"][name]
    gave = measures["gave"][0]
    return float(gave["rows"] if isinstance(gave, dict) else gave) / of(measures)


def shown_simulator(found: Found) -> str:
    """Tell rates beside the seconds."""
    rates = ", ".join(f"{name}: {rows_per_s(found, name):,.0f}" for name in found["measures"])
    growth = peak(found, TEN_M) / peak(found, ONE_M)
    return (
        f"{table_of(found)}\n\nReadings per second: {rates}. Ten times the readings take "
        f"{growth:.2f} times the memory."
    )


def targets_simulator(found: Found) -> list[Target]:
    """Ask for the rate and the bounded memory."""
    growth = peak(found, TEN_M) / peak(found, ONE_M)
    return [
        *(
            Target(
                f"{name}: readings per second{what}", rows_per_s(found, name, of), 5e5, False, "/s"
            )
            for name in (ONE_M, TEN_M)
            for what, of in (("", typical), (" of processors", busy))
        ),
        Target("memory for ten times the readings", growth, 1.25, True),
    ]


# --- Processing ---------------------------------------------------------------------------------

OURS, PANDAS, POLARS = "ours", "pandas, transform(lambda) and to_csv", "Polars"


def measure_processing(chosen: Namespace) -> Found:
    """Go from a million raw readings to a file with features."""
    telemetry, _ = raw(chosen.work, RAW_1M, ".csv")

    def contender(name: str, module: str, **more: Any) -> Contender:
        output = chosen.work / f"processed-by-{Path(module).stem}.csv"
        arguments = {"raw": str(telemetry), "output": str(output), "until": UNTIL} | more
        return Contender(name, module, "processed", arguments)

    contenders = [
        contender(OURS, TRAINER, options=[]),
        contender(PANDAS, "features_pandas.py"),
        contender(POLARS, "features_polars.py"),
    ]
    found = {"measures": alternated(contenders, chosen.rounds)}
    same_contents(found, OURS, PANDAS, POLARS)
    return found


def targets_processing(found: Found) -> list[Target]:
    """Compare with pandas and Polars."""
    return [
        Target("times as fast as pandas", ratio(found, PANDAS, OURS), 4, False),
        Target("time, of Polars'", ratio(found, OURS, POLARS), 1.5, True),
        Target("time of processors, of Polars'", ratio(found, OURS, POLARS, busy), 1.5, True),
    ]


# --- Dask ---------------------------------------------------------------------------------------

ONE_PROCESS, DASK = "ours, in memory", "ours, Dask, two workers"
DASK_1M: Final = "ours, Dask, two workers, 1 M"


def measure_dask(chosen: Namespace) -> Found:
    """Process ten million readings, Parquet in and out, in memory and on two workers."""
    telemetry, orders = raw(chosen.work, RAW_10M, ".parquet")
    fewer, fewer_orders = raw(chosen.work, RAW_1M, ".parquet")
    dask = ["--engine", "dask", "--workers", "2"]

    def contender(name: str, source: Path, known: Path, output: str, *more: str) -> Contender:
        options = ["--maintenance", str(known), *more]
        arguments = {
            "raw": str(source), "output": str(chosen.work / output), "until": UNTIL,
            "options": options,
        }  # fmt: skip
        return Contender(name, TRAINER, "processed", arguments)

    contenders = [
        contender(DASK_1M, fewer, fewer_orders, "dask-1m", *dask),
        contender(DASK, telemetry, orders, "dask-10m", *dask),
        contender(ONE_PROCESS, telemetry, orders, "memory-10m.parquet"),
    ]
    found = {"measures": alternated(contenders, max(1, chosen.rounds // 2))}
    same_contents(found, ONE_PROCESS, DASK)
    return found


def targets_dask(found: Found) -> list[Target]:
    """Bound the memory."""
    return [
        Target("memory, of the engine in memory", peak(found, DASK) / peak(found, ONE_PROCESS), 0.5,
               True),
        Target("memory for ten times the readings", peak(found, DASK) / peak(found, DASK_1M), 2,
               True),
    ]  # fmt: skip


def shown_dask(found: Found) -> str:
    """Tell that the counts and sums are equal."""
    rows = found["measures"][DASK]["contents"][0]
    return (
        f"{table_of(found)}\n\nBoth engines kept {rows:,.0f} rows before {UNTIL[:10]}, and their "
        "readings and features have the same sums."
    )


# --- Training -----------------------------------------------------------------------------------

WHOLE, ALL_CORES, ONE_CORE = "whole command", "bare fit, every core", "bare fit, one core"


def processed_table(work: Path, history: History) -> Path:
    """Give a processed table of about so many rows, made the first time."""
    table = work / f"table-{history.rows}.csv"
    if not table.exists():
        telemetry, orders = raw(work, history, "-for-training.csv")
        once(TRAINER, "processed", raw=telemetry, output=table, until=END,
             options=["--maintenance", str(orders)])  # fmt: skip
    return table


def measure_training(size: str, rounds: Callable[[int], int], chosen: Namespace) -> Found:
    """Train by the command, and fit the same forest on the same rows alone."""
    table = processed_table(chosen.work, SIZES[size])
    rows = chosen.work / f"rows-{SIZES[size].rows}.npz"
    learned = once(TRAINER, "learning_rows", table=table, rows=rows)
    folder = chosen.work / f"models-{SIZES[size].rows}"
    whole = Contender(
        WHOLE, TRAINER, "trained", {"table": str(table), "folder": str(folder), "options": []}
    )
    measures: dict[str, Found] = {}
    for number in range(1, rounds(chosen.rounds) + 1):
        say(f"  round {number}")
        gathered(measures, alternated([whole], 1))
        made = measures[WHOLE]["gave"][-1]
        del made["bundle"]  # a place on this machine
        bare = {
            "rows": str(rows), "parameters": made["parameters"], "monotone": made["monotone"],
        }  # fmt: skip
        fits = [
            Contender(name, TRAINER, "fitted", bare | {"cores": cores})
            for name, cores in ((ALL_CORES, -1), (ONE_CORE, 1))
        ]
        gathered(measures, alternated(fits, 1))
    with table.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1
    return {"measures": measures, "rows": lines, "learned_rows": learned}


def fit_s(found: Found, name: str, clock: str) -> float:
    """Give the median seconds of a bare fit."""
    return float(median(gave[clock] for gave in found["measures"][name]["gave"]))


def step_s(gave: Found, clock: int, wanted: Callable[[str], bool]) -> float:
    """Add up the steps of one training that are wanted, on the wall (0) or of processors (1)."""
    return float(sum(spent[clock] for step, spent in gave["laps"].items() if wanted(step)))


def is_search(step: str) -> bool:
    """Tell the trials of the search from the rest."""
    return step.startswith("essai")


def beside_search_s(found: Found, clock: int) -> float:
    """Give the median seconds of a whole command but for its search."""
    measures = found["measures"][WHOLE]
    starts = [
        start + imports if clock == 0 else 0.0
        for start, imports in zip(measures["start_s"], measures["import_s"], strict=True)
    ]
    return median(
        start + step_s(gave, clock, lambda step: not is_search(step))
        for start, gave in zip(starts, measures["gave"], strict=True)
    )


def shown_training(found: Found) -> str:
    """Tell where the time of the command goes."""
    gave = found["measures"][WHOLE]["gave"]
    steps = [
        f"| {STEP_NAMES.get(step, step)} | "
        f"{median(told['laps'][step][0] for told in gave):.2f} | "
        f"{median(told['laps'][step][1] for told in gave):.2f} |"
        for step in gave[0]["laps"]
    ]
    fits = [
        f"| {name} | {fit_s(found, name, 'wall_s'):.2f} | {fit_s(found, name, 'cpu_s'):.2f} |"
        for name in (ALL_CORES, ONE_CORE)
    ]
    lines = ["| step | s | CPU, s |", "| --- | --- | --- |", *steps, *fits]
    return (
        f"{table_of(found)}\n\n" + "\n".join(lines) + f"\n\n{found['rows']:,} rows, of which the "
        f"forest learns from {found['learned_rows']:,}; without its search the command takes "
        f"{beside_search_s(found, 0):.2f} s."
    )


STEP_NAMES: Final = {
    "start": "imports",
    "lecture": "reading",
    "essai 1 sur 1": "search: the only trial, cross-validated in three",
    "étalonnage et seuil": "fit, calibration, export, threshold",
    "références": "baselines",
    "évaluation": "judgement",
    "export": "bundle: comparison, files",
}


def targets_training(found: Found) -> list[Target]:
    """Compare the command, without its search, with the bare fit."""
    wall = beside_search_s(found, 0) / fit_s(found, ALL_CORES, "wall_s") - 1
    cpu = beside_search_s(found, 1) / fit_s(found, ALL_CORES, "cpu_s") - 1
    alone = beside_search_s(found, 0) / fit_s(found, ONE_CORE, "wall_s") - 1
    return [
        Target("overhead without the search, of a fit on every core", 100 * wall, 25, True, "%"),
        Target("the same in time of processors", 100 * cpu, 25, True, "%"),
        Target("overhead, of a fit as scikit-learn's default has it, on one core", 100 * alone, 25,
               True, "%"),
    ]  # fmt: skip


# --- Scoring ------------------------------------------------------------------------------------


def measure_scoring(chosen: Namespace) -> Found:
    """Score with both models of one bundle, in turns."""
    table = processed_table(chosen.work, SIZES["10,000"])
    folder = chosen.work / "models-scoring"
    bundle = once(TRAINER, "trained", table=table, folder=folder, options=[])["bundle"]
    scored = Contender("both", TRAINER, "scored", {"bundle": bundle, "rounds": chosen.rounds})
    return {"measures": alternated([scored], 1)}


def shown_scoring(found: Found) -> str:
    """Tabulate the calls."""
    lines = [
        "| rows in a call | ONNX Runtime | scikit-learn | times as fast | largest gap |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rows, told in found["measures"]["both"]["gave"][0].items():
        onnx_s, other_s = told["onnx"], told["scikit-learn"]
        lines.append(
            f"| {int(rows):,} | {1e6 * onnx_s:,.0f} µs | {1e6 * other_s:,.0f} µs | "
            f"{other_s / onnx_s:.0f} | {told['gap']:.0e} |"
        )
    return "\n".join(lines)


PAGE: Final = Page(
    "training",
    """# The trainer against its peers

Made by `docs/bench/training.py` with fixed seeds; raw figures in `training.json`. Contenders
alternate within one run, each job in a process of its own. “Job” is wall-clock time; “CPU” is the
time of all processors together, which other programs on the machine disturb less. Where the load
average is above the number of cores, seconds are those of a machine that others use, and a program
of many threads gets a larger share of it. Peak memory is the resident memory of the process and its
children. The code of the peers is in `docs/bench/peers/`.
""",
    PACKAGES,
    {
        "simulator": Section(
            "The simulator",
            "`data_generator.py`: physics, sensor faults, work orders, and the file.",
            measure_simulator,
            shown_simulator,
            targets_simulator,
        ),
        "processing": Section(
            "1,000,000 readings, CSV to features to CSV",
            "Ours checks every cell, sorts, drops repeats, dates failures, labels, and computes "
            "twenty features, in 27 columns. The peers compute the same twenty features of the "
            "same readings, with no check, label or reject. Counts and sums are compared.",
            measure_processing,
            table_of,
            targets_processing,
        ),
        "dask": Section(
            "10,000,000 readings on two Dask workers, Parquet to Parquet",
            "`data_processing.py --engine dask --workers 2` beside the engine in memory. The start "
            "of the workers is within the job.",
            measure_dask,
            shown_dask,
            targets_dask,
        ),
        **{
            f"training-{number}": Section(
                f"Training on {size} rows",
                "`model_training.py`, the *instant* model with its defaults, from the processed "
                "CSV to the bundle, beside `RandomForestClassifier.fit` of the same settings on "
                "the same rows, ready in memory, after its imports. Beside its own fit and its "
                "search the command imports, reads, exports and compares the ONNX model, has two "
                "learned baselines cross-validated and fitted, and judges them all. The imports, "
                "nearly all of them scikit-learn's and what it imports, take a second of a "
                "processor whatever the rows: more than twice the fit of 10,000, a quarter of that "
                "of 100,000, so that the bound can be kept on more rows alone.",
                lambda chosen, size=size, share=share: measure_training(
                    size, lambda rounds: max(1, round(rounds * share)), chosen
                ),
                shown_training,
                targets_training,
            )
            for number, size, share in (
                ("10k", "10,000", 1),
                ("100k", "100,000", 1),
                ("1m", "1,000,000", 0.6),
            )
        },
        "scoring": Section(
            "Scoring: ONNX Runtime and scikit-learn",
            "Both models of one bundle, 100 trees, made from the 10,000 rows, one thread each, in "
            "turns: time of a processor, median of the rounds.",
            measure_scoring,
            shown_scoring,
        ),
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen sections and write the page."""
    return PAGE.run(PAGE.parser().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
