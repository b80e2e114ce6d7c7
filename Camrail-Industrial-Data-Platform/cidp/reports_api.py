"""The endpoints of `/reports`: the workbooks of the last ETL run, and nothing else of the disk."""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flask import Flask, Response, request
from werkzeug.wsgi import wrap_file

from cidp.answers import Answer, error_answer
from cidp.assembly import Parts
from cidp.guard import Guard

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
REPORT, REJECTS = "rapport_supply_chain.xlsx", "rejets_a_corriger.xlsx"
_NUMBERED = re.compile(r"rejets_a_corriger(_[0-9]{1,6})?\.xlsx")
_HOW = 'POST /jobs avec {"kind": "etl"}, ou la commande « python src/main_pipeline.py »'


def add_routes(app: Flask, parts: Parts, guarded: Guard) -> None:
    """Add the endpoints to the application."""
    reports = _Endpoints(parts.settings.etl.report)
    app.add_url_rule(f"/reports/{REPORT}", "report", guarded("read", reports.report))
    app.add_url_rule(f"/reports/{REJECTS}", "rejects", guarded("read", reports.rejects))


class _Endpoints:
    def __init__(self, report: Path) -> None:
        self._report = report

    def report(self) -> Response:
        return _sent(
            self._report, REPORT, f"Aucun rapport n'est encore écrit : lancez l'ETL ({_HOW})."
        )

    def rejects(self) -> Response:
        newest = newest_rejects(self._report.parent)
        return _sent(
            newest or self._report.with_name(REJECTS),
            newest.name if newest else REJECTS,
            "Aucun classeur de lignes à corriger : aucune ligne n'a été rejetée, ou l'ETL n'a pas"
            f" encore tourné ({_HOW}).",
        )


def newest_rejects(folder: Path) -> Path | None:
    """Return the rejects workbook that was written last; a run never overwrites an older one."""
    try:
        found = [entry for entry in os.scandir(folder) if _NUMBERED.fullmatch(entry.name)]
        newest = max(found, key=lambda entry: entry.stat().st_mtime_ns, default=None)
    except OSError:
        return None
    return Path(newest.path) if newest else None


def _sent(path: Path, name: str, absent: str) -> Response:
    """Answer with the file as it is at this instant, or 304 when the caller has it.

    Its bytes and its tag come from one open file, which a new report replaces and never changes.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return error_answer(404, absent)
    except OSError as error:
        return error_answer(503, f"{name} ne peut pas être lu ({error.strerror}) : réessayez.")
    answer = _Download(wrap_file(request.environ, file), content_type=XLSX, direct_passthrough=True)
    answer.call_on_close(file.close)
    _describe(answer, file, name)
    answer.make_conditional(request.environ)
    return answer


def _describe(answer: Response, file: BinaryIO, name: str) -> None:
    status = os.fstat(file.fileno())
    answer.content_length = status.st_size
    answer.last_modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
    answer.set_etag(f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'


class _Download(Answer):
    """A file that a client may keep, if it asks each time whether it is still the one."""

    def get_wsgi_response(
        self, environ: "WSGIEnvironment"
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Let the client keep it, where other answers forbid that."""
        body, status, headers = super().get_wsgi_response(environ)
        kept = [
            (name, "private, no-cache" if name == "Cache-Control" else value)
            for name, value in headers
        ]
        return body, status, kept
