"""Sends generated requests to the API, writes api_contract.md: python docs/bench/api_contract.py.

Needs the root requirements. A model is made first in a temporary folder unless --models names a
registry. 50,000 requests take about a quarter of an hour on a core of their own; what is judged
stays in api_contract.json, so that --only judges some operations again. The exit code is 1 when an
answer of 500 or above is kept there, or one that breaks the contract.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from api_parts import load_warehouse, served_parts
from bench_page import machine
from contract_run import (
    REFUSALS,
    SEED,
    UNSTATED,
    Verdict,
    judge,
    operations,
    patient_clock,
    send_readings,
)
from loguru import logger
from measuring import HERE, say

from cidp.docs_api import contract
from cidp.http_api import app_of

KEY = "cle-du-banc-de-contrat"
RESULTS = HERE / "api_contract.json"


def main() -> int:
    """Run and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000, help="of all operations together")
    parser.add_argument("--models", type=Path, help="registry with a promoted model")
    parser.add_argument("--only", action="append", help='for example "POST /jobs"')
    flags = parser.parse_args()
    logger.remove()
    takes = operations(contract())
    each = -(-flags.requests // sum(takes.values()))
    known_before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    verdicts = {name: _read(known_before[name]) for name in takes if name in known_before}
    with TemporaryDirectory() as folder, served_parts(Path(folder), flags.models, KEY) as parts:
        load_warehouse(parts.settings.etl.variables())
        app = app_of(parts, patient_clock())
        for name in flags.only or takes:
            known = send_readings(app, KEY)
            verdicts[name] = judge(app, KEY, each if takes[name] else 1, known, name)
            say(f"  {name}: {verdicts[name].requests}")
            kept = {name: vars(verdicts[name]) for name in takes if name in verdicts}
            RESULTS.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    (HERE / "api_contract.md").write_text(page(verdicts), encoding="utf-8")
    violations = [text for verdict in verdicts.values() for text in verdict.violations.values()]
    sys.stderr.write("\n".join(violations))
    return int(bool(violations or any(verdict.server_errors for verdict in verdicts.values())))


def _read(kept: dict[str, dict[str, str]]) -> Verdict:
    statuses = {int(status): int(count) for status, count in kept["statuses"].items()}
    return Verdict(Counter(statuses), kept["violations"])


def page(verdicts: Mapping[str, Verdict]) -> str:
    """Write the figures as a page."""
    lines = "\n".join(
        f"| {name} | {verdict.requests:,} | {_counted(verdict.statuses)} |"
        for name, verdict in verdicts.items()
    )
    total = sum(verdict.requests for verdict in verdicts.values())
    server_errors = sum(verdict.server_errors for verdict in verdicts.values())
    violations = sorted(name for verdict in verdicts.values() for name in verdict.violations)
    return f"""# The API against its contract

Made by `python docs/bench/api_contract.py` on {date.today():%Y-%m-%d}.
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
| requests generated | {total:,} | ≥ 50,000 |
| answers of 500 or above | {server_errors} | 0 |
| kinds of contract violations | {len(violations)} | 0 |

{json.dumps(violations) if violations else ""}
| operation | requests | answers by status |
| --- | --- | --- |
{lines}

Left out is one check, that a request which follows the contract is taken, where a rule is one that
no schema can state: {", ".join(f"`{name}`" for name in sorted(UNSTATED))} (how old an instant may
be, which of two comes first, what the settings name, what a workbook holds) and NDJSON and CSV
bodies (a schema says of them only that they are text). {", ".join(map(str, REFUSALS))} counts
as a refusal, which it does not by default. An operation that takes nothing is asked once.
"""


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))


if __name__ == "__main__":
    sys.exit(main())
