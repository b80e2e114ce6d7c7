"""`/reports`: two workbooks, whole, only when they have changed, and no other file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conformity import SPEC
from fake_services import with_etl
from flask.testing import FlaskClient

from cidp.assembly import assemble
from cidp.http_api import app_of
from cidp.settings import Settings

KEY = {"X-API-KEY": "une-cle-sans-droits"}
REPORT, REJECTS = "/reports/rapport_supply_chain.xlsx", "/reports/rejets_a_corriger.xlsx"
Put = Callable[[str, bytes], Path]


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> FlaskClient:
    return app_of(assemble(with_etl(settings, tmp_path))).test_client()


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Put a workbook in place as the ETL does: written beside, then replaced."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / "reports" / name
        path.parent.mkdir(exist_ok=True)
        beside = path.with_name(f".{name}.tmp")
        beside.write_bytes(content)
        return beside.replace(path)

    return write


@pytest.mark.parametrize("path", [REPORT, REJECTS])
def test_before_the_first_run_the_answer_says_what_to_do(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=KEY, buffered=True)
    assert answer.status_code == 404
    assert answer.json
    assert "POST /jobs" in answer.json["message"]


def test_the_report_is_sent_whole_and_named(client: FlaskClient, put: Put) -> None:
    put("rapport_supply_chain.xlsx", b"PK" * 100_000)
    answer = client.get(REPORT, headers=KEY, buffered=True)
    assert answer.status_code == 200
    assert answer.data == b"PK" * 100_000
    described = SPEC["paths"][REPORT]["get"]["responses"]["200"]
    assert answer.mimetype in described["content"]
    assert described["headers"].keys() <= set(answer.headers.keys())
    assert "rapport_supply_chain.xlsx" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("sent", "named"), [("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")]
)
def test_a_report_that_the_caller_has_is_not_sent_again(
    client: FlaskClient, put: Put, sent: str, named: str
) -> None:
    path = put("rapport_supply_chain.xlsx", b"PK un")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    condition = {sent: client.get(REPORT, headers=KEY, buffered=True).headers[named]}
    same = client.get(REPORT, headers=KEY | condition, buffered=True)
    assert (same.status_code, same.data) == (304, b"")
    put("rapport_supply_chain.xlsx", b"PK deux")
    assert client.get(REPORT, headers=KEY | condition, buffered=True).data == b"PK deux"


def test_a_report_replaced_while_it_is_sent_arrives_as_it_was(
    client: FlaskClient, put: Put
) -> None:
    put("rapport_supply_chain.xlsx", b"a" * 1_000_000)
    answer = client.get(REPORT, headers=KEY, buffered=False)
    parts = iter(answer.response)
    first = next(parts)
    put("rapport_supply_chain.xlsx", b"b" * 10)
    assert first + b"".join(parts) == b"a" * 1_000_000
    answer.close()


def test_the_newest_rejects_are_sent_under_their_own_name(client: FlaskClient, put: Put) -> None:
    for age, name in enumerate(("rejets_a_corriger_2.xlsx", "rejets_a_corriger.xlsx")):
        os.utime(put(name, name.encode()), (1_700_000_000 - age, 1_700_000_000 - age))
    put("rejets_a_corriger_9.xlsx.exe", b"autre")
    put("secret.xlsx", b"autre")
    answer = client.get(REJECTS, headers=KEY, buffered=True)
    assert answer.data == b"rejets_a_corriger_2.xlsx"
    assert "rejets_a_corriger_2.xlsx" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    "path",
    ["/reports/", "/reports/secret.xlsx", "/reports/../config/config.yaml", "/reports/%2e%2e/x"],
)
def test_no_other_file_can_be_asked_for(client: FlaskClient, put: Put, path: str) -> None:
    put("secret.xlsx", b"secret")
    assert client.get(path, headers=KEY, buffered=True).status_code == 404


def test_a_report_that_cannot_be_read_is_said(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "reports" / "rapport_supply_chain.xlsx").mkdir(parents=True)
    answer = client.get(REPORT, headers=KEY, buffered=True)
    assert answer.status_code == 503
    assert answer.json
    assert "réessayez" in answer.json["message"]
