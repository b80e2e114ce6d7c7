"""Shows what a trained model must be, by command lines alone, and writes training_proofs.md.

python docs/bench/training_proofs.py [--only a,b] [--ai4i ai4i2020.csv] [--python PROGRAM …] needs
the root requirements. `--ai4i` is the public table AI4I 2020 (UCI 601); each `--python` is another
Python that has the trainer's requirements. Sections already shown stay in training_proofs.json.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import joblib
import numpy as np
import pandas as pd
from bench_page import Target
from measuring import PLATFORM, TRAINER, Contender, alternated, environment, say
from scipy.stats import t as student
from sections import Found, Page, Section
from sklearn.linear_model import LogisticRegression

PACKAGES: Final = ("numpy", "pandas", "scikit-learn", "skl2onnx", "onnxruntime")


class Fleets(NamedTuple):
    """Simulated fleets of one size, one for each data seed."""

    seeds: tuple[int, ...]
    locos: int
    days: int
    step_minutes: int

    def options(self) -> tuple[object, ...]:
        """Give the options of `data_generator.py`."""
        return ("--locos", self.locos, "--days", self.days, "--step-minutes", self.step_minutes)


SMALL: Final = Fleets((61_001, 61_002, 61_003, 61_004, 61_005), 40, 90, 60)
LARGE: Final = Fleets((71_001, 71_002, 71_003, 71_004, 71_005), 200, 90, 120)
"""Data seeds that nothing was chosen on: physics, sizes and settings were, on other seeds."""

RESAMPLES: Final = 500

PREDICTORS: Final = {
    "model": "the model",
    "never_fails": "never fails",
    "single_threshold": "one sensor's threshold",
    "logistic_regression": "logistic regression",
    "gradient_boosting": "gradient boosting",
}
FIGURES: Final = {
    "average_precision": ("average precision", 3),
    "cost": ("cost", 0),
    "brier_skill": ("Brier skill", 3),
    "calibration_error": ("calibration error", 3),
    "calibration_slope": ("calibration slope", 2),
    "failures": ("failures", 0),
    "lead_time_median_h": ("median lead within the horizon, h", 1),
    "sustained_lead_median_h": ("median lead of the lasting alarm, h", 1),
    "lead_at_budget_h": ("the same at 1 false alarm a month, h", 1),
    "false_alarms_per_group_month": ("false alarms a month", 1),
}


def command(step: str, *options: object, python: str = sys.executable) -> tuple[int, Found]:
    """Run a step of the trainer; give its exit code and its document."""
    done = subprocess.run(
        [python, TRAINER / "src" / f"{step}.py", *map(str, options), "--json"],
        env=trainer_environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"{step}: {done.stderr[-3000:]}") from None


def made(step: str, *options: object, python: str = sys.executable) -> Found:
    """Run a step that must succeed."""
    code, told = command(step, *options, python=python)
    if code:
        raise SystemExit(f"{step}: {told['error']}")
    return told


def trainer_environment() -> dict[str, str]:
    """Give the children nothing of this Python's packages: each has its own."""
    return {name: value for name, value in environment().items() if name != "PYTHONPATH"}


def processed(work: Path, seed: int, *size: object, python: str = sys.executable) -> Path:
    """Simulate a fleet, of the default size or of this one, and process it; give the table."""
    work.mkdir(parents=True, exist_ok=True)
    raw, orders, table = (work / f"{name}.csv" for name in ("raw", "orders", "table"))
    if not table.exists():
        made("data_generator", "--seed", seed, *size, "--output", raw, "--maintenance", orders,
             python=python)  # fmt: skip
        made("data_processing", "--input", raw, "--maintenance", orders, "--output", table,
             "--rejects", work / "rejects.csv", python=python)  # fmt: skip
    return table


def trained(work: Path, *options: object, python: str = sys.executable) -> Found:
    """Train; give the document of the command."""
    return made(
        "model_training", *options, "--bundles", work / "bundles",
        "--model-file", work / "model.joblib", python=python,
    )  # fmt: skip


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and Student's 95 % interval of it, over fleets that share nothing."""
    mean, count = float(np.mean(values)), len(values)
    half = student.ppf(0.975, count - 1) * float(np.std(values, ddof=1)) / count**0.5
    return mean, mean - half, mean + half


def told(values: Sequence[float | None], decimals: int) -> str:
    """Write a mean with its interval; a dash where a fleet has no such figure."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "–"
    mean, low, high = interval(known)
    return f"{mean:,.{decimals}f} [{low:,.{decimals}f}, {high:,.{decimals}f}]"


# --- Locomotives and months never seen ----------------------------------------------------------


def measure_unseen(fleets: Fleets, chosen: Namespace) -> Found:
    """Train both models on each fleet; keep what their manifests say of the held-out part."""
    found: Found = {"instant": {}, "trend": {}}
    for seed in fleets.seeds:
        work = chosen.work / f"fleet-{seed}"
        table = processed(work, seed, *fleets.options())
        for slot in ("instant", "trend"):
            kept = work / f"{slot}.json"
            if not kept.exists():
                say(f"  fleet {seed}, {slot}")
                document = trained(work, "--input", table, "--slot", slot, "--seed", seed)
                manifest = document["manifest"]
                told_of = {name: manifest[name] for name in ("metrics", "held_out", "parameters")}
                locos = list(manifest["per_group"])
                spread = slope_interval(table, Path(document["bundle"]), locos)
                told_of["slope_interval"] = spread
                kept.write_text(json.dumps(told_of), encoding="utf-8")
            found[slot][str(seed)] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def slope_interval(table: Path, bundle: Path, locos: Sequence[str]) -> list[float]:
    """Give the 95 % interval of a bundle's calibration slope on the rows that judged it.

    By bootstrap of whole locomotives, since neighbouring rows of one are no news.
    """
    import onnxruntime

    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    features = [feature["name"] for feature in manifest["features"]]
    rows = pd.read_csv(
        table, usecols=["timestamp", "loco_id", "failure", *features], parse_dates=["timestamp"]
    )
    first, last = rows["timestamp"].min(), rows["timestamp"].max()
    late = rows["timestamp"] >= first + (last - first) * 2 / 3
    held = rows[late & rows["loco_id"].isin(locos)]
    if len(held) != manifest["held_out"]["rows"]:
        raise SystemExit(f"{table}: {len(held)} rows held out, {manifest['held_out']} told")
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    readings = held[features].to_numpy(dtype=np.float32)
    risks = session.run(["probabilities"], {"readings": readings})[0][:, 1].astype(float)
    labels = held["failure"].to_numpy()
    rows_of = list(held.reset_index(drop=True).groupby("loco_id").indices.values())
    rng = np.random.default_rng(0)
    slopes = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate(
            [rows_of[loco] for loco in rng.integers(len(rows_of), size=len(rows_of))]
        )
        slopes.append(slope(risks[drawn], labels[drawn]))
    return [float(value) for value in np.quantile(slopes, [0.025, 0.975])]


def slope(risks: Any, labels: Any) -> float:
    """Give the calibration slope (Cox 1958), as the trainer does."""
    bounded = np.clip(risks, 1e-6, 1 - 1e-6)
    logits = np.log(bounded / (1 - bounded))[:, None]
    return float(LogisticRegression(C=100, max_iter=1000).fit(logits, labels).coef_[0, 0])


def over_fleets(found: Found, slot: str, predictor: str, figure: str) -> list[Any]:
    """Give one figure of each fleet."""
    return [fleet["metrics"][predictor].get(figure) for fleet in found[slot].values()]


def paired(found: Found, figure: str, one: tuple[str, str], other: tuple[str, str]) -> list[float]:
    """Give the differences of a figure, fleet by fleet."""
    pairs = zip(over_fleets(found, *one, figure), over_fleets(found, *other, figure), strict=True)
    return [a - b for a, b in pairs]


def shown_unseen(found: Found) -> str:
    """Tabulate both models and what they are compared with, in the mean and fleet by fleet."""
    parts = []
    for slot in ("instant", "trend"):
        held = [fleet["held_out"] for fleet in found[slot].values()]
        failures = sum(over_fleets(found, slot, "model", "failures"))
        rows = [
            f"| {title} | "
            + " | ".join(
                told(over_fleets(found, slot, predictor, figure), decimals)
                for predictor in PREDICTORS
            )
            + " |"
            for figure, (title, decimals) in FIGURES.items()
        ]
        heading = " | ".join(PREDICTORS.values())
        parts += [
            f"**{slot}**: {held[0]['groups']} locomotives of each fleet and the last third of the "
            f"time held out, {sum(part['rows'] for part in held):,} rows in all, of which "
            f"{sum(part['positives'] for part in held):,} precede one of {failures:,.0f} failures.",
            "\n".join(
                [
                    f"| mean over {len(held)} fleets [95 %] | {heading} |",
                    "| --- |" + " --- |" * len(PREDICTORS),
                    *rows,
                ]
            ),
        ]
    gains = "; ".join(
        f"{FIGURES[figure][0]}, *trend* less *instant*, fleet by fleet: "
        f"{told(leads(found, figure), 1)}"
        for figure in LEADS
    )
    return "\n\n".join([*parts, f"{gains[0].upper()}{gains[1:]}.", by_fleet(found)])


def by_fleet(found: Found) -> str:
    """Tabulate each model of each fleet, its slope with the interval of its own rows."""
    titles = " | ".join(FIGURES[figure][0] for figure in BY_FLEET)
    lines = [
        f"| fleet | failures | {titles} | slope [95 %] |",
        "| --- | --- |" + " --- |" * (len(BY_FLEET) + 1),
    ]
    for slot in ("instant", "trend"):
        for seed, fleet in found[slot].items():
            figures = fleet["metrics"]["model"]
            values = [f"{figures[name]:,.{FIGURES[name][1]}f}" for name in BY_FLEET]
            spread = fleet.get("slope_interval")
            around = f" [{spread[0]:.2f}, {spread[1]:.2f}]" if spread else ""
            lines.append(
                f"| {seed}, {slot} | {figures['failures']:.0f} | {' | '.join(values)} | "
                f"{figures['calibration_slope']:.2f}{around} |"
            )
    return "\n".join(lines)


def leads(found: Found, figure: str) -> list[float]:
    """Give the hours by which trend warns earlier than instant, fleet by fleet."""
    return paired(found, figure, ("trend", "model"), ("instant", "model"))


LEADS: Final = ("sustained_lead_median_h", "lead_at_budget_h")
BY_FLEET: Final = (
    "average_precision", "cost", "brier_skill", "calibration_error", *LEADS,
)  # fmt: skip


def targets_unseen(found: Found) -> list[Target]:
    """Ask for a clear gain on both naive rules, calibration, and earlier warnings."""
    targets = []
    for slot in ("instant", "trend"):
        model = slot, "model"
        for naive in ("never_fails", "single_threshold"):
            gain = interval(paired(found, "average_precision", model, (slot, naive)))[1]
            beyond = f"{slot}: average precision beyond “{PREDICTORS[naive]}”, low end"
            targets.append(Target(beyond, gain, 0.1, False, ""))
            costs = zip(over_fleets(found, *model, "cost"),
                        over_fleets(found, slot, naive, "cost"), strict=True)  # fmt: skip
            share = interval([mine / other for mine, other in costs])[2]
            targets.append(
                Target(f"{slot}: cost, of “{PREDICTORS[naive]}”, high end", share, 0.8, True)
            )
        errors, slopes, skills = (
            over_fleets(found, *model, figure)
            for figure in ("calibration_error", "calibration_slope", "brier_skill")
        )
        targets += [
            Target(f"{slot}: calibration error, mean", interval(errors)[0], 0.03, True, ""),
            Target(
                f"{slot}: calibration error, mean, high end", interval(errors)[2], 0.03, True, ""
            ),
            Target(f"{slot}: calibration error, worst fleet", max(errors), 0.03, True, ""),
            Target(
                f"{slot}: calibration slope, mean, low end", interval(slopes)[1], 0.8, False, ""
            ),
            Target(
                f"{slot}: calibration slope, mean, high end", interval(slopes)[2], 1.25, True, ""
            ),
            Target(f"{slot}: calibration slope, lowest fleet", min(slopes), 0.8, False, ""),
            Target(f"{slot}: calibration slope, highest fleet", max(slopes), 1.25, True, ""),
            Target(f"{slot}: Brier skill, mean, low end", interval(skills)[1], 0, False, ""),
            Target(f"{slot}: Brier skill, worst fleet", min(skills), 0, False, ""),
        ]
    return targets + [
        Target(f"trend less instant: {FIGURES[figure][0]}, low end",
               interval(leads(found, figure))[1], 0, False, "h")
        for figure in LEADS
    ]  # fmt: skip


# --- What few locomotives can tell --------------------------------------------------------------

CROWD: Final = Fleets((301, 302, 303, 304, 305, 306), 240, 90, 60)
FEW, JUDGES, DRAWS = 27, 13, 60  # what a fleet of forty learns from, and is judged on


def measure_noise(chosen: Namespace) -> Found:
    """Learn from few locomotives of a large fleet; take the slope on many, and on draws of few."""
    found: Found = {"instant": {}, "trend": {}}
    for seed in CROWD.seeds:
        work = chosen.work / f"crowd-{seed}"
        for slot in ("instant", "trend"):
            output = work / f"{slot}.npz"
            if not output.exists():
                say(f"  fleet {seed}, {slot}")
                arguments = {"table": str(processed(work, seed, *CROWD.options())), "slot": slot,
                             "few": FEW, "seed": seed, "output": str(output)}  # fmt: skip
                alternated([Contender(slot, "trainer.py", "learned_from_few", arguments)], 1)
            with np.load(output) as stored:
                found[slot][str(seed)] = slopes_of(dict(stored), np.random.default_rng(seed))
    return found


def slopes_of(stored: dict[str, Any], rng: np.random.Generator) -> Found:
    """Give slopes, and stated over observed risk, on parts of the rows that were not learned."""
    risks, labels, late, known = (stored[name] for name in ("risks", "labels", "late", "known"))
    parts = {
        "other locomotives, later days": late & ~known,
        "other locomotives, the days learned from": ~late & ~known,
        "the same locomotives, later days": late & known,
    }
    judged = np.flatnonzero(late & ~known)
    rows_of = {name: judged[stored["locos"][judged] == name]
               for name in np.unique(stored["locos"][judged])}  # fmt: skip
    draws = []
    for _ in range(DRAWS):
        drawn = np.concatenate([rows_of[name] for name in rng.choice(list(rows_of), JUDGES, False)])
        draws.append(slope(risks[drawn], labels[drawn]))
    return {
        "slopes": {name: slope(risks[part], labels[part]) for name, part in parts.items()},
        "stated": {name: float(risks[part].mean() / labels[part].mean())
                   for name, part in parts.items()},
        "spread_of_draws": float(np.std(draws, ddof=1)),
    }  # fmt: skip


def spreads(found: Found, slot: str) -> tuple[float, float]:
    """Give the standard deviations of a slope from the locomotives learned from, and judged on."""
    fleets = found[slot].values()
    learned = np.std([fleet["slopes"][OTHERS_LATER] for fleet in fleets], ddof=1)
    judged = np.mean([fleet["spread_of_draws"] ** 2 for fleet in fleets]) ** 0.5
    return float(learned), float(judged)


OTHERS_LATER: Final = "other locomotives, later days"


def expected_spread(found: Found, slot: str, fleets: Fleets) -> float:
    """Give the standard deviation of the slope that one such fleet prints.

    Both variances fall as the locomotives and days that they come from grow.
    """
    learned, judged = spreads(found, slot)
    held = round(fleets.locos / 3)
    more_learned = (fleets.locos - held) * fleets.days / (FEW * CROWD.days)
    more_judged = held * fleets.days / (JUDGES * CROWD.days)
    return float((learned**2 / more_learned + judged**2 / more_judged) ** 0.5)


def shown_noise(found: Found) -> str:
    """Tabulate slopes, and where their spread comes from."""
    slots = ("instant", "trend")
    first = next(iter(found["instant"].values()))
    rows = {
        f"{title}: {part}": [
            told([fleet[kind][part] for fleet in found[slot].values()], 2) for slot in slots
        ]
        for kind, title in (("slopes", "slope"), ("stated", "stated risk, of the observed"))
        for part in first[kind]
    }
    causes = (
        f"spread of the slope between fleets: what learning from {FEW} locomotives adds",
        f"spread between draws of {JUDGES} locomotives: what judging on them adds",
    )
    for number, cause in enumerate(causes):
        rows[cause] = [f"{spreads(found, slot)[number]:.2f}" for slot in slots]
    for fleets in (SMALL, LARGE):
        rows[f"to be expected of a fleet of {fleets.locos}, nineteen times in twenty"] = [
            f"± {1.96 * expected_spread(found, slot, fleets):.2f}" for slot in slots
        ]
    return "\n".join(
        [
            f"| mean over {len(found['instant'])} fleets [95 %] | instant | trend |",
            "| --- | --- | --- |",
            *(f"| {title} | {' | '.join(values)} |" for title, values in rows.items()),
        ]
    )


# --- The operating scenario ---------------------------------------------------------------------

POINTS: Final = {
    "nominal": (500.0, 5.0, 2.0, 45.0),
    "more vibration and temperature": (500.0, 5.0, 7.0, 85.0),
    "low flow": (320.0, 5.0, 2.0, 45.0),
    "low flow, low pressure": (320.0, 2.5, 2.0, 45.0),
    "low flow, high pressure": (320.0, 8.5, 2.0, 45.0),
}
LOW, HIGH = (200.0, 1.0, 0.5, 20.0), (800.0, 10.0, 15.0, 120.0)
PAIRS: Final = 10_000


def measure_scenario(chosen: Namespace) -> Found:
    """Bootstrap the platform; ask the promoted ONNX model for points and for random pairs."""
    import onnxruntime

    models = chosen.work / "scenario-models"
    shutil.rmtree(models, ignore_errors=True)
    places = {"CAMRAIL_MODELS_DIR": str(models), "CAMRAIL_LOGS_DIR": str(chosen.work / "logs")}
    subprocess.run(
        [sys.executable, PLATFORM / "bootstrap_local.py", "--slot", "instant"],
        env=trainer_environment() | places,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    promoted = json.loads((models / "promoted.json").read_text(encoding="utf-8"))["instant"]
    bundle = models / "instant" / promoted
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(bundle / "model.onnx")

    def risk(rows: Any) -> Any:
        readings = np.asarray(rows, dtype=np.float32)
        return session.run(["probabilities"], {"readings": readings})[0][:, 1].astype(float)

    pairs = {}
    for position, feature in enumerate(manifest["features"]):
        if feature["monotone"]:
            rng = np.random.default_rng(position)
            before = rng.uniform(LOW, HIGH, (PAIRS, len(LOW))).astype(np.float32)
            after = before.copy()
            end = HIGH[position] if feature["monotone"] > 0 else LOW[position]
            after[:, position] += rng.random(PAIRS) * (end - before[:, position])
            rise = risk(after) - risk(before)
            pairs[feature["name"]] = {
                "sign": feature["monotone"],
                "falls": int((rise < 0).sum()),
                "largest_fall": float(max(0.0, -rise.min())),
                "rises": int((rise > 0).sum()),
            }
    return {
        "threshold": manifest["threshold"],
        "points": dict(zip(POINTS, risk(list(POINTS.values())).tolist(), strict=True)),
        "pairs": pairs,
    }


def shown_scenario(found: Found) -> str:
    """Tabulate points and pairs."""
    threshold = found["threshold"]
    points = [
        f"| {name} | {', '.join(f'{value:g}' for value in POINTS[name])} | {risk:.4f} | "
        f"{'danger' if risk > threshold else 'nominal'} |"
        for name, risk in found["points"].items()
    ]
    pairs = [
        f"| `{name}` | {'up' if part['sign'] > 0 else 'down'} | {part['falls']} | "
        f"{part['largest_fall']:.0e} | {part['rises']:,} |"
        for name, part in found["pairs"].items()
    ]
    return "\n".join(
        [
            f"Threshold {threshold:.4f}.", "",
            "| point | flow, pressure, vibration, temperature | risk | |",
            "| --- | --- | --- | --- |", *points, "",
            f"| moved alone, {PAIRS:,} pairs | moved | risk falls | by at most | risk rises |",
            "| --- | --- | --- | --- | --- |", *pairs,
        ]
    )  # fmt: skip


def targets_scenario(found: Found) -> list[Target]:
    """Ask for the decisions of the source document, and for no fall of the risk."""
    threshold, points = found["threshold"], found["points"]
    calm = points["nominal"]
    falls = sum(part["falls"] for part in found["pairs"].values())
    return [
        Target("nominal point, of the threshold", calm / threshold, 1, True),
        Target("vibration 7, temperature 85, of the threshold",
               points["more vibration and temperature"] / threshold, 1, False),
        Target("low flow and low pressure, of the nominal risk",
               points["low flow, low pressure"] / calm, 2, False),
        Target("low flow and high pressure, of the nominal risk",
               points["low flow, high pressure"] / calm, 2, False),
        Target("pairs in which the risk falls", falls, 0, True, ""),
    ]  # fmt: skip


# --- AI4I ---------------------------------------------------------------------------------------

LEAKS: Final = ("TWF", "HDF", "PWF", "OSF", "RNF")
MEASURED: Final = (
    "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]", "Torque [Nm]",
    "Tool wear [min]",
)  # fmt: skip


def measure_ai4i(chosen: Namespace) -> Found:
    """Have each leaking column refused, then train with the derived columns."""
    if chosen.ai4i is None:
        raise SystemExit("ai4i: give the table with --ai4i")
    features = ",".join([*MEASURED, *LEAKS])
    config = TRAINER / "config" / "ai4i2020.yaml"
    table = ["--input", chosen.ai4i, "--features", features, "--bundles", chosen.work / "refused",
             "--model-file", chosen.work / "refused.joblib"]  # fmt: skip
    refused = {}
    for name, options in (
        ("nothing declared", ["--target", "Machine failure"]),
        ("declared by the configuration", ["--config", config]),
    ):
        code, document = command("model_training", *table, *options)
        refused[name] = {"code": code, "error": document["error"]}
    rows = pd.read_csv(chosen.ai4i)
    speed = rows["Rotational speed [rpm]"] * 2 * np.pi / 60
    derived = {
        "Temperature difference [K]": rows["Process temperature [K]"] - rows["Air temperature [K]"],
        "Power [W]": rows["Torque [Nm]"] * speed,
        "Strain [min Nm]": rows["Tool wear [min]"] * rows["Torque [Nm]"],
    }
    table = chosen.work / "ai4i2020.parquet"
    rows.assign(**derived).to_parquet(table)
    manifest = trained(chosen.work / "ai4i", "--config", config, "--input", table)["manifest"]
    return {
        "refused": refused,
        "out_of_fold": manifest["out_of_fold"],
        "held_out": manifest["metrics"]["model"],
        "held_out_rows": manifest["held_out"]["rows"],
        "parameters": manifest["parameters"],
        "costs": [manifest["cost_miss"], manifest["cost_false_alarm"]],
    }


def shown_ai4i(found: Found) -> str:
    """Tell refusals and figures."""
    refusals = [f"- {name}, exit code {part['code']}: {part['error']}"
                for name, part in found["refused"].items()]  # fmt: skip
    rows = [
        f"| {name} | {part['average_precision']:.3f} | {part['precision']:.3f} | "
        f"{part['recall']:.3f} | {part['f1']:.3f} |"
        for name, part in (
            ("out of fold", found["out_of_fold"]),
            (f"{found['held_out_rows']:,} rows never seen", found["held_out"]),
        )
    ]
    return "\n".join(
        [*refusals, "", "| | average precision | precision | recall | F1 |",
         "| --- | --- | --- | --- | --- |", *rows]
    )  # fmt: skip


def targets_ai4i(found: Found) -> list[Target]:
    """Ask for five refusals by name and for the figures."""
    figures = found["out_of_fold"]
    named = {
        name: sum(part["code"] == 1 and f"« {leak} »" in part["error"] for leak in LEAKS)
        for name, part in found["refused"].items()
    }
    return [
        *(
            Target(f"columns refused by name, {name}", count, wanted, False, "")
            for (name, count), wanted in zip(named.items(), (4, 5), strict=True)
        ),
        Target("average precision out of fold", figures["average_precision"], 0.88, False, ""),
        Target("F1 out of fold, costs 1 and 1", figures["f1"], 0.84, False, ""),
    ]


# --- The same again -----------------------------------------------------------------------------


def measure_again(chosen: Namespace) -> Found:
    """Run the three steps twice, then once on each other Python."""
    runs = {}
    pythons = {"first": sys.executable, "again": sys.executable}
    pythons |= {f"other-{number}": python for number, python in enumerate(chosen.python)}
    for name, python in pythons.items():
        say(f"  {name}: {python}")
        work = chosen.work / f"again-{name}"
        shutil.rmtree(work, ignore_errors=True)
        table = processed(work, SMALL.seeds[0], python=python)
        document = trained(work, "--input", table, python=python)
        version = subprocess.run(
            [python, "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[1]
        files = {
            "telemetry": work / "raw.csv", "work orders": work / "orders.csv", "features": table,
            "ONNX": Path(document["bundle"]) / "model.onnx",
        }  # fmt: skip
        runs[name] = {
            "python": version,
            "sha256": {what: hashlib.sha256(path.read_bytes()).hexdigest()
                       for what, path in files.items()},
            "metrics": document["manifest"]["metrics"],
        }  # fmt: skip
    return {"runs": runs}


def rounded(metrics: Found) -> Found:
    """Cut all figures at four significant digits."""
    return {
        predictor: {name: value if value is None else float(f"{value:.4g}")
                    for name, value in figures.items()}
        for predictor, figures in metrics.items()
    }  # fmt: skip


def shown_again(found: Found) -> str:
    """Tabulate digests and whether the figures are the same."""
    first = found["runs"]["first"]
    files = list(first["sha256"])
    lines = [
        "| Python | " + " | ".join(files) + " | figures, 4 digits |",
        "| --- |" + " --- |" * (len(files) + 1),
    ]
    for run in found["runs"].values():
        same = "the same" if rounded(run["metrics"]) == rounded(first["metrics"]) else "others"
        digests = " | ".join(f"`{run['sha256'][what][:12]}`" for what in files)
        lines.append(f"| {run['python']} | {digests} | {same} |")
    return "\n".join(lines)


def targets_again(found: Found) -> list[Target]:
    """Ask for equal bytes on one Python, equal telemetry and figures on all."""
    runs = found["runs"]
    first, again = runs["first"], runs["again"]
    others = [run for name, run in runs.items() if name.startswith("other")]
    return [
        Target("files that differ when run again",
               sum(first["sha256"][what] != again["sha256"][what] for what in first["sha256"]), 0,
               True, ""),
        Target("other Pythons tried", len(others), 2, False, ""),
        Target("of them, with other telemetry",
               sum(run["sha256"]["telemetry"] != first["sha256"]["telemetry"] for run in others), 0,
               True, ""),
        Target("of them, with other figures at 4 digits",
               sum(rounded(run["metrics"]) != rounded(first["metrics"]) for run in others), 0, True,
               ""),
    ]  # fmt: skip


# --- Bundles refused ----------------------------------------------------------------------------


class Command:
    """A pickle of it would run a command when it is opened."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"{sys.executable} -c \"open(r'{self._mark}', 'w')\"",)


def flip(bundle: Path, mark: Path) -> None:
    """Change one bit in the middle of the ONNX file."""
    content = bytearray((bundle / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(content)


def drop_feature(bundle: Path, mark: Path) -> None:
    """Name one feature less."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    manifest["features"].pop()
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def three_classes(bundle: Path, mark: Path) -> None:
    """Put in a model of three classes, with its digest in the manifest."""
    from skl2onnx import to_onnx

    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    model = LogisticRegression().fit(rows, np.arange(30) % 3)
    onnx = to_onnx(model, rows[:1], options={"zipmap": False})
    put(bundle, "model.onnx", onnx.SerializeToString())


def command_in_pickle(bundle: Path, mark: Path) -> None:
    """Put in a pickle that would run a command, with its digest in the manifest."""
    joblib.dump(Command(mark), bundle / "model.pkl")
    put(bundle, "model.pkl", (bundle / "model.pkl").read_bytes())


def put(bundle: Path, name: str, content: bytes) -> None:
    """Replace a file of a bundle, and what the manifest says of it."""
    (bundle / name).write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


DAMAGES: Final = {
    "one bit of `model.onnx` changed": flip,
    "one feature less in the manifest": drop_feature,
    "an ONNX model of three classes": three_classes,
    "a pickle that would run a command": command_in_pickle,
}
TESTS: Final = (
    "tests/pmd/test_bundle_check.py::test_a_flipped_byte_is_refused",
    "tests/pmd/test_bundle_check.py::test_a_manifest_that_does_not_fit_is_refused",
    "tests/pmd/test_bundle_check.py::test_an_onnx_model_of_another_class_count_is_refused",
    "tests/pmd/test_model_pickle.py::test_a_pickle_that_would_run_a_command_is_refused_by_name",
)


def measure_refusals(chosen: Namespace) -> Found:
    """Damage copies of a good bundle, and have each checked by the command."""
    seed = PLATFORM / "data"
    good = Path(
        trained(chosen.work / "good", "--input", seed / "sensors.csv",
                "--maintenance", seed / "maintenance.csv")["bundle"]
    )  # fmt: skip
    made("model_training", "--verify", good)
    found = {}
    for name, damage in DAMAGES.items():
        bundle, mark = chosen.work / "damaged" / good.name, chosen.work / "command-ran"
        shutil.rmtree(bundle.parent, ignore_errors=True)
        shutil.copytree(good, bundle)
        damage(bundle, mark)
        code, document = command("model_training", "--verify", bundle)
        found[name] = {"code": code, "error": document["error"], "ran": mark.exists()}
    return {"refused": found}


def shown_refusals(found: Found) -> str:
    """Tell what each damage is called."""
    lines = [f"- {name}, exit code {part['code']}: {part['error']}"
             for name, part in found["refused"].items()]  # fmt: skip
    return "\n".join([*lines, "", f"Held by {', '.join(f'`{name}`' for name in TESTS)}."])


def targets_refusals(found: Found) -> list[Target]:
    """Ask that each be refused and nothing run."""
    refused = found["refused"].values()
    return [
        Target("damages refused", sum(part["code"] == 1 for part in refused), len(DAMAGES), False,
               ""),
        Target("commands run", sum(part["ran"] for part in refused), 0, True, ""),
    ]  # fmt: skip


SIMULATED: Final = (
    "{count} fleets of {locos} locomotives over {days} days, a reading every {step} minutes, "
    "simulated with the seeds {first} to {last}, on which nothing was ever chosen"
)


def simulated(fleets: Fleets) -> str:
    """Say which fleets these are."""
    return SIMULATED.format(
        count=len(fleets.seeds), locos=fleets.locos, days=fleets.days, step=fleets.step_minutes,
        first=fleets.seeds[0], last=fleets.seeds[-1],
    )  # fmt: skip


LARGE_TEXT: Final = (
    f"{simulated(LARGE)}: the physics, the sizes and the default settings were, on held-out "
    "figures of other seeds. The size was fixed before any of these fleets was looked at, from the "
    "spread that “How much of a slope is chance” finds: what a fleet of forty prints is mostly the "
    "luck of its thirteen judging locomotives, whereas a fleet of this size can be told right from "
    "wrong between 0.8 and 1.25. They were run once; the only other set ever looked at is that of "
    "“The same on fleets of forty”, and what the trainer learns was not changed between both. The "
    "fleets share nothing, so that intervals of means are Student's; that of one fleet's slope is "
    "a bootstrap of its locomotives. A lead that is measured within the horizon cannot exceed its "
    "24 h; that of the lasting alarm runs from the first alarm of the run-up that goes on until "
    "the failure (silences of 6 h at most, 0 h where no alarm lasts) and has no bound. Since a "
    "model that alarms more warns earlier by that alone, it is also told at the threshold where "
    "each predictor gives one false alarm per locomotive and month. Leads come in steps of the "
    "readings."
)
SMALL_TEXT: Final = (
    f"{simulated(SMALL)} before: the size that the simulator has by default, and what a railway "
    "with few locomotives would get. Each is judged on thirteen locomotives and some 22 failures, "
    "so that its own figures are uncertain: see the next section. A target missed here is told, "
    "and says little of the trainer. Only manifests were kept, so that no slope has an interval."
)
NOISE_TEXT: Final = (
    f"{simulated(CROWD).removesuffix(', on which nothing was ever chosen')}, for development. The "
    f"model learns, as in a fleet of forty, from {FEW} locomotives and the first two thirds of the "
    "time, with the trainer's settings, folds and calibration; all the other locomotives judge it, "
    "so that next to no chance is left on their side; then draws of thirteen of them do. A slope "
    "whose mean is 1 on all of them shows that the model is not overconfident, neither for other "
    "locomotives nor for later days, and that no other calibration is called for; the spread says "
    "how far a single fleet can land by chance. Variances are taken to fall as the locomotives and "
    "days grow."
)


PAGE: Final = Page(
    "training_proofs",
    """# What a trained model shows

Made by `docs/bench/training_proofs.py`, by the commands that users run; raw figures in
`training_proofs.json`.
""",
    PACKAGES,
    {
        "unseen": Section(
            "Locomotives and months never seen",
            LARGE_TEXT,
            partial(measure_unseen, LARGE),
            shown_unseen,
            targets_unseen,
        ),
        "unseen-small": Section(
            "The same on fleets of forty",
            SMALL_TEXT,
            partial(measure_unseen, SMALL),
            shown_unseen,
            targets_unseen,
        ),
        "noise": Section(
            "How much of a slope is chance",
            NOISE_TEXT,
            measure_noise,
            shown_noise,
        ),
        "scenario": Section(
            "The operating scenario and the sense of the risk",
            "The model that `bootstrap_local.py` promotes, asked through ONNX Runtime. In a random "
            "pair one feature is moved in the sense that may only raise the risk, or leave it.",
            measure_scenario,
            shown_scenario,
            targets_scenario,
        ),
        "ai4i": Section(
            "AI4I 2020, by the command line alone",
            "The public table (UCI 601, S. Matzka, CC BY 4.0): 10,000 rows, 339 failures. The "
            "five columns that tell the kind of failure are given as features, without and with "
            "the declarations of `config/ai4i2020.yaml`; then that file's own options, on the "
            "table with the three derived columns that it names. `RNF` is told by declaration "
            "alone: of its 19 rows 18 are no machine failure, so that it gives nothing away.",
            measure_ai4i,
            shown_ai4i,
            targets_ai4i,
        ),
        "again": Section(
            "The same seed, again, and on other Pythons",
            "The three steps with the same seed, twice on one Python and once on each other one.",
            measure_again,
            shown_again,
            targets_again,
        ),
        "refusals": Section(
            "Bundles that are refused",
            "Copies of a good bundle, damaged, then `model_training.py --verify`.",
            measure_refusals,
            shown_refusals,
            targets_refusals,
        ),
    },
    rounds=0,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Show the chosen sections and write the page."""
    parser = PAGE.parser()
    parser.add_argument("--ai4i", type=Path, help="the table AI4I 2020, CSV")
    parser.add_argument("--python", action="append", default=[], help="another Python to try")
    return PAGE.run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
