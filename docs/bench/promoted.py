"""A model for benches that score: what `bootstrap_local.py` trains and promotes, once a folder."""

import json
import subprocess
import sys
from pathlib import Path

from measuring import PLATFORM, environment


def promoted_model(work: Path) -> str:
    """Give the folder of a model that `bootstrap_local.py` trained, once."""
    models = work / "models"
    if not (models / "promoted.json").exists():
        own = {"CAMRAIL_MODELS_DIR": str(models), "CAMRAIL_LOGS_DIR": str(work / "logs")}
        subprocess.run(
            [sys.executable, PLATFORM / "bootstrap_local.py"],
            env=environment() | own,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    promoted = json.loads((models / "promoted.json").read_text(encoding="utf-8"))
    return str(models / "instant" / promoted["instant"])
