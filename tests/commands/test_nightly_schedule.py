"""The night script of the documentation does with each exit code what the page says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fenced import fenced_blocks

PAGE = Path(__file__).parents[2] / "docs" / "planification-dpa.md"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the script needs a POSIX shell")


def run_night(folder: Path, codes: list[int]) -> tuple[int, int, str]:
    """Run the script on a pipeline that ends with `codes`, one by run.

    Give the script's own code, the number of runs, and what went to the system's journal.
    """
    (folder / "src").mkdir()
    runs = folder / "runs"
    (folder / "src" / "main_pipeline.py").write_text(
        "import json, sys, pathlib\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        "done = runs.stat().st_size if runs.exists() else 0\n"
        "runs.write_text('x' * (done + 1))\n"
        "print(json.dumps(sys.argv[1:]))\n"
        f"sys.exit({codes}[done])\n",
        encoding="utf-8",
    )
    journal = folder / "journal"
    shim = folder / "logger"
    shim.write_text(f'#!/bin/sh\necho "$@" >> "{journal}"\n', encoding="utf-8")
    shim.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", fenced_blocks(PAGE, "bash")[0]],
        env=os.environ
        | {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "DOSSIER": str(folder),
            "PYTHON": sys.executable,
            "EXPORTS": "/exports",
            "ATTENTE_S": "0",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stderr == ""
    [report] = (folder / "logs").glob("bilan-*.json")
    flags = json.loads(report.read_text(encoding="utf-8"))
    assert flags[0] == "--erp"
    assert flags[1].startswith("/exports/erp_20")
    said = journal.read_text(encoding="utf-8") if journal.exists() else ""
    return done.returncode, runs.stat().st_size, said


@pytest.mark.parametrize(
    ("codes", "code", "runs", "said"),
    [
        ([0], 0, 1, ""),
        ([1, 0], 0, 2, ""),
        ([1, 1, 1], 1, 3, "code 1 : échec ;"),
        ([2], 2, 1, "code 2 : commande incorrecte"),
        ([1, 3], 3, 2, "code 3 : données chargées"),
    ],
)
def test_the_night_script_retries_failures_and_tells_the_rest(
    tmp_path: Path, codes: list[int], code: int, runs: int, said: str
) -> None:
    found = run_night(tmp_path, codes)
    assert found[:2] == (code, runs)
    assert said in found[2]
    assert bool(said) == bool(found[2])
