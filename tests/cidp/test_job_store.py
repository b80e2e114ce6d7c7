"""The table that processes share: one running job per slot, endings that stay, bounded history."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from cidp.errors import JobBusy, JobsUnavailable
from cidp.job_store import Ending, Job, JobStore, ProcessMark

JOB = Job(
    job_id="20260301T120000Z-00000001",
    kind="etl",
    options={"sites": ["Edéa"]},
    started_by="clé",
    on_behalf_of=None,
    started_at="2026-03-01T12:00:00Z",
    state="running",
    cancelled_by=None,
    ended_at=None,
    exit_code=None,
    error=None,
    result=None,
    owner=ProcessMark(1, 2.5),
    child=None,
)
DONE = Ending("succeeded", "2026-03-01T12:01:00Z", 0, None, '{"read": 3}')


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs" / "jobs.sqlite")


def named(number: int) -> Job:
    return replace(JOB, job_id=f"20260301T120000Z-{number:08x}")


def test_a_job_is_read_as_it_was_noted(store: JobStore) -> None:
    store.add(JOB, "entrepôt", "occupé")
    assert store.get(JOB.job_id) == JOB
    store.note_child(JOB.job_id, ProcessMark(7, 8.5))
    assert store.running() == [replace(JOB, child=ProcessMark(7, 8.5))]


def test_a_slot_takes_one_job_at_a_time(store: JobStore) -> None:
    store.add(named(1), "entrepôt", "occupé")
    store.add(named(2), "modèle", "occupé")
    with pytest.raises(JobBusy, match="occupé") as caught:
        store.add(named(3), "entrepôt", "occupé")
    assert caught.value.job_id == named(1).job_id
    store.end(named(1).job_id, DONE)
    store.add(named(3), "entrepôt", "occupé")


def test_an_ending_stays_and_cancelling_comes_too_late(store: JobStore) -> None:
    store.add(JOB, "entrepôt", "occupé")
    store.end(JOB.job_id, DONE)
    store.end(JOB.job_id, Ending("interrupted", "2026-03-01T13:00:00Z"))
    store.ask_to_cancel(JOB.job_id, "autre")
    found = store.get(JOB.job_id)
    assert found
    assert (found.state, found.result, found.cancelled_by) == ("succeeded", {"read": 3}, None)


def test_the_first_to_cancel_is_the_one_on_record(store: JobStore) -> None:
    store.add(JOB, "entrepôt", "occupé")
    for by in ("un", "deux"):
        store.ask_to_cancel(JOB.job_id, by)
    found = store.get(JOB.job_id)
    assert found
    assert found.cancelled_by == "un"


def test_a_running_job_is_never_forgotten(store: JobStore) -> None:
    store.add(named(1), "modèle", "occupé")
    for number in range(2, 6):
        store.add(named(number), "entrepôt", "occupé")
        store.end(named(number).job_id, DONE)
    assert store.forget(2) == [named(n).job_id for n in (2, 3)]
    assert [job.job_id for job in store.all()] == [named(n).job_id for n in (5, 4, 1)]


def test_nothing_is_made_by_looking(store: JobStore) -> None:
    assert (store.all(), store.running(), store.get(JOB.job_id)) == ([], [], None)
    assert not store.path.exists()


def test_a_file_that_is_no_store_is_said(store: JobStore) -> None:
    store.path.parent.mkdir()
    store.path.write_text("x" * 10_000, encoding="utf-8")
    with pytest.raises(JobsUnavailable, match=r"jobs\.folder"):
        store.all()


def test_a_store_held_by_another_is_said(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cidp.job_store._TIMEOUT_S", 0.1)
    store.add(JOB, "entrepôt", "occupé")
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JobsUnavailable):
        store.end(JOB.job_id, DONE)
    holder.close()
