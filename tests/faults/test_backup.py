"""The commands of the continuity file save a warehouse and bring it back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_cases import Killing, checked_run, restored
from fenced import fenced_blocks
from postgres_server import binaries

PAGE = Path(__file__).parents[2] / "Data-Pipeline-Automation" / "DOSSIER_SECURITE_CONTINUITE_PCR.md"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the blocks need a POSIX shell")


def shell(command: str, home: Path, url: str) -> None:
    """Run the page's block that has `command`, as somebody in the service's folder does."""
    block = next(block for block in fenced_blocks(PAGE, "bash") if command in block)
    path = os.pathsep.join([str(home), str(binaries()), os.environ["PATH"]])
    environ = os.environ | {"PATH": path, "DPA_DWH": url, "HOME": str(home)}
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=PAGE.parent, env=environ, check=True
    )


def test_a_restored_backup_is_the_warehouse_of_its_day_and_loads_go_on(
    load: Killing, tmp_path: Path
) -> None:
    desk, scenario = load.desk, load.scenarios[0]
    shim = tmp_path / "python"  # a link would not find the packages of this environment
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    restored(desk, scenario)
    shell("backup make", tmp_path, desk.warehouse.url)
    checked_run(desk, load.export, *load.options)
    assert desk.warehouse.digest() == scenario.new
    shell("backup restore", tmp_path, desk.warehouse.url)
    assert desk.warehouse.digest() == scenario.old
    checked_run(desk, load.export, *load.options)
    assert desk.warehouse.digest() == scenario.new
