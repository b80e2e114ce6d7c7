"""A report that is killed or finds no room is the old one or a complete new one."""

import os

import pytest
from fault_cases import (
    INCOMPLETE,
    Killing,
    completed,
    judged,
    limited_desk,
    restored,
)

SMALLER_THAN_A_REPORT = 16_384


def test_a_killed_report_is_the_old_one_or_a_complete_one(reporting: Killing) -> None:
    for share in (0.4, 0.9):
        outcome = reporting.at(share)
        assert outcome.fault == "", share
        assert (outcome.tables, outcome.report in ("old", "new")) == ("new", True)


@pytest.mark.postgresql
@pytest.mark.skipif(os.name == "nt", reason="only POSIX limits the size of files")
def test_a_disk_without_room_for_the_report_costs_the_report_only(postgresql_load: Killing) -> None:
    """The server writes the tables, so that the limit is the report's alone."""
    scenario = postgresql_load.scenarios[0]
    restored(postgresql_load.desk, scenario)
    short = limited_desk(postgresql_load.desk, SMALLER_THAN_A_REPORT)
    end = short.run(postgresql_load.export, *postgresql_load.options)
    outcome = judged(
        "limit", postgresql_load, scenario, end, "Les données sont chargées", INCOMPLETE
    )
    assert (outcome.fault, outcome.code, outcome.report) == ("", INCOMPLETE, "old")
    assert completed(postgresql_load, scenario, outcome).fault == ""
