"""`/jobs`: who may start what, what is refused, and what an answer holds."""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conformity import conforms
from fake_services import SAYS, WAITS, with_etl
from flask import Flask
from flask.testing import FlaskClient
from loguru import logger
from waiting import until
from werkzeug.test import TestResponse

from cidp.assembly import assemble
from cidp.auth import ApiKey
from cidp.http_api import app_of
from cidp.settings import Settings

ALL = {"X-API-KEY": "une-cle-pour-les-tests"}
READS = {"X-API-KEY": "une-cle-sans-droits"}
OPERATES = {"X-API-KEY": "une-cle-d-exploitation"}
ADMINISTERS = {"X-API-KEY": "une-cle-d-administration"}

Server = Callable[..., FlaskClient]


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    """Make a client of an application whose ETL is the given Python code."""
    apps: list[Flask] = []

    def make(body: str = SAYS, upload_max_bytes: int = 1_000_000) -> FlaskClient:
        chosen = with_etl(settings, tmp_path, body)
        jobs = chosen.jobs.model_copy(update={"upload_max_bytes": upload_max_bytes})
        chosen = chosen.model_copy(update={"jobs": jobs})
        keys = (
            *settings.keys,
            ApiKey.of("exploitation", OPERATES["X-API-KEY"]).model_copy(
                update={"scopes": ("operate",)}
            ),
            ApiKey.of("admin", ADMINISTERS["X-API-KEY"]).model_copy(update={"scopes": ("admin",)}),
        )
        apps.append(app_of(assemble(chosen.model_copy(update={"keys": keys}))))
        return apps[-1].test_client()

    yield make
    for app in apps:
        client = app.test_client()
        for job in shown(client.get("/jobs", headers=ALL))["jobs"]:
            client.post(f"/jobs/{job['id']}/cancel", headers=ALL)
            until(lambda: detail(client, job["id"])["ended_at"])  # noqa: B023 (called at once)


@contextlib.contextmanager
def audited() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level=0, format="{message}")
    yield lines
    logger.remove(sink)


def start(client: FlaskClient, body: Any, headers: dict[str, str] = ALL) -> TestResponse:
    return conforms(client.post("/jobs", json=body, headers=headers), "/jobs", "post")


def shown(answer: TestResponse) -> dict[str, Any]:
    assert isinstance(answer.json, dict)
    return answer.json


def detail(client: FlaskClient, job_id: str) -> dict[str, Any]:
    answer = client.get(f"/jobs/{job_id}", headers=ALL)
    return shown(conforms(answer, "/jobs/{job_id}", "get"))


def workbook(*names: str, weight: int = 1) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "x" * weight)
    return content.getvalue()


XLSX = workbook("[Content_Types].xml", "xl/workbook.xml")


def send(
    client: FlaskClient, content: bytes = XLSX, name: str = "rejets.xlsx", **fields: str
) -> TestResponse:
    form = {"kind": "etl-resubmit", "workbook": (io.BytesIO(content), name), **fields}
    return conforms(client.post("/jobs", data=form, headers=ALL), "/jobs", "post")


def test_a_load_is_started_followed_and_kept(server: Server) -> None:
    client = server()
    answer = start(
        client,
        {"kind": "etl", "options": {"sites": ["Douala"]}, "on_behalf_of": "A. Ngo"},
        OPERATES,
    )
    assert answer.status_code == 202
    job = shown(answer)
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    assert (job["started_by"], job["on_behalf_of"]) == ("exploitation", "A. Ngo")
    done = until(lambda: (found := detail(client, job["id"]))["ended_at"] and found)
    assert (done["state"], done["exit_code"], done["result"]["read"]) == ("succeeded", 0, 3)
    listed = shown(conforms(client.get("/jobs", headers=READS), "/jobs", "get"))
    assert [each["id"] for each in listed["jobs"]] == [job["id"]]
    assert "log_tail" not in listed["jobs"][0]
    assert listed["kinds"][0]["sources"] == ["quotidien", "autre"]
    assert [kind["workbook_max_bytes"] for kind in listed["kinds"][:2]] == [None, 1_000_000]


def test_a_second_load_gets_the_address_of_the_first_and_cancelling_frees_the_way(
    server: Server,
) -> None:
    client = server(WAITS)
    job = shown(start(client, {"kind": "etl"}))
    until(lambda: "prêt" in detail(client, job["id"])["log_tail"])
    for answer in (start(client, {"kind": "etl"}), send(client)):
        assert answer.status_code == 409
        assert answer.headers["Location"] == f"/jobs/{job['id']}"
        assert job["id"] in shown(answer)["message"]
    path = f"/jobs/{job['id']}/cancel"
    assert client.post(path, headers=OPERATES | {"X-Operator": "=1"}).status_code == 400
    named = OPERATES | {"X-Operator": "A%C3%AFcha Ngo"}
    with audited() as lines:
        asked = conforms(client.post(path, headers=named), "/jobs/{job_id}/cancel", "post")
    assert any(f"arrêt du travail {job['id']} demandé par Aïcha Ngo" in line for line in lines)
    assert (asked.status_code, shown(asked)["state"]) == (202, "cancelling")
    done = until(lambda: (found := detail(client, job["id"]))["ended_at"] and found)
    assert (done["state"], done["cancelled_by"]) == ("cancelled", "exploitation")
    again = conforms(client.post(path, headers=OPERATES), "/jobs/{job_id}/cancel", "post")
    assert again.status_code == 409


@pytest.mark.parametrize("kind", ["bootstrap", "training", "retraining"])
def test_training_needs_the_scope_admin(server: Server, kind: str) -> None:
    answer = start(server(), {"kind": kind}, OPERATES)
    assert answer.status_code == 403
    assert "admin" in shown(answer)["message"]


def test_loading_needs_the_scope_operate(server: Server) -> None:
    client = server()
    for headers in (READS, ADMINISTERS):
        assert start(client, {"kind": "etl"}, headers).status_code == 403
    assert shown(client.get("/jobs", headers=ALL))["jobs"] == []


def test_who_may_act_may_also_look(server: Server) -> None:
    client = server()
    for headers in (READS, OPERATES, ADMINISTERS):
        assert client.get("/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "rm -rf /"}, "kind"),
        ({"kind": ["etl"]}, "kind"),
        ({"kind": "etl-resubmit"}, "workbook"),
        ({"kind": "etl", "command": "x"}, "command"),
        ({"kind": "etl", "options": []}, "options"),
        ({"kind": "etl", "options": {"erp": "/etc/passwd"}}, "options.erp"),
        ({"kind": "etl", "options": {"source": "../../etc"}}, "options.source"),
        ({"kind": "etl", "options": {"source": 1}}, "options.source"),
        ({"kind": "etl", "options": {"sites": []}}, None),
        ({"kind": "etl", "options": {"sites": ["a,b"]}}, "options.sites.0"),
        ({"kind": "etl", "options": {"sites": ["--dwh=x"]}}, "options.sites.0"),
        ({"kind": "etl", "options": {"sites": ["x"] * 51}}, "options.sites"),
        ({"kind": "etl", "options": {"first_day": "01/02/2026"}}, "options.first_day"),
        ({"kind": "etl", "options": {"last_day": "2026-02-30"}}, "options.last_day"),
        (
            {"kind": "etl", "options": {"first_day": "2026-02-02", "last_day": "2026-02-01"}},
            "options.last_day",
        ),
        ({"kind": "etl", "options": {"since": "hier"}}, "options.since"),
        ({"kind": "bootstrap", "options": {"trials": 2}}, "options.trials"),
        ({"kind": "training", "options": {"trials": 0}}, "options.trials"),
        ({"kind": "training", "options": {"seed": "1"}}, "options.seed"),
        ({"kind": "retraining", "options": {"maintenance": "/etc/passwd"}}, "options.maintenance"),
        ({"kind": "etl", "on_behalf_of": "a\nb"}, "on_behalf_of"),
        ({"kind": "etl", "on_behalf_of": ""}, "on_behalf_of"),
        ({"kind": "etl", "on_behalf_of": "=SUM(A1)"}, "on_behalf_of"),
        ({"kind": "etl", "on_behalf_of": "x" * 81}, "on_behalf_of"),
        ([], "body"),
    ],
)
def test_what_is_not_on_the_list_is_refused_by_field(
    server: Server, body: Any, field: str | None
) -> None:
    client = server()
    answer = start(client, body)
    if field is None:
        assert answer.status_code == 202
        return
    assert answer.status_code == 400
    assert [each["field"] for each in shown(answer)["details"]] == [field]
    assert shown(client.get("/jobs", headers=ALL))["jobs"] == []


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"NaN", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"kind": "' + b"x" * 20_000 + b'"}', "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"{}", None, 415),
        (b"kind=etl", "application/x-www-form-urlencoded", 415),
        (b"", "multipart/form-data", 400),
        (b"--b\r\n", "multipart/form-data; boundary=b", 400),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    server: Server, data: bytes, kind: str | None, status: int
) -> None:
    answer = server().post("/jobs", data=data, content_type=kind, headers=ALL)
    assert conforms(answer, "/jobs", "post").status_code == status


def test_a_corrected_workbook_is_handed_to_the_etl_and_removed(
    server: Server, tmp_path: Path
) -> None:
    body = (
        "given = pathlib.Path(next(a for a in sys.argv if '--resubmit=' in a).split('=', 1)[1])\n"
        f"print(given.name, len(given.read_bytes()), file=sys.stderr); {SAYS}"
    )
    client = server(body)
    options = json.dumps({"sites": ["Douala"]})
    content = workbook("xl/workbook.xml", weight=300_000)  # more than is read at once
    answer = send(client, content, "../../ailleurs.xlsx", options=options, on_behalf_of="A. Ngo")
    assert answer.status_code == 202
    job_id = shown(answer)["id"]
    done = until(lambda: (found := detail(client, job_id))["ended_at"] and found)
    assert done["log_tail"] == [f"rejets_corriges_{job_id}.xlsx {len(content)}"]
    assert done["options"]["sites"] == ["Douala"]
    until(lambda: not list(tmp_path.rglob("*.xlsx")))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "rejets.xlsx"),
        (b"a;b\n1;2\n", "rejets.xlsx"),
        (XLSX, "rejets.xlsm"),
        (XLSX, "rejets"),
        (workbook("word/document.xml"), "rejets.xlsx"),
        (workbook("xl/workbook.xml", "xl/vbaProject.bin"), "rejets.xlsx"),
        (XLSX[:40], "rejets.xlsx"),
    ],
    ids=["empty", "text", "macro name", "no name", "document", "macros", "cut"],
)
def test_a_file_that_is_no_workbook_is_refused(server: Server, content: bytes, name: str) -> None:
    answer = send(server(), content, name)
    assert answer.status_code == 400
    assert [each["field"] for each in shown(answer)["details"]] == ["workbook"]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "etl"},
        {"options": "[]"},
        {"options": '{"source": "autre"}'},
        {"commande": "x"},
        {"on_behalf_of": ""},
    ],
)
def test_a_form_is_checked_as_json_is(server: Server, fields: dict[str, str]) -> None:
    assert send(server(), **fields).status_code == 400


def test_a_large_workbook_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    client = server(upload_max_bytes=100_000)
    for weight in (100_001 - len(XLSX), 300_000):
        assert send(client, XLSX + bytes(weight)).status_code == 413
    assert not list(tmp_path.rglob("*.xlsx"))


@pytest.mark.parametrize("job_id", ["20260301T120000Z-0123abcd", "%2e%2e%2fjobs.sqlite", "x"])
def test_an_unknown_job_is_said(server: Server, job_id: str) -> None:
    client = server()
    assert client.get(f"/jobs/{job_id}", headers=ALL).status_code == 404
    assert client.post(f"/jobs/{job_id}/cancel", headers=ALL).status_code == 404


def test_a_missing_program_is_answered_with_what_to_do(server: Server, tmp_path: Path) -> None:
    client = server()
    (tmp_path / "logs").mkdir(exist_ok=True)
    (tmp_path / "jobs").write_text("un fichier à la place du dossier", encoding="utf-8")
    answer = start(client, {"kind": "etl"})
    assert answer.status_code == 503
    assert "jobs.folder" in shown(answer)["message"]
    (tmp_path / "jobs").unlink()
