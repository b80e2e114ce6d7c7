"""The overview of an export: the statistics of a load, without a warehouse."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loguru import logger

from dpa.errors import DpaError, UsageError
from dpa.french import NBSP
from dpa.overview import write_overview
from dpa.settings import Settings

EXPORT = """transaction_id,machine_id,date,volume_transferred,status_code
T1,M1,2026-01-05 23:30:00,12.5,WARN
T2,M1,2026-01-05,30,OK
T3,M9,05/01/2026,1.25,OK
T4,M2,2026-01-06,40,OK
T4,M2,2026-01-06,40,OK
T5,M2,2026-01-06,abc,OK
T6,M2,2026-01-06,-1,ERR
"""
MACHINES = """[
{"machine_id": "M1", "site_location": "Douala", "installation_year": 2010},
{"machine_id": "M2", "site_location": "Yaoundé", "installation_year": null}
]"""


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged meanwhile, with plain spaces."""
    lines: list[str] = []
    sink = logger.add(
        lambda line: lines.append(line.replace(NBSP, " ").rstrip()), format="{message}"
    )
    yield lines
    logger.remove(sink)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    erp, machines = tmp_path / "erp.csv", tmp_path / "machines.json"
    erp.write_text(EXPORT, encoding="utf-8")
    machines.write_text(MACHINES, encoding="utf-8")
    return replace(Settings(), erp=erp, machines=str(machines))


STATS = """day;site_location;total_volume;total_alerts;active_machines;transaction_count
2026-01-05;Douala;42,5;1;1;2
2026-01-05;Inconnu;1,25;0;1;1
2026-01-06;Yaoundé;40,0;0;1;1
"""


def test_the_statistics_come_by_day_and_site(settings: Settings) -> None:
    assert write_overview(settings) == STATS


def test_a_file_opens_right_in_a_french_excel(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "nouveau" / "apercu.csv"
    assert write_overview(settings, out) == f"{out}\n"
    assert out.read_bytes() == b"\xef\xbb\xbf" + STATS.encode()


def test_the_balance_of_the_rows_is_said(settings: Settings, said: list[str]) -> None:
    write_overview(settings)
    assert "7 lignes lues ; 4 lignes retenues ; 2 lignes rejetées ; 1 doublon." in said
    assert "VOLUME_NEGATIF : 1 ligne rejetée" in said


def test_a_target_that_cannot_be_written_is_told(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DpaError, match=r"écriture impossible .* ; .*--out"):
        write_overview(settings, tmp_path / "erp.csv" / "apercu.csv")


def test_an_input_is_never_overwritten(settings: Settings) -> None:
    before = settings.erp.read_bytes()
    with pytest.raises(UsageError, match=r"--out .* écraserait"):
        write_overview(settings, settings.erp)
    assert settings.erp.read_bytes() == before
