"""A small desk: input files, a warehouse and a report in a folder of their own."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from postgres import BACK_ENDS, own_schema
from store import Store

from dpa.dwh_url import DwhUrl
from dpa.pipeline import Outcome, run
from dpa.settings import Settings

HEADER = "transaction_id,machine_id,date,volume_transferred,status_code"
MACHINES: list[dict[str, Any]] = [
    {"machine_id": "M1", "site_location": "Douala", "installation_year": 2010},
    {"machine_id": "M2", "site_location": "Yaoundé", "installation_year": None},
]
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


class Desk:
    """Writes inputs, runs the pipeline on them and reads the warehouse."""

    def __init__(self, folder: Path, dwh: DwhUrl | None = None) -> None:
        self.folder = folder
        self.settings = Settings(
            erp=folder / "erp.csv",
            machines=str(folder / "machines.json"),
            machines_cache=folder / "copies",
            dwh=dwh or DwhUrl.of_file(folder / "dwh.sqlite"),
            report=folder / "rapport.xlsx",
            log_dir=folder / "logs",
            busy_timeout_s=0.01,
        )
        self.machines(MACHINES)

    def machines(self, entries: Sequence[dict[str, Any]]) -> None:
        text = json.dumps(list(entries), ensure_ascii=False)
        Path(self.settings.machines).write_text(text, encoding="utf-8")

    def erp(self, *lines: str, header: str = HEADER, newline: str = "\n") -> Path:
        text = newline.join([header, *lines]) + newline
        self.settings.erp.write_bytes(text.encode())
        return self.settings.erp

    def run(self, **changes: Any) -> Outcome:
        return run(replace(self.settings, **changes), now=lambda: NOON)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return Store(self.settings.dwh).rows(sql)

    @property
    def flags(self) -> list[str]:
        return [
            f"--{name}={getattr(self.settings, name)}"
            for name in ("erp", "machines", "dwh", "report")
        ]

    @property
    def environ(self) -> dict[str, str]:
        return {"DPA_LOG_DIR": str(self.settings.log_dir), "DPA_BUSY_TIMEOUT_S": "0.01"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def make_desk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Desk]:
    return lambda: Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(params=BACK_ENDS)
def dwh_url(request: pytest.FixtureRequest, tmp_path: Path) -> DwhUrl:
    """The address of a warehouse that does not exist yet, of either kind."""
    if request.param == "sqlite":
        return DwhUrl.of_file(tmp_path / "dwh.sqlite")
    server = request.getfixturevalue("postgres_server")
    return DwhUrl.parse(own_schema(server, tmp_path.name))


@pytest.fixture
def store(dwh_url: DwhUrl) -> Store:
    """A warehouse of either kind, loaded part by part."""
    return Store(dwh_url)
