"""The warehouse of the seed data, loaded by the ETL itself, with the reports that it wrote."""

import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl

from dpa.dwh_url import DwhUrl
from dpa.filters import Filters
from dpa.pipeline import run
from dpa.settings import Settings

SITES, FIRST, LAST = ("Douala", "Edéa"), date(2026, 1, 15), date(2026, 1, 25)


class Seeded(NamedTuple):
    """A loaded warehouse, the report of all of it, and that of two sites and eleven days."""

    dwh: str
    whole: Path
    part: Path


def seeded(folder: Path, dwh: str) -> Seeded:
    """Load the seed data into `dwh` twice, for two reports."""
    settings = Settings(
        dwh=DwhUrl.parse(dwh),
        report=folder / "tout.xlsx",
        log_dir=folder / "logs",
        machines_cache=folder / "copies",
    )
    run(settings)
    filtered = replace(settings, report=folder / "part.xlsx", filters=Filters(SITES, FIRST, LAST))
    run(filtered)
    return Seeded(dwh, settings.report, filtered.report)


def table(report: Path, name: str) -> list[dict[str, Any]]:
    """Read one named table of a report, by its headings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl leaves out what it does not know
        book = openpyxl.load_workbook(report)
    for sheet in book:
        if name in sheet.tables:
            head, *rows = ([cell.value for cell in row] for row in sheet[sheet.tables[name].ref])
            return [dict(zip(head, row, strict=True)) for row in rows]
    raise KeyError(name)
