"""Stand-ins of the other services' programs, which print what a test wants them to."""

import json
import textwrap
from pathlib import Path
from typing import Any

from cidp.settings import EtlSettings, EtlSource, JobSettings, LogSettings, Settings

SUMMARY: dict[str, Any] = {
    "status": "ok",
    "error": None,
    "run_id": "r1",
    "dwh": "dwh.sqlite",
    "report": None,
    "rejects_workbook": None,
    "engine": "pandas",
    "read": 3,
    "loaded": 3,
    "rejected": 0,
    "duplicates": 0,
    "skipped": 0,
    "inserted": 3,
    "corrected": 0,
    "open_rejects": 0,
    "rejects_by_rule": {},
    "warnings": [],
    "sources": [],
    "total_volume": 1.5,
    "duration_s": 0.1,
}
SAYS = f"print({json.dumps(json.dumps(SUMMARY))})"
"""Body of an ETL that succeeds."""

WARNS = SAYS.replace('"ok\\"', '"committed_with_warnings\\"') + "; sys.exit(3)"
"""Body of an ETL that has committed, with too many rejects."""

WAITS = "print('prêt', file=sys.stderr, flush=True); time.sleep(600)"
"""Body of a program that works until it is stopped."""


def with_etl(settings: Settings, folder: Path, body: str = SAYS, **changes: Any) -> Settings:
    """Return settings whose ETL is the Python code `body`, and whose jobs live in `folder`."""
    script = folder / "etl" / "src" / "main_pipeline.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        "import json, os, pathlib, signal, subprocess, sys, time\n" + textwrap.dedent(body),
        encoding="utf-8",
    )
    etl = EtlSettings(
        folder=folder / "etl",
        dwh=str(folder / "dwh.sqlite"),
        report=folder / "reports" / "rapport_supply_chain.xlsx",
        sources={"quotidien": EtlSource(erp=folder / "erp.csv"), "autre": EtlSource(erp=folder)},
    )
    return settings.model_copy(
        update={
            "etl": etl.model_copy(update=changes),
            "jobs": JobSettings(folder=folder / "jobs", history=3),
            "logs": LogSettings(folder=folder / "logs"),
        }
    )
