"""Where the examples read and write, and how they call the pipeline."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
SERVICE: Final = HERE.parent / "Data-Pipeline-Automation"
SAMPLES: Final = HERE / "donnees"
OUTPUT: Final = HERE / "sortie"
WAREHOUSE: Final = OUTPUT / "entrepot_exemples.sqlite"
TEMPLATE: Final = OUTPUT / "modele_saisie_erp.xlsx"

sys.path.insert(0, str(SERVICE / "src"))


def say(text: str) -> None:
    """Write one line for the person who runs the example."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def shown(path: Path) -> str:
    """Give a path as seen from the folder of the examples' parent."""
    return path.relative_to(HERE.parent).as_posix()


def run_pipeline(transactions: Path, warehouse: Path, report: Path) -> str:
    """Load transactions into a warehouse of the examples; give the balance that was printed.

    Exits with the pipeline's code and message when it fails.
    """
    OUTPUT.mkdir(exist_ok=True)
    done = subprocess.run(  # noqa: S603 (our own launcher, no shell)
        [
            sys.executable,
            SERVICE / "src" / "main_pipeline.py",
            "--erp",
            transactions,
            "--dwh",
            warehouse,
            "--report",
            report,
        ],
        env=os.environ | {"DPA_LOG_DIR": str(OUTPUT / "journaux"), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)
    return done.stdout


def example_warehouse() -> Path:
    """Give the warehouse of the examples, made from the service's samples the first time."""
    if not WAREHOUSE.exists():
        say("Premier passage : chargement des fichiers d'exemple dans un entrepôt à part…")
        samples = SERVICE / "data_raw" / "erp_daily_transactions.csv"
        run_pipeline(samples, WAREHOUSE, OUTPUT / "rapport_exemples.xlsx")
    return WAREHOUSE
