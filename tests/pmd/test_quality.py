from datetime import UTC, datetime

import pandas as pd
import pytest

from pmd.quality import Checked, check_maintenance, check_telemetry, rejected, without_duplicates

GOOD = {
    "timestamp": "2026-01-01T00:00:00Z",
    "loco_id": "LOCO_001",
    "flow_rate": "500",
    "pressure": "5",
    "vibration": "2",
    "temperature": "45",
}


def telemetry(cells: pd.DataFrame) -> Checked:
    return check_telemetry(cells, datetime(2026, 2, 1, tzinfo=UTC))


def work_orders(cells: pd.DataFrame) -> Checked:
    return check_maintenance(cells, datetime(2026, 2, 1, tzinfo=UTC))


def cells(*rows: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame([GOOD | row for row in rows], dtype=object)
    return frame.set_axis(range(2, 2 + len(rows)))


def orders(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["loco_id", "opened_at", "closed_at"], dtype=object)
    frame["failure_type"] = pd.Series([" bearing_wear "] * len(rows), dtype=object)
    return frame.set_axis(range(2, 2 + len(rows)))


def test_a_good_row_becomes_typed() -> None:
    checked = telemetry(cells({"failure": "1"}))
    row = checked.rows.iloc[0]
    assert row["timestamp"] == pd.Timestamp("2026-01-01", tz="UTC")
    assert (row["flow_rate"], row["failure"]) == (500.0, 1)
    assert checked.rejects.empty


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"timestamp": "hier"}, "timestamp : « hier » n'est pas un horodatage ISO 8601"),
        ({"timestamp": "now"}, "timestamp : « now » n'est pas un horodatage ISO 8601"),
        ({"timestamp": ""}, "timestamp : «  » n'est pas un horodatage ISO 8601"),
        ({"timestamp": "1970-01-01T00:00:07Z"}, "est avant 2000 ou dans le futur"),
        ({"timestamp": "2026-02-02T00:00:00Z"}, "est avant 2000 ou dans le futur"),
        ({"loco_id": "-x"}, "loco_id : « -x » n'est pas un identifiant de locomotive"),
        ({"loco_id": "L\x07"}, "n'est pas un identifiant de locomotive"),
        ({"loco_id": "L" * 65}, "n'est pas un identifiant de locomotive"),
        ({"pressure": "abc"}, "pressure : « abc » n'est pas un nombre"),
        ({"pressure": ""}, "pressure : «  » n'est pas un nombre"),
        ({"vibration": "nan"}, "vibration : « nan » n'est pas un nombre"),
        ({"vibration": "inf"}, "vibration : « inf » n'est pas un nombre"),
        ({"temperature": "1e308"}, "hors du possible [-40 ; 200] °C"),
        ({"flow_rate": "-1"}, "flow_rate : « -1 » hors du possible [0 ; 1500] L/min"),
        ({"failure": "2"}, "failure : « 2 » n'est ni 0 ni 1"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_reason(bad: dict[str, str], reason: str) -> None:
    checked = telemetry(cells({"failure": "0", **bad}, {"failure": "0"}))
    assert len(checked.rows) == 1
    assert checked.rejects["line"].tolist() == [2]
    assert reason in checked.rejects["reason"].iloc[0]
    assert "LOCO" in checked.rejects["content"].iloc[0] or "loco_id" in bad


def test_only_the_first_reason_is_told() -> None:
    checked = telemetry(cells({"timestamp": "hier", "pressure": "abc"}))
    assert "pressure" not in checked.rejects["reason"].iloc[0]


def test_a_duplicate_names_the_line_that_is_kept() -> None:
    table = cells({}, {"loco_id": "LOCO_002"}, {"flow_rate": "400"}, {"flow_rate": "300"})
    rows, repeats = without_duplicates(telemetry(table).rows)
    assert rows["flow_rate"].tolist() == [500.0, 500.0]
    assert repeats.to_dict() == dict.fromkeys((4, 5), "doublon (loco_id, timestamp) de la ligne 2")
    assert rejected(table, repeats)["content"].tolist() == [
        "2026-01-01T00:00:00Z,LOCO_001,400,5,2,45", "2026-01-01T00:00:00Z,LOCO_001,300,5,2,45",
    ]  # fmt: skip


def test_a_rejected_row_does_not_make_the_good_one_a_duplicate() -> None:
    rows, repeats = without_duplicates(telemetry(cells({"pressure": "abc"}, {})).rows)
    assert (len(rows), len(repeats)) == (1, 0)


def test_the_same_instant_written_with_another_offset_is_a_duplicate() -> None:
    other = {"timestamp": "2026-01-01T01:00:00+01:00"}
    assert len(without_duplicates(telemetry(cells({}, other)).rows)[1]) == 1


def test_rows_come_by_locomotive_and_time() -> None:
    later = {"timestamp": "2026-01-02"}
    table = cells(later | {"loco_id": "B"}, later | {"loco_id": "A"}, {"loco_id": "A"})
    assert without_duplicates(telemetry(table).rows)[0]["line"].tolist() == [4, 3, 2]


def test_no_row_at_all_is_no_row() -> None:
    checked = telemetry(cells({}).iloc[:0])
    assert (len(checked.rows), len(checked.rejects)) == (0, 0)
    assert len(without_duplicates(checked.rows)[0]) == 0


def test_an_open_order_has_no_closing_instant() -> None:
    checked = work_orders(orders(("A", "2026-01-01", ""), ("A", "2025-01-01", "2025-01-02")))
    assert checked.rows["closed_at"].isna().tolist() == [False, True]
    assert checked.rows["failure_type"].tolist() == ["bearing_wear"] * 2


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (("", "2026-01-01", ""), "identifiant"),
        (("A", "bientôt", ""), "opened_at"),
        (("A", "2026-01-01", "bientôt"), "closed_at"),
        (("A", "2026-01-02", "2026-01-01"), "précède l'ouverture"),
        (("A", "2026-02-02", ""), "opened_at : « 2026-02-02 » est dans le futur"),
    ],
)
def test_a_bad_order_is_rejected_with_its_reason(order: tuple[str, str, str], reason: str) -> None:
    checked = work_orders(orders(order, ("A", "2026-01-01", "2026-01-02")))
    assert len(checked.rows) == 1
    assert reason in checked.rejects["reason"].iloc[0]
