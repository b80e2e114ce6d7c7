"""Sends generated requests to the API, writes api_contract.md: python docs/bench/api_contract.py.

Needs the root requirements. A model is made first in a temporary folder unless --models names a
registry. 50,000 requests take about a quarter of an hour; the exit code is 1 when one of them has
an answer of 500 or above, or breaks the contract.
"""

import argparse
import json
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from api_parts import load_warehouse, served_parts
from bench_page import machine
from contract_run import SEED, UNSTATED, Verdicts, judge, patient_clock, send_readings
from loguru import logger
from measuring import HERE, say

from cidp.http_api import app_of

KEY = "cle-du-banc-de-contrat"


def main() -> int:
    """Run and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--models", type=Path, help="registry with a promoted model")
    flags = parser.parse_args()
    logger.remove()
    with TemporaryDirectory() as folder, served_parts(Path(folder), flags.models, KEY) as parts:
        load_warehouse(parts.settings.etl.variables())
        app = app_of(parts, patient_clock())
        known = send_readings(app, KEY)
        began_s = time.monotonic()
        verdicts = judge(app, KEY, flags.requests, known, say)
        took_s = time.monotonic() - began_s
    (HERE / "api_contract.md").write_text(page(verdicts, took_s), encoding="utf-8")
    for name, text in verdicts.violations.items():
        sys.stderr.write(f"{name}\n{text}\n")
    return int(bool(verdicts.server_errors or verdicts.violations))


def page(verdicts: Verdicts, took_s: float) -> str:
    """Write the figures as a page."""
    operations = "\n".join(f"| {name} | {n:,} |" for name, n in verdicts.requests.items())
    statuses = ", ".join(f"{code}: {n:,}" for code, n in sorted(verdicts.statuses.items()))
    return f"""# The API against its contract

Made by `python docs/bench/api_contract.py` on {date.today():%Y-%m-%d}, in {took_s / 60:.0f} min.
{machine(("schemathesis", "hypothesis", "Flask", "pydantic", "onnxruntime"))}

Schemathesis {version("schemathesis")} reads `/openapi.json` from the application and generates
requests with the seed {SEED}: for each operation half of them follow the contract, half break it,
as far as there are such. Every second one asks for what exists: a locomotive with readings, an
alert, a version of the registry. The API has a model, a loaded warehouse and its reports; no job is
started, each being answered as if one were running.

Every answer goes through all of its checks (status, content type, headers, schema of the body, that
what breaks the contract is refused and what follows it is taken, that no answer is given without a
key). Requests that the checks send by themselves, without a key or with a wrong one, come on top
and are not counted.

| | measured | wanted |
| --- | --- | --- |
| requests generated | {verdicts.total:,} | ≥ 50,000 |
| answers of 500 or above | {verdicts.server_errors} | 0 |
| kinds of contract violations | {len(verdicts.violations)} | 0 |

{json.dumps(sorted(verdicts.violations)) if verdicts.violations else ""}
Answers by status: {statuses}.

| operation | requests |
| --- | --- |
{operations}

Left out is one check, that a request which follows the contract is taken, where a rule is one that
no schema can state: {", ".join(f"`{name}`" for name in sorted(UNSTATED))} (how old an instant may
be, which of two comes first, what the settings name, what a workbook holds) and NDJSON and CSV
bodies (a schema says of them only that they are text). An operation that takes nothing is asked
once.
"""


if __name__ == "__main__":
    sys.exit(main())
