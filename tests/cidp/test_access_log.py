"""A flood of answers leaves few lines, and each kind of answer leaves its first."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from loguru import logger

from cidp.access_log import REASON, AccessLog

if TYPE_CHECKING:
    from loguru import Message


@pytest.fixture
def records() -> Iterator[list[Any]]:
    kept: list[Any] = []

    def keep(message: "Message") -> None:
        kept.append(message.record)

    sink = logger.add(keep)
    yield kept
    logger.remove(sink)


def noted(log: AccessLog, status: int, count: int, **environ: str) -> None:
    for _ in range(count):
        log.note({"REMOTE_ADDR": "192.0.2.7", **environ}, "/predict", "POST", status, 0.00123)


def test_one_line_stands_for_many_answers_of_a_kind(records: list[Any]) -> None:
    log = AccessLog(100)
    noted(log, 200, 250)
    noted(log, 400, 1)
    assert [record["extra"]["status"] for record in records] == [200, 200, 200, 400]
    assert records[0]["message"] == "POST /predict 200 en 1,23 ms"
    facts = records[0]["extra"]
    assert (facts["duration_ms"], facts["address"], facts["one_of"]) == (1.23, "192.0.2.7", 100)


def test_failures_of_the_service_leave_a_line_for_ten_with_their_reason(records: list[Any]) -> None:
    noted(AccessLog(1000), 503, 11, **{REASON: "pas de modèle"})
    assert [record["level"].name for record in records] == ["WARNING"] * 2
    assert records[0]["message"].endswith("ms : pas de modèle")


def test_every_answer_can_have_its_line(records: list[Any]) -> None:
    noted(AccessLog(1), 200, 3)
    noted(AccessLog(1), 500, 3)
    assert len(records) == 6
