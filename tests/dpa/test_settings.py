"""Defaults, environment and the warehouse's address."""

from pathlib import Path

import pytest

from dpa.errors import UsageError
from dpa.settings import SERVICE_ROOT, RejectLimit, Settings, warehouse_path


def test_defaults_stand_in_the_service_folder_whatever_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environ({})
    assert settings == Settings()
    assert settings.dwh == SERVICE_ROOT / "database" / "supply_chain_dwh.sqlite"
    assert settings.report == SERVICE_ROOT / "reports" / "rapport_supply_chain.xlsx"
    assert settings.erp.is_file()
    assert settings.machines.is_file()


def test_the_environment_replaces_defaults() -> None:
    settings = Settings.from_environ(
        {"DPA_DWH": "sqlite:///d.db", "DPA_REPORT": "r.xlsx", "DPA_LOG_DIR": "l"}
        | {"DPA_BUSY_TIMEOUT_S": "0.5"}
    )
    assert (settings.dwh, settings.report) == (Path("d.db"), Path("r.xlsx"))
    assert (settings.log_dir, settings.busy_timeout_s) == (Path("l"), 0.5)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a/b.db", "a/b.db"),
        ("sqlite:////srv/b.db", "/srv/b.db"),
        ("SQLite:///b.db", "b.db"),
        ("sqlite:///C:/data/b.db", "C:/data/b.db"),
        ("a/b.db", "a/b.db"),
        ("C:\\data\\b.db", "C:\\data\\b.db"),
    ],
)
def test_a_warehouse_is_a_url_or_a_path(url: str, path: str) -> None:
    assert warehouse_path(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    ["postgresql://h/d", "postgres+x://h", "sqlite://b.db", "sqlite:///", "sqlite:///:memory:", "",
     ":memory:"],
)  # fmt: skip
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--dwh"):
        warehouse_path(url)


def test_a_name_that_no_database_can_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="renommez-le"):
        Settings(erp=Path("\udce9t\udce9.csv")).refuse_unusable_paths()


def test_outputs_never_overwrite_inputs(tmp_path: Path) -> None:
    source = tmp_path / "a.xlsx"
    for settings in (
        Settings(erp=source, dwh=source),
        Settings(erp=source, report=tmp_path / "." / "a.xlsx"),
        Settings(mapping=source, report=source),
        Settings(dwh=source, report=source),
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
