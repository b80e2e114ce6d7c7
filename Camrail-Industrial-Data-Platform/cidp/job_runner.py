"""Starts jobs as child processes, watches them to their end, and stops them when asked."""

import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from loguru import logger

from cidp.auth import utc_now
from cidp.child_process import ChildProcess
from cidp.errors import ChildFailed, CidpError, JobsUnavailable
from cidp.job_kinds import JobKind, workbook_name
from cidp.job_log import log_tail
from cidp.job_store import Ending, Job, JobStore, ProcessMark, interrupted
from cidp.orchestration import checked_document
from cidp.settings import Settings, launch_environment

POLL_S = 0.2
STOP_S = 10.0
MAX_RESULT_BYTES = 1_048_576
LOG_FILE, PRINTED_FILE = "journal.log", "resultat.json"


class Request(NamedTuple):
    """What somebody asks for: checked options, and the workbook of a kind that takes one."""

    kind: JobKind
    options: Any
    started_by: str
    on_behalf_of: str | None
    workbook: bytes | None = None


class JobRunner:
    """The jobs of one process; several processes share them through the files of `jobs.folder`.

    `environ` is what children get, under the places that the settings name; `now` tells the time,
    and `owner` is the process that children are tied to: this one.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Callable[[], Mapping[str, str]] = lambda: launch_environment(os.environ),
        now: Callable[[], datetime] = utc_now,
        owner: ProcessMark | None = None,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._now = now
        self._owner = owner or ProcessMark.of()
        self._store = JobStore(settings.jobs.folder / "jobs.sqlite")
        self._watched: set[str] = set()

    def start(self, request: Request) -> Job:
        """Start a job; raises `JobBusy`, `ChildFailed` or `JobsUnavailable`."""
        self._sweep()
        job = self._new_job(request)
        self._watched.add(job.job_id)
        try:
            self._store.add(
                job,
                request.kind.slot,
                f"« {request.kind.label} » attend : un travail qui l'exclut est en cours.",
            )
            self._launch(job, request)
        except CidpError as error:
            self._watched.discard(job.job_id)
            self._store.end(job.job_id, Ending("failed", self._time(), error=str(error)))
            self._remove_workbook(job.job_id)
            raise
        self._forget()
        return self.get(job.job_id) or job

    def cancel(self, job_id: str, by: str) -> Job | None:
        """Ask the process that looks after the job to stop it; None for an unknown job."""
        self._sweep()
        if self._store.get(job_id) is not None:
            self._store.ask_to_cancel(job_id, by)
        return self._store.get(job_id)

    def get(self, job_id: str) -> Job | None:
        """Return one job, or None."""
        self._sweep()
        return self._store.get(job_id)

    def all(self) -> list[Job]:
        """Return every job that is remembered, the newest first."""
        self._sweep()
        return self._store.all()

    def log(self, job_id: str) -> Path:
        """Return the file that holds what the job writes on its error output."""
        return self._folder(job_id) / LOG_FILE

    def _new_job(self, request: Request) -> Job:
        now = self._now()
        return Job(
            job_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
            kind=request.kind.name,
            options=request.options.model_dump(mode="json"),
            started_by=request.started_by,
            on_behalf_of=request.on_behalf_of,
            started_at=_utc_text(now),
            state="running",
            cancelled_by=None,
            ended_at=None,
            exit_code=None,
            error=None,
            result=None,
            owner=self._owner,
            child=None,
        )

    def _launch(self, job: Job, request: Request) -> None:
        folder = self._folder(job.job_id)
        try:
            folder.mkdir(parents=True)
            if request.workbook is not None:
                workbook_name(folder).write_bytes(request.workbook)
            printed = (folder / PRINTED_FILE).open("w+b")
        except OSError as error:
            raise JobsUnavailable(
                f"{folder} ne peut pas être écrit ({error.strerror}) : libérez de la place, ou"
                " changez jobs.folder."
            ) from error
        with printed:
            command = request.kind.command(self._settings, request.options, folder)
            child = ChildProcess(request.kind.label, command, folder / LOG_FILE, interrupt=True)
            child.start(self._child_environ(), printed)
        try:
            self._store.note_child(job.job_id, ProcessMark.of(child.pid))
        except psutil.NoSuchProcess:
            pass  # it has ended already
        except JobsUnavailable:
            child.kill()
            raise
        threading.Thread(target=self._watch, args=(job, request.kind, child), daemon=True).start()

    def _child_environ(self) -> dict[str, str]:
        """The environment of a program, which works where this process looks."""
        settings = self._settings
        return {
            **self._environ(),
            **settings.etl.variables(),
            "CAMRAIL_MODELS_DIR": str(settings.model.folder),
            "CAMRAIL_LOGS_DIR": str(settings.logs.folder),
        }

    def _watch(self, job: Job, kind: JobKind, child: ChildProcess) -> None:
        """Wait for the end of a job, however it comes, and note it."""
        logger.info("{} : travail {} lancé par {}", kind.label, job.job_id, job.started_by)
        try:
            cut_short = self._wait(job, kind, child)
            ending = self._ending(job, kind, child, cut_short)
            self._store.end(job.job_id, ending)
            logger.info("Travail {} : {}, code {}", job.job_id, ending.state, ending.exit_code)
        except JobsUnavailable as error:
            logger.error("Travail {} : fin non notée. {}", job.job_id, error)
        finally:
            child.kill()
            self._remove_workbook(job.job_id)
            self._watched.discard(job.job_id)

    def _wait(self, job: Job, kind: JobKind, child: ChildProcess) -> str | None:
        """Wait until the program has ended, or stop it and say why."""
        timeout_s = kind.timeout_s(self._settings)
        deadline_s = time.monotonic() + timeout_s
        while not child.wait(POLL_S):
            asked_by = self._cancelled_by(job.job_id)
            if asked_by is not None:
                _stop(child)
                return f"Arrêté à la demande de « {asked_by} »."
            if time.monotonic() > deadline_s:
                _stop(child)
                return f"Pas fini en {timeout_s:g} s : arrêté."
        return None

    def _ending(
        self, job: Job, kind: JobKind, child: ChildProcess, cut_short: str | None
    ) -> Ending:
        code, now = child.code, self._time()
        folder = self._folder(job.job_id)
        tail = log_tail(folder / LOG_FILE)
        try:
            with (folder / PRINTED_FILE).open("rb") as file:
                printed = file.read(MAX_RESULT_BYTES)
            document = checked_document(kind.label, kind.document, printed, code or 0, tail)
        except (ChildFailed, OSError) as error:
            if cut_short is None:
                return Ending("failed", now, code, str(error))
            cancelled = self._cancelled_by(job.job_id) is not None
            reason = " ".join([cut_short, *tail[-1:]])
            return Ending("cancelled" if cancelled else "failed", now, code, reason)
        return Ending("succeeded", now, code, result=document.model_dump_json())

    def _cancelled_by(self, job_id: str) -> str | None:
        try:
            job = self._store.get(job_id)
        except JobsUnavailable as error:
            logger.warning("Travail {} suivi malgré tout : {}", job_id, error)
            return None
        return job.cancelled_by if job else None

    def _sweep(self) -> None:
        """Say of the jobs whose owner is gone that they were interrupted, and tidy up."""
        watched = self._watched.__contains__
        for job_id in interrupted(self._store, watched, self._owner, self._time()):
            logger.warning("Travail {} interrompu : son API s'est arrêtée", job_id)
            self._remove_workbook(job_id)

    def _forget(self) -> None:
        for job_id in self._store.forget(self._settings.jobs.history):
            shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def _remove_workbook(self, job_id: str) -> None:
        workbook_name(self._folder(job_id)).unlink(missing_ok=True)

    def _folder(self, job_id: str) -> Path:
        return self._settings.jobs.folder / job_id

    def _time(self) -> str:
        return _utc_text(self._now())


def _stop(child: ChildProcess) -> None:
    """Ask the program to stop, then end it and whatever it has started."""
    child.ask_to_stop()
    child.wait(STOP_S)
    child.kill()


def _utc_text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}Z"
