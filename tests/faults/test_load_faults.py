"""A load that is killed, or meets a held, stopped or full warehouse, changes all or nothing."""

import os
from dataclasses import replace

import pytest
from fault_cases import (
    UNCHANGED,
    Killing,
    completed,
    held_for_a_while,
    held_for_ever,
    judged,
    limited_desk,
    replace_environ,
    restored,
    stopped_at,
)
from fault_desk import PostgresWarehouse, SqliteWarehouse


def test_a_killed_load_leaves_all_or_nothing_and_the_next_run_completes(load: Killing) -> None:
    for share in (0.1, 0.4, 0.7, 1.05):
        outcome = load.at(share, first_load=share == 0.4)
        assert outcome.fault == "", share
        assert outcome.tables in ("old", "new")


def test_a_held_warehouse_is_waited_for(load: Killing) -> None:
    patient = replace(load, desk=replace_environ(load.desk, {"DPA_BUSY_TIMEOUT_S": "240"}))
    outcome = held_for_a_while(patient, load.scenarios[0], held_s=0.5)
    assert (outcome.fault, outcome.code, outcome.tables) == ("", 0, "new")


def test_a_warehouse_held_for_ever_is_named_and_unchanged(load: Killing) -> None:
    outcome = held_for_ever(load, load.scenarios[0])
    assert (outcome.fault, outcome.code, outcome.tables, outcome.report) == ("", 1, "old", "old")


@pytest.mark.postgresql
def test_a_server_stopped_in_mid_load_is_named_and_nothing_has_changed(
    postgresql_load: Killing,
) -> None:
    warehouse = postgresql_load.desk.warehouse
    assert isinstance(warehouse, PostgresWarehouse)
    for share in (0.3, 0.1, 0.0, 0.0, 0.0):  # a run may be much faster than the one observed
        outcome = stopped_at(postgresql_load, warehouse.server, share)
        assert outcome.fault == "", share
        if outcome.code == 1:
            break
    assert (outcome.code, outcome.tables) == (1, "old")


@pytest.mark.skipif(os.name == "nt", reason="only POSIX limits the size of files")
def test_a_disk_without_room_for_the_warehouse_is_named_and_nothing_has_changed(
    sqlite_load: Killing,
) -> None:
    warehouse, scenario = sqlite_load.desk.warehouse, sqlite_load.scenarios[0]
    assert isinstance(warehouse, SqliteWarehouse)
    restored(sqlite_load.desk, scenario)
    short = limited_desk(sqlite_load.desk, warehouse.path.stat().st_size + 8_192)
    end = short.run(sqlite_load.export, *sqlite_load.options)
    outcome = completed(
        sqlite_load, scenario, judged("limit", sqlite_load, scenario, end, UNCHANGED)
    )
    assert (outcome.fault, outcome.code, outcome.tables) == ("", 1, "old")
