from datetime import UTC, datetime
from pathlib import Path

import pytest

from pmd.errors import InvalidOption, MissingColumns, UnusableFile
from pmd.processing import label_telemetry

NOW = datetime(2026, 2, 1, tzinfo=UTC)
HEADER = "timestamp,loco_id,flow_rate,pressure,vibration,temperature,failure\n"
ORDERS = "loco_id,opened_at,closed_at,failure_type,status\n"


def hour(day: int, hour: int = 0) -> str:
    return f"2026-01-{day:02d}T{hour:02d}:00:00Z"


def row(day: int, at: int = 0, loco: str = "A", failure: str = "0", flow: str = "500") -> str:
    return f"{hour(day, at)},{loco},{flow},5,2,45,{failure}\n"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.csv"
    path.write_text(
        HEADER
        + row(1)
        + row(2, 12)
        + row(3, failure="1")
        + row(3, 6)
        + row(4)
        + row(4)
        + row(4, 1, flow="abc")
        + "trop,court\n"
        + row(9)
        + row(10),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def maintenance(tmp_path: Path) -> Path:
    path = tmp_path / "maintenance.csv"
    path.write_text(ORDERS + f"A,{hour(3)},{hour(3, 12)},hydraulic_leak,closed\n", encoding="utf-8")
    return path


def test_every_row_read_is_accounted_for(raw: Path, maintenance: Path) -> None:
    account = label_telemetry(raw, maintenance, 24, NOW).account
    assert account.read == 10
    assert (account.kept, account.rejected, account.duplicates) == (5, 2, 1)
    assert (account.in_repair, account.unobserved) == (1, 1)
    assert account.read == account.kept + account.rejected + account.duplicates + 2


def test_the_label_says_that_a_failure_comes_within_the_horizon(
    raw: Path, maintenance: Path
) -> None:
    labelled = label_telemetry(raw, maintenance, 24, NOW)
    assert labelled.rows["failure"].tolist() == [0, 1, 1, 0, 0]
    assert label_telemetry(raw, maintenance, 72, NOW).rows["failure"].tolist() == [1, 1, 1, 0]
    assert (labelled.account.failures, labelled.account.positives) == (1, 2)


def test_failures_are_known_from_work_orders_alone(raw: Path, maintenance: Path) -> None:
    without = raw.with_name("sensors.csv")
    lines = raw.read_text(encoding="utf-8").splitlines()
    cut = [line.rsplit(",", 1)[0] if line.count(",") > 1 else line for line in lines]
    without.write_text("\n".join(cut) + "\n", encoding="utf-8")
    assert label_telemetry(without, maintenance, 24, NOW).rows["failure"].tolist() == [
        0,
        1,
        1,
        0,
        0,
    ]


def test_without_work_orders_the_raw_flag_is_needed(raw: Path) -> None:
    assert label_telemetry(raw, None, 24, NOW).account.in_repair == 0
    raw.write_text(raw.read_text(encoding="utf-8").replace("failure", "autre"), encoding="utf-8")
    with pytest.raises(MissingColumns, match="failure"):
        label_telemetry(raw, None, 24, NOW)


def test_rejects_keep_file_line_and_reason_of_both_files(raw: Path, maintenance: Path) -> None:
    with maintenance.open("a", encoding="utf-8") as file:
        file.write("A,jamais,,x,open\n")
    labelled = label_telemetry(raw, maintenance, 24, NOW)
    rejects = labelled.rejects
    assert labelled.account.rejected_orders == 1
    assert list(rejects.columns) == ["file", "line", "reason", "content"]
    assert list(zip(rejects["file"], rejects["line"], strict=True)) == [
        ("raw.csv", 7), ("raw.csv", 8), ("raw.csv", 9), ("maintenance.csv", 3),
    ]  # fmt: skip


def test_sources_are_the_files_with_their_rows(raw: Path, maintenance: Path) -> None:
    sources = label_telemetry(raw, maintenance, 24, NOW).sources
    assert [(source.path, source.rows) for source in sources] == [(raw, 10), (maintenance, 1)]


@pytest.mark.parametrize("body", ["", "hier,A,500,5,2,45,0\n"])
def test_a_file_without_a_usable_row_is_refused(raw: Path, body: str) -> None:
    raw.write_text(HEADER + body, encoding="utf-8")
    with pytest.raises(UnusableFile, match="aucune ligne utilisable"):
        label_telemetry(raw, None, 24, NOW)


def test_the_refusal_tells_the_first_reject(raw: Path) -> None:
    raw.write_text(HEADER + "hier,A,500,5,2,45,0\n", encoding="utf-8")
    with pytest.raises(UnusableFile, match=r"raw\.csv ligne 2 : timestamp"):
        label_telemetry(raw, None, 24, NOW)


def test_work_orders_without_their_columns_are_refused(raw: Path, maintenance: Path) -> None:
    maintenance.write_text("loco_id,opened_at\nA,2026-01-01\n", encoding="utf-8")
    with pytest.raises(MissingColumns, match="closed_at"):
        label_telemetry(raw, maintenance, 24, NOW)


def test_telemetry_that_is_already_labelled_is_refused(raw: Path, maintenance: Path) -> None:
    lines = raw.read_text(encoding="utf-8").splitlines()
    processed = [f"{line},24" if line.count(",") > 1 else line for line in lines]
    processed[0] = f"{lines[0]},horizon_hours"
    raw.write_text("\n".join(processed) + "\n", encoding="utf-8")
    with pytest.raises(InvalidOption, match="déjà préparée"):
        label_telemetry(raw, maintenance, 24, NOW)


def test_a_history_without_work_orders_yet_is_processed(raw: Path, maintenance: Path) -> None:
    maintenance.write_text(ORDERS, encoding="utf-8")
    assert label_telemetry(raw, maintenance, 24, NOW).account.failures == 1
