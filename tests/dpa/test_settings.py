"""Defaults, environment and the warehouse's address."""

from datetime import date
from pathlib import Path

import pytest

from dpa.dwh_url import DwhUrl
from dpa.errors import UsageError
from dpa.settings import SERVICE_ROOT, RejectLimit, Settings, parse_day


def test_defaults_stand_in_the_service_folder_whatever_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environ({})
    assert settings == Settings()
    assert settings.dwh.path == SERVICE_ROOT / "database" / "supply_chain_dwh.sqlite"
    assert settings.report == SERVICE_ROOT / "reports" / "rapport_supply_chain.xlsx"
    assert settings.erp.is_file()
    assert Path(settings.machines).is_file()


def test_the_environment_replaces_defaults() -> None:
    settings = Settings.from_environ(
        {"DPA_DWH": "sqlite:///d.db", "DPA_REPORT": "r.xlsx", "DPA_LOG_DIR": "l"}
        | {"DPA_BUSY_TIMEOUT_S": "0.5", "DPA_MACHINES_API_KEY": "cle-secrete"}
    )
    assert (settings.dwh.path, settings.report) == (Path("d.db"), Path("r.xlsx"))
    assert settings.machines_api_key == "cle-secrete"
    assert "cle-secrete" not in repr(settings)
    assert (settings.log_dir, settings.busy_timeout_s) == (Path("l"), 0.5)


def test_a_name_that_no_database_can_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="renommez-le"):
        Settings(erp=Path("\udce9t\udce9.csv")).refuse_unusable_paths()


def test_outputs_never_overwrite_inputs(tmp_path: Path) -> None:
    source = tmp_path / "a.xlsx"
    for settings in (
        Settings(erp=source, dwh=DwhUrl.of_file(source)),
        Settings(erp=source, report=tmp_path / "." / "a.xlsx"),
        Settings(mapping=source, report=source),
        Settings(dwh=DwhUrl.of_file(source), report=source),
    ):
        with pytest.raises(UsageError, match="écraserait"):
            settings.refuse_unusable_paths()


@pytest.mark.parametrize(
    ("text", "rejected", "read", "exceeded"),
    [("0", 0, 9, False), ("0", 1, 9, True), ("2", 2, 9, False), ("10%", 1, 10, False),
     ("10 %", 2, 10, True), ("0,5%", 1, 100, True), ("100%", 9, 9, False)],
)  # fmt: skip
def test_a_limit_is_a_number_or_a_share(
    text: str, rejected: int, read: int, exceeded: bool
) -> None:
    assert RejectLimit.parse(text).exceeded(rejected, read) is exceeded


@pytest.mark.parametrize("text", ["", "-1", "x", "5%%", "nan", "1e3"])
def test_another_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-rejects"):
        RejectLimit.parse(text)


def test_a_limit_reads_as_french() -> None:
    assert [str(RejectLimit.parse(text)) for text in ("200", "2.5%")] == ["200", "2,5 %"]


def test_the_rejects_go_beside_the_report_unless_told_otherwise(tmp_path: Path) -> None:
    report = tmp_path / "r.xlsx"
    assert Settings(report=report).rejects_workbook == tmp_path / "rejets_a_corriger.xlsx"
    assert Settings(report=report, rejects=Path("x.xlsx")).rejects_workbook == Path("x.xlsx")


def test_an_address_is_no_file_that_an_output_could_overwrite() -> None:
    Settings(machines="https://erp.example/machines").refuse_unusable_paths()


@pytest.mark.parametrize("text", ["2026-01-31", "31/01/2026", " 31/01/2026 "])
def test_a_day_is_iso_or_french(text: str) -> None:
    assert parse_day("--from", text) == date(2026, 1, 31)


@pytest.mark.parametrize("text", ["", "hier", "2026-02-30", "01/31/2026", "31.01.2026"])
def test_another_day_is_refused_by_its_flag(text: str) -> None:
    with pytest.raises(UsageError, match="--from"):
        parse_day("--from", text)
