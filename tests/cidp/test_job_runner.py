"""A job runs as a child process to its end, once per slot, and never outlives its owner."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from fake_services import SAYS, WAITS, WARNS, with_etl
from waiting import until

from cidp import job_runner
from cidp.errors import ChildFailed, JobBusy
from cidp.job_kinds import KINDS, workbook_name
from cidp.job_log import last_progress, log_tail
from cidp.job_runner import JobRunner, Request
from cidp.job_store import Job, ProcessMark
from cidp.settings import SERVICE_FOLDER, Settings

Runner = Callable[..., JobRunner]


@pytest.fixture
def runner(settings: Settings, tmp_path: Path) -> Iterator[Runner]:
    """Make a runner whose ETL is the given Python code; its jobs are over after the test."""
    made: list[JobRunner] = []

    def make(body: str = SAYS, **changes: object) -> JobRunner:
        chosen = with_etl(settings, tmp_path, body, **changes)
        made.append(JobRunner(chosen, lambda: dict(os.environ)))
        return made[-1]

    yield make
    for each in made:
        for job in each.all():
            if job.state == "running":
                each.cancel(job.job_id, "fin du test")
                ended(each, job)


def etl(**options: object) -> Request:
    kind = KINDS["etl"]
    return Request(kind, kind.options.model_validate(options), "clé-1", None)


def ended(runner: JobRunner, job: Job) -> Job:
    def over() -> Job | None:
        found = runner.get(job.job_id)
        return found if found and found.state != "running" else None

    return until(over)


def at_work(runner: JobRunner, job: Job) -> None:
    until(lambda: "prêt" in log_tail(runner.log(job.job_id)))


def test_what_the_program_prints_is_the_result(runner: Runner) -> None:
    jobs = runner()
    job = jobs.start(etl())
    assert job.started_by == "clé-1"
    done = ended(jobs, job)
    assert (done.state, done.exit_code, done.error) == ("succeeded", 0, None)
    assert done.result
    assert done.result["read"] == 3


def test_a_load_with_too_many_rejects_has_succeeded_and_shows_its_code(runner: Runner) -> None:
    jobs = runner(WARNS)
    done = ended(jobs, jobs.start(etl()))
    assert (done.state, done.exit_code) == ("succeeded", 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("print('la cause', file=sys.stderr); sys.exit(1)", "la cause"),
        (f"{SAYS}; sys.exit(1)", "code 1"),
        ("print('pas du JSON')", "document attendu"),
        ("print('x' * 3_000_000)", "document attendu"),
        ("os.kill(os.getpid(), 9)", "code -9"),
    ],
)
def test_a_program_that_fails_says_why(runner: Runner, body: str, reason: str) -> None:
    jobs = runner(body)
    done = ended(jobs, jobs.start(etl()))
    assert done.state == "failed"
    assert reason in (done.error or "")
    assert done.result is None


def test_only_what_the_settings_name_reaches_the_command_line(
    runner: Runner, tmp_path: Path
) -> None:
    jobs = runner(
        f"print(json.dumps(sys.argv[1:]), os.environ['DPA_DWH'], file=sys.stderr); {SAYS}"
    )
    job = ended(
        jobs,
        jobs.start(
            etl(source="autre", sites=["Douala", "Edéa"], first_day="2026-01-02", since="auto")
        ),
    )
    said = log_tail(jobs.log(job.job_id))[0]
    assert json.loads(said[: said.index("]") + 1]) == [
        "--json",
        "--progress=json",
        "--sites=Douala,Edéa",
        "--from=2026-01-02",
        f"--erp={tmp_path}",
        "--since=auto",
    ]
    assert said.endswith(str(tmp_path / "dwh.sqlite"))


def test_progress_is_read_from_the_log_and_left_out_of_its_tail(runner: Runner) -> None:
    line = '{"step":"Contrôle","percent":42.0}'
    jobs = runner(f"print('un'); sys.stderr.write('a\\n' + {line!r} + '\\n'); {WAITS}")
    job = jobs.start(etl())
    at_work(jobs, job)
    found = last_progress(jobs.log(job.job_id))
    assert found is not None
    assert (found.step, found.percent) == ("Contrôle", 42)
    assert log_tail(jobs.log(job.job_id)) == ["a", "prêt"]


def test_a_second_load_is_refused_with_the_running_jobs_id(runner: Runner) -> None:
    jobs = runner(WAITS)
    first = jobs.start(etl())
    with pytest.raises(JobBusy) as caught:
        jobs.start(etl())
    assert caught.value.job_id == first.job_id


def test_a_job_that_is_cancelled_may_tidy_up_and_takes_its_children_along(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runner, "STOP_S", 240.0)
    jobs = runner(
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "try:\n"
        "    print(inner.pid, file=sys.stderr); print('prêt', file=sys.stderr, flush=True)\n"
        "    time.sleep(600)\n"
        "except KeyboardInterrupt:\n"
        "    print('rangé', file=sys.stderr); sys.exit(130)\n"
    )
    job = jobs.start(etl())
    at_work(jobs, job)
    inner = int(log_tail(jobs.log(job.job_id))[0])
    jobs.cancel(job.job_id, "clé-2")
    done = ended(jobs, job)
    assert (done.state, done.exit_code, done.cancelled_by) == ("cancelled", 130, "clé-2")
    assert done.error == "Arrêté à la demande de « clé-2 ». rangé"
    until(lambda: not psutil.pid_exists(inner))


def test_a_job_that_does_not_end_is_stopped(runner: Runner) -> None:
    jobs = runner(WAITS, timeout_s=0.5)
    done = ended(jobs, jobs.start(etl()))
    assert done.state == "failed"
    assert "Pas fini en 0.5 s" in (done.error or "")


def test_a_missing_program_is_said_at_once_and_frees_the_slot(runner: Runner) -> None:
    jobs = runner()
    training = KINDS["training"]
    lost = Request(training, training.options.model_validate({}), "clé-1", None)
    broken = jobs._settings.model_copy(
        update={"pmd": jobs._settings.pmd.model_copy(update={"sensors": Path("absent.csv")})}
    )
    jobs = JobRunner(broken, lambda: dict(os.environ))
    for _ in range(2):
        with pytest.raises(ChildFailed, match=r"absent\.csv"):
            jobs.start(lost)
    assert {job.state for job in jobs.all()} == {"failed"}


def test_the_workbook_lies_in_the_jobs_folder_until_its_end(runner: Runner, tmp_path: Path) -> None:
    jobs = runner(
        "given = next(a for a in sys.argv if a.startswith('--resubmit=')).partition('=')[2]\n"
        f"print(pathlib.Path(given).read_text(), given, file=sys.stderr); {SAYS}"
    )
    kind = KINDS["etl-resubmit"]
    job = ended(
        jobs, jobs.start(Request(kind, kind.options.model_validate({}), "clé", None, b"PK lignes"))
    )
    expected = workbook_name(tmp_path / "jobs" / job.job_id)
    assert log_tail(jobs.log(job.job_id)) == [f"PK lignes {expected}"]
    until(lambda: not expected.exists())


def test_history_is_bounded_and_old_folders_go(runner: Runner, tmp_path: Path) -> None:
    jobs = runner()
    started = [ended(jobs, jobs.start(etl())).job_id for _ in range(5)]
    assert [job.job_id for job in jobs.all()] == started[:0:-1]
    kept = {path.name for path in (tmp_path / "jobs").iterdir() if path.is_dir()}
    assert kept == set(started[1:])


OTHER_PROCESS = """
import json, os, sys
from pathlib import Path
from cidp.settings import Settings
from cidp.job_kinds import KINDS
from cidp.job_runner import JobRunner, Request
settings = Settings.from_environ({"CAMRAIL_CONFIG": sys.argv[1]})
kind = KINDS["etl"]
jobs = JobRunner(settings, lambda: dict(os.environ))
print(jobs.start(Request(kind, kind.options.model_validate({}), "autre", None)).job_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_process(
    runner: Runner, tmp_path: Path
) -> Iterator[tuple[JobRunner, Job, subprocess.Popen[str]]]:
    """A job of another process, which shares our files, and that process."""
    jobs = runner(WAITS)
    config = tmp_path / "other.yaml"
    config.write_text(
        json.dumps(
            {
                "etl": {
                    "folder": str(jobs._settings.etl.folder),
                    "dwh": jobs._settings.etl.dwh,
                    "sources": {},
                },
                "jobs": {"folder": str(jobs._settings.jobs.folder)},
            }
        ),
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(config)],
        cwd=SERVICE_FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        found = jobs.get(process.stdout.readline().strip())
        assert found is not None
        at_work(jobs, found)
        yield jobs, found, process
        process.kill()


def test_a_job_of_another_process_is_seen_excludes_ours_and_can_be_cancelled(
    other_process: tuple[JobRunner, Job, subprocess.Popen[str]],
) -> None:
    jobs, job, _ = other_process
    with pytest.raises(JobBusy):
        jobs.start(etl())
    jobs.cancel(job.job_id, "clé-1")
    assert ended(jobs, job).state == "cancelled"


def test_a_job_whose_process_was_killed_is_interrupted_and_its_program_ends(
    other_process: tuple[JobRunner, Job, subprocess.Popen[str]],
) -> None:
    jobs, job, process = other_process
    process.kill()
    done = ended(jobs, job)
    assert done.state == "interrupted"
    assert "relancez" in (done.error or "")
    assert done.child is not None
    assert not done.child.lives()
    assert jobs.start(etl()).state == "running"


def test_a_later_process_of_the_same_id_is_not_taken_for_the_owner() -> None:
    mark = ProcessMark.of()
    assert mark.lives()
    assert not ProcessMark(mark.pid, mark.born_s - 1000).lives()
