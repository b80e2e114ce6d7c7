"""What every process that serves the API knows of the jobs, in one small SQLite file."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil

from cidp.errors import JobBusy, JobsUnavailable

State = Literal["running", "succeeded", "failed", "cancelled", "interrupted"]
_TIMEOUT_S = 5.0
_CLOCK_SLACK_S = 5.0
"""How far the birth of one process may seem to move when the machine's clock is set."""

INTERRUPTED = "L'API s'est arrêtée pendant ce travail, qui s'est arrêté avec elle ; relancez-le."


class ProcessMark(NamedTuple):
    """One process, told from any later one that gets its id."""

    pid: int
    born_s: float

    @classmethod
    def of(cls, pid: int | None = None) -> "ProcessMark":
        """Mark a running process, this one without `pid`."""
        process = psutil.Process(pid)
        return cls(process.pid, process.create_time())

    def lives(self) -> bool:
        """Tell whether the process still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born_s) < _CLOCK_SLACK_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True)
class Job:
    """One job, as it stands; times are UTC text."""

    job_id: str
    kind: str
    options: Mapping[str, Any]
    started_by: str
    on_behalf_of: str | None
    started_at: str
    state: State
    cancelled_by: str | None
    ended_at: str | None
    exit_code: int | None
    error: str | None
    result: Mapping[str, Any] | None
    owner: ProcessMark
    child: ProcessMark | None


class Ending(NamedTuple):
    """How a job ended."""

    state: State
    ended_at: str
    exit_code: int | None = None
    error: str | None = None
    result: str | None = None


class JobStore:
    """The jobs in the SQLite file at `path`, made when it is not there; shared by processes.

    Every method raises `JobsUnavailable` when the file cannot be read or written now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, job: Job, slot: str, busy: str) -> None:
        """Note a job that starts; raises `JobBusy` with the message `busy` while one runs."""
        with self._writing() as database:
            running = database.execute(
                "SELECT job_id FROM jobs WHERE slot = ? AND state = 'running'", (slot,)
            ).fetchone()
            if running:
                raise JobBusy(busy, running[0])
            database.execute(
                "INSERT INTO jobs (job_id, kind, slot, options, started_by, on_behalf_of,"
                " started_at, owner_pid, owner_born_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job.job_id,
                    job.kind,
                    slot,
                    json.dumps(job.options, ensure_ascii=False),
                    job.started_by,
                    job.on_behalf_of,
                    job.started_at,
                    *job.owner,
                ),
            )

    def note_child(self, job_id: str, child: ProcessMark) -> None:
        """Note the process that does the work."""
        with self._writing() as database:
            database.execute(
                "UPDATE jobs SET child_pid = ?, child_born_s = ? WHERE job_id = ?",
                (*child, job_id),
            )

    def ask_to_cancel(self, job_id: str, by: str) -> None:
        """Note who wants the job stopped, the first one; nothing for a job that has ended."""
        with self._writing() as database:
            database.execute(
                "UPDATE jobs SET cancelled_by = ?"
                " WHERE job_id = ? AND state = 'running' AND cancelled_by IS NULL",
                (by, job_id),
            )

    def end(self, job_id: str, ending: Ending) -> None:
        """Note how a job ended; an ending that is on record stays."""
        with self._writing() as database:
            database.execute(
                "UPDATE jobs SET state = ?, ended_at = ?, exit_code = ?, error = ?, result = ?"
                " WHERE job_id = ? AND state = 'running'",
                (*ending, job_id),
            )

    def get(self, job_id: str) -> Job | None:
        """Return one job, or None."""
        found = self._select("WHERE job_id = ?", job_id)
        return found[0] if found else None

    def all(self) -> list[Job]:
        """Return every job that is remembered, the newest first."""
        return self._select("ORDER BY rowid DESC")

    def running(self) -> list[Job]:
        """Return the jobs that have not ended."""
        return self._select("WHERE state = 'running'")

    def forget(self, keep: int) -> list[str]:
        """Forget the ended jobs beyond the `keep` newest, and return their ids."""
        with self._writing() as database:
            rows = database.execute(
                "DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM jobs WHERE state <> 'running'"
                " ORDER BY rowid DESC LIMIT -1 OFFSET ?) RETURNING job_id",
                (keep,),
            ).fetchall()
        return [job_id for (job_id,) in rows]

    def _select(self, condition: str, *values: object) -> list[Job]:
        if not self.path.exists():
            return []
        with self._open() as database:
            database.row_factory = sqlite3.Row
            rows = database.execute(f"SELECT * FROM jobs {condition}", values)  # noqa: S608 (ours)
            return [_job(row) for row in rows]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside a transaction that no other writer can run beside."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self.path, timeout=_TIMEOUT_S, isolation_level=None)
            ) as database:
                if not database.execute("PRAGMA table_info(jobs)").fetchall():
                    database.executescript(_schema())
                yield database
        except (OSError, sqlite3.Error) as error:
            raise JobsUnavailable(
                f"L'état des travaux ({self.path.name}) ne peut être ni lu ni écrit ({error}) :"
                " réessayez ; vérifiez la place et les droits de jobs.folder."
            ) from error


def _schema() -> str:
    return (resources.files("cidp") / "job_store.sql").read_text(encoding="utf-8")


def _job(row: sqlite3.Row) -> Job:
    child = row["child_pid"]
    return Job(
        job_id=row["job_id"],
        kind=row["kind"],
        options=json.loads(row["options"]),
        started_by=row["started_by"],
        on_behalf_of=row["on_behalf_of"],
        started_at=row["started_at"],
        state=row["state"],
        cancelled_by=row["cancelled_by"],
        ended_at=row["ended_at"],
        exit_code=row["exit_code"],
        error=row["error"],
        result=json.loads(row["result"]) if row["result"] else None,
        owner=ProcessMark(row["owner_pid"], row["owner_born_s"]),
        child=ProcessMark(child, row["child_born_s"]) if child else None,
    )


def interrupted(
    store: JobStore, watched: Callable[[str], bool], owner: ProcessMark, now: str
) -> list[str]:
    """Say of the jobs whose owner is gone that they were interrupted; return their ids.

    `owner` is this process, and `watched` tells whether it looks after a job. A program that
    outlives its owner for a moment still counts as running.
    """
    ended = []
    for job in store.running():
        kept = watched(job.job_id) if job.owner == owner else job.owner.lives()
        if not kept and not (job.child and job.child.lives()):
            store.end(job.job_id, Ending("interrupted", now, error=INTERRUPTED))
            ended.append(job.job_id)
    return ended
