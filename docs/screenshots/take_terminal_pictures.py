"""Take the pictures of commands and tables: python docs/screenshots/take_terminal_pictures.py.

Runs the ETL, then the three steps of the trainer, with their defaults, in a temporary copy of the
two services, and pictures what they print as a terminal shows it; only the copy's own path is left
out. Then pictures what the warehouse holds. `--only etl` or `--only trainer` takes those of one
service. Needs a Chromium, as take_screenshots.py does.
"""

import argparse
import html
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from take_screenshots import CHROMIUM_FLAGS, PICTURES, chromium

ROOT = PICTURES.parents[1]
ETL = "Data-Pipeline-Automation"
TRAINER = "Predictive-Maintenance-Dashboard"
SERVICES = {"etl": ETL, "trainer": TRAINER}
WAREHOUSE = Path(ETL, "database", "supply_chain_dwh.sqlite")
MADE_BY_RUNS = shutil.ignore_patterns(
    "__pycache__", "database", "reports", "logs", "data", "models"
)
COMMANDS = (
    ("05_dpa_pipeline_execution", ETL, ["main_pipeline.py"]),
    ("07_pmd_generation_donnees", TRAINER, ["data_generator.py", "data_processing.py"]),
    ("08_pmd_model_training", TRAINER, ["model_training.py"]),
)
COUNTED = (
    "dim_lot", "dim_date", "dim_site", "dim_machine", "dim_statut", "fact_transactions",
    "aggr_daily_site_stats", "rejets", "audit_corrections",
)  # fmt: skip
SAMPLES = (
    (
        "fact_transactions",
        "transaction_id, machine_id, site_location, date, volume_transferred, status_code, "
        "critical_alert, source_line",
        "transaction_key",
    ),
    (
        "aggr_daily_site_stats",
        "day, site_location, total_volume, total_alerts, active_machines, transaction_count",
        "date_key, site_key",
    ),
    ("rejets", "source_file, source_line, rule_code, value, status", "reject_key"),
)
SAMPLE_ROWS = 6
WIDTH = 1180

STYLE = """
body { margin: 0; padding: 24px; background: #d7dde5; font-family: 'DejaVu Sans', sans-serif; }
.window { border-radius: 8px; overflow: hidden; box-shadow: 0 4px 18px #0005; }
.bar { background: #2b2f36; color: #cfd6df; font-size: 13px; padding: 9px 14px; }
.bar i { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; }
pre { margin: 0; padding: 16px 18px; background: #12161c; color: #dde3ea; white-space: pre-wrap;
      overflow-wrap: anywhere; font: 14px/1.45 'DejaVu Sans Mono', monospace; }
.prompt { color: #7fd67f; } .warning { color: #f2c14e; } .dim { color: #8a94a3; }
.sheet { background: white; padding: 14px 18px 20px; font-size: 13px; color: #1f2933; }
h2 { font-size: 15px; color: #1f3864; margin: 14px 0 6px; }
table { border-collapse: collapse; } th { background: #1f3864; color: white; text-align: left; }
th, td { padding: 4px 10px; border: 1px solid #ccd3dc; white-space: nowrap; }
td.number { text-align: right; }
.side { display: flex; gap: 28px; }
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Take the chosen pictures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SERVICES, help="service whose pictures are taken")
    only = parser.parse_args(argv).only
    services = [SERVICES[only]] if only else [*SERVICES.values()]
    program = chromium()
    if program is None:
        return 1
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        copy = Path(name).resolve()
        for service in services:
            shutil.copytree(ROOT / service, copy / service, ignore=MADE_BY_RUNS)
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        for picture, service, scripts in COMMANDS:
            if service not in services:
                continue
            told = "\n".join(run(copy / service / "src", script, copy) for script in scripts)
            save(browser, framed(f"Terminal : {service}/src", f"<pre>{told}</pre>"), picture)
        if ETL in services:
            tables = "".join(shown_tables(copy / WAREHOUSE))
            title = f"{WAREHOUSE.name} : entrepôt SQLite"
            save(browser, framed(title, f"<div class=sheet>{tables}</div>"), "06_dpa_sqlite_dwh")
        browser.close()
    return 0


def run(folder: Path, script: str, copy: Path) -> str:
    """Run a script in its folder; give its command and all that it prints, as HTML."""
    done = subprocess.run(  # noqa: S603 (our own programs)
        [sys.executable, script],
        cwd=folder,
        env=os.environ | {"PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=True,
    )
    lines = done.stdout.replace(f"{copy}{os.sep}", "").splitlines()
    prompt = f"<span class=dim>~/CAMRAIL/{folder.parent.name}/src</span>"
    command = f"{prompt} <span class=prompt>$</span> python {script}"
    return "\n".join([command, *map(coloured, lines), ""])


def coloured(line: str) -> str:
    """Write a line as HTML, a warning in its colour."""
    text = html.escape(line)
    return f"<span class=warning>{text}</span>" if line.startswith("WARNING") else text


def shown_tables(warehouse: Path) -> Iterator[str]:
    """Write how many rows each table holds, and the first rows of some."""
    with closing(sqlite3.connect(warehouse)) as connection:
        counts = [
            (name, connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0])  # noqa: S608
            for name in COUNTED
        ]
        yield "<h2>Tables</h2><div class=side>"
        for start in range(0, len(counts), 3):
            yield table(("table", "lignes"), counts[start : start + 3])
        yield "</div>"
        for name, columns, order in SAMPLES:
            query = f"SELECT {columns} FROM {name} ORDER BY {order} LIMIT {SAMPLE_ROWS}"  # noqa: S608
            yield f"<h2>{html.escape(query)}</h2>"
            yield table(columns.split(", "), connection.execute(query).fetchall())


def table(headings: Sequence[str], rows: Sequence[tuple[object, ...]]) -> str:
    """Write rows as an HTML table, numbers to the right."""
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def cell(value: object) -> str:
    """Write one cell."""
    if isinstance(value, (int, float)):
        said = f"{value:,}".replace(",", "\N{NO-BREAK SPACE}").replace(".", ",")
        return f"<td class=number>{said}</td>"
    return f"<td>{html.escape(str(value))}</td>"


def framed(title: str, content: str) -> str:
    """Put content into the frame of a window."""
    lights = "".join(f"<i style='background:{colour}'></i>" for colour in ("#f56", "#fb3", "#3c6"))
    return (
        f"<!doctype html><style>{STYLE}</style><div class=window>"
        f"<div class=bar>{lights}{html.escape(title)}</div>{content}</div>"
    )


def save(browser: Browser, page_html: str, name: str) -> None:
    """Picture a page whole, beside this script."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 100})
    page.set_content(page_html)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
    page.close()
    sys.stdout.write(f"{name}.png\n")


if __name__ == "__main__":
    raise SystemExit(main())
