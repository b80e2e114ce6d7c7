"""The endpoints of `/jobs`: start the server's work, follow it, stop it."""

import io
import re
import zipfile
from contextlib import closing
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from cidp.answers import error_answer, json_answer
from cidp.assembly import Parts
from cidp.errors import (
    ChildFailed,
    FieldError,
    JobBusy,
    JobsUnavailable,
    JobUnknown,
    RequestRefused,
)
from cidp.guard import Guard, describe_write, lacks, operator, writer
from cidp.job_kinds import KINDS, JobKind, parse_options
from cidp.job_log import last_progress, log_tail
from cidp.job_runner import JobRunner, Request
from cidp.job_store import Job
from cidp.people import NAME_EXPECTED, is_name
from cidp.telemetry import shown_name

MAX_REQUEST_BYTES = 16_384
MAX_PARTS = 8
FORM_BYTES = 16_384
"""What a form may weigh beside its workbook."""

FORM_MEMORY_BYTES = 262_144
"""What werkzeug may hold of a form at a time: several of the 64 KiB that it reads at once."""

RETRY_AFTER_S = "5"
_FIELDS = {"kind", "options", "on_behalf_of"}
_JOB_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


def add_routes(app: Flask, parts: Parts, guarded: Guard) -> None:
    """Add the endpoints to the application."""
    jobs = _Endpoints(parts, JobRunner(parts.settings, now=parts.now))
    app.add_url_rule("/jobs", "jobs", guarded("read", jobs.listed, "operate", "admin"))
    app.add_url_rule(
        "/jobs", "start_job", guarded("operate", jobs.start, "admin"), methods=["POST"]
    )
    app.add_url_rule("/jobs/<job_id>", "job", guarded("read", jobs.shown, "operate", "admin"))
    app.add_url_rule(
        "/jobs/<job_id>/cancel",
        "cancel_job",
        guarded("operate", jobs.cancel, "admin"),
        methods=["POST"],
    )
    app.register_error_handler(JobUnknown, _unknown)
    app.register_error_handler(JobBusy, _busy)
    app.register_error_handler(JobsUnavailable, _unavailable)
    app.register_error_handler(ChildFailed, _unavailable)


class _Endpoints:
    def __init__(self, parts: Parts, runner: JobRunner) -> None:
        self._settings = parts.settings
        self._runner = runner

    def listed(self) -> Response:
        sources = list(self._settings.etl.sources)
        max_bytes = self._settings.jobs.upload_max_bytes
        return json_answer(
            {
                "jobs": [self._summary(job) for job in self._runner.all()],
                "kinds": [
                    {
                        "kind": kind.name,
                        "label": kind.label,
                        "scope": kind.scope,
                        "sources": sources if kind.name == "etl" else [],
                        "workbook_max_bytes": max_bytes if kind.takes_workbook else None,
                    }
                    for kind in KINDS.values()
                ],
            }
        )

    def start(self) -> Response:
        asked = self._asked()
        refusal = lacks(asked.kind.scope)
        if refusal is not None:
            return refusal
        job = self._runner.start(asked)
        describe_write(f"travail {job.job_id} ({job.kind}) lancé")
        answer = json_answer(self._detail(job), HTTPStatus.ACCEPTED)
        answer.headers["Location"] = _address(job.job_id)
        return answer

    def shown(self, job_id: str) -> Response:
        return json_answer(self._detail(self._known(job_id)))

    def cancel(self, job_id: str) -> Response:
        job = self._known(job_id)
        refusal = lacks(KINDS[job.kind].scope)
        if refusal is not None:
            return refusal
        if job.state != "running":
            return error_answer(409, "Ce travail est déjà fini : il n'y a rien à arrêter.")
        person = operator()
        job = self._runner.cancel(job_id, writer().id) or job
        describe_write(f"arrêt du travail {job_id} demandé par {person}")
        return json_answer(self._detail(job), HTTPStatus.ACCEPTED)

    def _known(self, job_id: str) -> Job:
        job = self._runner.get(job_id) if _JOB_ID.fullmatch(job_id) else None
        if job is None:
            raise JobUnknown("Ce travail est inconnu, ou trop ancien : GET /jobs les liste.")
        return job

    def _asked(self) -> Request:
        """Read the request: JSON, or a form where the kind takes a workbook."""
        if request.mimetype == "application/json":
            return self._request(_json_fields(), None)
        if request.mimetype == "multipart/form-data":
            limit = self._settings.jobs.upload_max_bytes
            return self._request(*_form_fields(limit))
        raise UnsupportedMediaType

    def _request(self, fields: dict[str, Any], workbook: bytes | None) -> Request:
        kind = _kind(fields.get("kind"))
        if kind.takes_workbook and workbook is None:
            raise _refused("workbook", "classeur .xlsx attendu, dans un multipart/form-data")
        if workbook is not None and not kind.takes_workbook:
            raise _refused("workbook", f"aucun fichier n'est attendu pour « {kind.name} »")
        unknown = sorted(fields.keys() - _FIELDS)
        if unknown:
            raise _refused(shown_name(unknown[0]), "champ inconnu")
        return Request(
            kind,
            parse_options(kind, fields.get("options", {}), self._settings),
            writer().id,
            _person(fields.get("on_behalf_of")),
            workbook,
        )

    def _summary(self, job: Job) -> dict[str, Any]:
        progress = last_progress(self._runner.log(job.job_id))
        cancelling = job.state == "running" and job.cancelled_by is not None
        return {
            "id": job.job_id,
            "kind": job.kind,
            "state": "cancelling" if cancelling else job.state,
            "options": job.options,
            "started_by": job.started_by,
            "on_behalf_of": job.on_behalf_of,
            "started_at": job.started_at,
            "ended_at": job.ended_at,
            "cancelled_by": job.cancelled_by,
            "exit_code": job.exit_code,
            "error": job.error,
            "progress": progress and {"percent": progress.percent, "text": progress.step},
        }

    def _detail(self, job: Job) -> dict[str, Any]:
        tail = log_tail(self._runner.log(job.job_id))
        return {**self._summary(job), "result": job.result, "log_tail": tail}


def _json_fields() -> dict[str, Any]:
    request.max_content_length = MAX_REQUEST_BYTES + 1
    raw = request.get_data(cache=False)
    if len(raw) > MAX_REQUEST_BYTES:
        raise RequestEntityTooLarge
    return _object(raw, "body")


def _form_fields(max_bytes: int) -> tuple[dict[str, Any], bytes | None]:
    """Read a form: its fields, the JSON of `options` among them, and its workbook."""
    request.max_content_length = max_bytes + FORM_BYTES
    request.max_form_memory_size = FORM_MEMORY_BYTES
    request.max_form_parts = MAX_PARTS
    fields: dict[str, Any] = dict(request.form.items())
    if "options" in fields:
        fields["options"] = _object(fields["options"].encode(), "options")
    if set(request.files) - {"workbook"}:
        raise _refused("body", "le seul fichier attendu est « workbook »")
    sent = request.files.get("workbook")
    return fields, None if sent is None else _workbook(sent, max_bytes)


def _object(raw: bytes, field: str) -> dict[str, Any]:
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise _refused(field, "JSON invalide") from None
    if not isinstance(content, dict):
        raise _refused(field, "un objet JSON est attendu")
    return content


def _workbook(sent: FileStorage, max_bytes: int) -> bytes:
    """Return the bytes of an .xlsx; what is inside is the ETL's to judge."""
    with closing(sent):
        content = sent.stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise RequestEntityTooLarge
    named = (sent.filename or "").lower().endswith(".xlsx")
    if not named or not _is_workbook(content):
        raise _refused("workbook", "ce fichier n'est pas un classeur .xlsx")
    return content


def _is_workbook(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    return "xl/workbook.xml" in names and "xl/vbaProject.bin" not in names


def _kind(name: object) -> JobKind:
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise _refused("kind", f"l'un de ces travaux est attendu : {', '.join(KINDS)}")
    return kind


def _person(name: object) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or not is_name(name):
        raise _refused("on_behalf_of", NAME_EXPECTED)
    return name


def _refused(field: str, message: str) -> RequestRefused:
    return RequestRefused([FieldError(field=field, message=message)])


def _address(job_id: str) -> str:
    return f"/jobs/{job_id}"


def _unknown(error: JobUnknown) -> Response:
    return error_answer(404, str(error))


def _busy(error: JobBusy) -> Response:
    address = _address(error.job_id)
    answer = error_answer(409, f"{error} Le suivre : GET {address}.", job=address)
    answer.headers["Location"] = address
    return answer


def _unavailable(error: Exception) -> Response:
    answer = error_answer(503, str(error))
    answer.headers["Retry-After"] = RETRY_AFTER_S
    return answer
